//! The two contexts of permessage-deflate (RFC 7692), reset for each message, so that one of each serves a whole thread.
//! Which messages are worth deflating is left to the caller.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::item::Error;
use super::window::WindowBits;
use crate::limits::INFLATE_STEP;

/// What a sync flush ends with; it does not travel (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Deflates messages. It takes its memory (313 KiB for the largest window) at the first use of each window.
#[derive(Debug, Default)]
pub struct Deflater {
    streams: [Option<Compress>; WindowBits::COUNT],
}

/// Inflates messages. It takes its memory (35 KiB) at the first use.
#[derive(Debug, Default)]
pub struct Inflater {
    stream: Option<Decompress>,
}

impl Deflater {
    /// Makes a deflater that holds nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { streams: [const { None }; WindowBits::COUNT] }
    }

    /// Appends `data` deflated, without the bytes `00 00 ff ff` at the end, nothing in it referring further back than the
    /// window. The same data and window give the same bytes always.
    pub fn deflate(&mut self, window: WindowBits, data: &[u8], out: &mut Vec<u8>) {
        if data.is_empty() {
            // "an empty fragment is a single byte 0x00" once the tail is off (7.2.3.6).
            return out.push(0);
        }
        let stream = self.streams[window.index()]
            .get_or_insert_with(|| Compress::new_with_window_bits(Compression::default(), false, window.get()));
        stream.reset();
        let mut input = data;
        out.reserve(data.len() / 2 + 64);
        loop {
            let before = stream.total_in();
            let status = stream.compress_vec(input, out, FlushCompress::Sync);
            debug_assert!(status.is_ok(), "deflate only fails when it is misused");
            input = &input[taken(before, stream.total_in())..];
            if input.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve(data.len() / 2 + 64);
        }
        debug_assert!(out.ends_with(&TAIL), "a sync flush ends on an empty stored block");
        out.truncate(out.len() - TAIL.len());
    }
}

impl Inflater {
    /// Makes an inflater that holds nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { stream: None }
    }

    /// Appends the inflated content of a message. `out` grows as content comes, never above `max` bytes and a step more.
    ///
    /// # Errors
    ///
    /// [`Error::Deflate`] for what cannot be inflated, [`Error::TooBig`] for more than `max` bytes of content.
    pub fn inflate(&mut self, data: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        let stream = self.stream.get_or_insert_with(|| Decompress::new(false));
        stream.reset(false);
        let limit = out.len().saturating_add(max);
        match inflate_part(stream, data, limit, out)? {
            None => inflate_part(stream, &TAIL, limit, out).map(drop),
            // A sender may set BFINAL and then append an empty block, of which 0x00 remains (7.2.3.4).
            Some([] | [0x00]) => Ok(()),
            Some(_) => Err(Error::Deflate),
        }
    }
}

/// Inflates all of `input`; if a final block ends before its end, returns what follows the block.
fn inflate_part<'a>(
    stream: &mut Decompress,
    mut input: &'a [u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Error> {
    loop {
        if out.len() == out.capacity() {
            // One byte more than is allowed, so that too much can be told from just enough.
            let room = (limit - out.len()).saturating_add(1);
            out.reserve_exact(room.min(INFLATE_STEP.max(out.len())));
        }
        let (before, held) = (stream.total_in(), out.len());
        let status = stream.decompress_vec(input, out, FlushDecompress::Sync).map_err(|_| Error::Deflate)?;
        let consumed = taken(before, stream.total_in());
        input = &input[consumed..];
        if out.len() > limit {
            return Err(Error::TooBig);
        }
        match status {
            Status::StreamEnd => return Ok(Some(input)),
            Status::Ok | Status::BufError if out.len() == out.capacity() => {}
            Status::Ok | Status::BufError if input.is_empty() => return Ok(None),
            Status::Ok | Status::BufError if consumed == 0 && out.len() == held => {
                return Err(Error::Deflate);
            }
            Status::Ok | Status::BufError => {}
        }
    }
}

/// Bytes that one call took, of a counter that runs over all calls.
fn taken(before: u64, after: u64) -> usize {
    usize::try_from(after - before).expect("no call takes more than its slice")
}
