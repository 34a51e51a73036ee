//! A message whose frames are still coming, and what becomes of its bytes at the end.
//! Headers and control frames are left to the decoder.

use bytes::Bytes;
use bytestring::ByteString;

use super::deflate::Inflater;
use super::frame::Opcode;
use super::item::{Error, Item};
use super::text::TextBuffer;

/// The frames of one message so far. Fragments leave no trace but their bytes, however many there are.
#[derive(Debug)]
pub(super) struct Assembly {
    body: Body,
    /// Bytes that the headers so far have announced.
    announced: u64,
}

#[derive(Debug)]
enum Body {
    Text(TextBuffer),
    Binary(Vec<u8>),
    /// Inflated when it is complete, with the context that the thread lends.
    Deflated {
        text: bool,
        data: Vec<u8>,
    },
}

impl Assembly {
    /// Starts a message with its first frame.
    pub(super) fn new(opcode: Opcode, deflated: bool) -> Self {
        let text = opcode == Opcode::Text;
        let body = match (deflated, text) {
            (true, _) => Body::Deflated { text, data: Vec::new() },
            (false, true) => Body::Text(TextBuffer::default()),
            (false, false) => Body::Binary(Vec::new()),
        };
        Self { body, announced: 0 }
    }

    /// Counts a frame before any of it is taken.
    pub(super) fn announce(&mut self, len: u64, max: usize) -> Result<(), Error> {
        self.announced = self.announced.saturating_add(len);
        if self.announced > max as u64 { Err(Error::TooBig) } else { Ok(()) }
    }

    /// Appends unmasked bytes; `more` are still to come in the same frame.
    pub(super) fn push(&mut self, bytes: &[u8], more: usize) -> Result<(), Error> {
        match &mut self.body {
            Body::Text(text) => text.push(bytes, more)?,
            Body::Binary(data) | Body::Deflated { data, .. } => {
                data.reserve_exact(room(data.len(), data.capacity(), bytes.len(), more));
                data.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Binary(data) | Body::Deflated { data, .. } => data.len(),
        }
    }

    /// Makes the message of what came.
    pub(super) fn finish(self, max: usize, inflater: &mut Inflater) -> Result<Item, Error> {
        match self.body {
            Body::Text(text) => Ok(Item::Text(text.finish()?)),
            Body::Binary(data) => Ok(Item::Binary(data.into())),
            Body::Deflated { text, data } => inflated(text, &data, max, inflater),
        }
    }
}

/// Makes a message of a compressed payload.
pub(super) fn inflated(text: bool, data: &[u8], max: usize, inflater: &mut Inflater) -> Result<Item, Error> {
    let mut out = Vec::new();
    inflater.inflate(data, max, &mut out)?;
    if text { ByteString::try_from(out).map(Item::Text).map_err(|_| Error::Utf8) } else { Ok(Item::Binary(out.into())) }
}

/// Makes an item of the payload of a frame that is whole, not compressed, and no continuation.
pub(super) fn plain(opcode: Opcode, payload: &[u8]) -> Result<Item, Error> {
    match opcode {
        Opcode::Text => {
            let text = simdutf8::basic::from_utf8(payload).map_err(|_| Error::Utf8)?;
            Ok(Item::Text(text.into()))
        }
        Opcode::Binary => Ok(Item::Binary(Bytes::copy_from_slice(payload))),
        Opcode::Close => Item::close(payload),
        Opcode::Ping => Ok(Item::Ping(Bytes::copy_from_slice(payload))),
        Opcode::Pong => Ok(Item::Pong(Bytes::copy_from_slice(payload))),
        Opcode::Continuation => Err(NOTHING_TO_CONTINUE),
    }
}

pub(super) const NOTHING_TO_CONTINUE: Error = Error::Protocol("continuation without a message");

/// Bytes to reserve so that `piece` more fit: doubling, but never more than what is known to follow, so that neither an
/// announced length alone takes memory nor a message ends in a buffer twice its size.
pub(super) fn room(len: usize, capacity: usize, piece: usize, more: usize) -> usize {
    if capacity - len >= piece { 0 } else { piece + more.min(len) }
}
