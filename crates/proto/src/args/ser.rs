//! Values to arguments: serde_json with a formatter that takes the bytes out and watches the depth.
//! What counts as several arguments is decided by the serializer at the top.

use std::cell::Cell;
use std::io;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde_json::ser::Formatter;
use smallvec::SmallVec;

use super::top::{Shape, Top};
use super::{Args, ArgsError, Spans, neutralised, place};
use crate::json::{Invalid, scan};
use crate::limits::{MAX_ATTACHMENTS, MAX_DEPTH};

/// Writes `value`; `spread` says whether a tuple is several arguments and `()` none.
pub(super) fn serialize<T: Serialize + ?Sized>(value: &T, spread: bool) -> Result<Args, ArgsError> {
    let (written, shape) = (Cell::new(0), Cell::new(Shape::One));
    let mut text = Vec::with_capacity(128);
    let mut taken = Taken::default();
    let writer = Writer { out: &mut text, written: &written };
    let collect = Collect { written: &written, shape: &shape, depth: 0, taken: &mut taken };
    let mut json = serde_json::Serializer::with_formatter(writer, collect);
    let result =
        if spread { value.serialize(Top { json: &mut json, shape: &shape }) } else { value.serialize(&mut json) };
    if let Err(error) = result {
        return Err(taken.refused.unwrap_or(ArgsError::Json(error)));
    }
    let text = String::from_utf8(text).map_err(serde::ser::Error::custom).map_err(ArgsError::Json)?;
    finish(text, shape.get(), taken)
}

/// What the formatter takes out and notes besides the text.
#[derive(Default)]
struct Taken {
    /// Of the elements of a tuple at the top.
    spans: Spans,
    attachments: Vec<Bytes>,
    /// Where their placeholders stand.
    places: Vec<usize>,
    /// Why the formatter ended the work.
    refused: Option<ArgsError>,
}

fn finish(text: String, shape: Shape, taken: Taken) -> Result<Args, ArgsError> {
    let len = u32::try_from(text.len()).map_err(|_| ArgsError::TooLong)?;
    // A tuple stands in brackets, which arguments do not have.
    let (range, mut spans) = match shape {
        Shape::One => (0..text.len(), Spans::from_slice(&[(0, len)])),
        Shape::Several => (1..text.len() - 1, taken.spans),
        Shape::None => (0..0, Spans::new()),
    };
    let offset = range.start;
    for span in &mut spans {
        *span = (span.0 - place(offset), span.1 - place(offset));
    }
    let own: SmallVec<[usize; MAX_ATTACHMENTS]> = taken.places.iter().map(|at| at - offset).collect();
    if let Some(text) = neutralised(&text[range.clone()], &mut spans, &own) {
        return Ok(Args::from_parts(text.into(), spans, taken.attachments));
    }
    Ok(Args::from_parts(fitted(text, range), spans, taken.attachments))
}

/// Returns a part of the text without the slack of the buffer it was written in: arguments are kept for long.
fn fitted(text: String, range: Range<usize>) -> ByteString {
    const WORTH_A_COPY: usize = 1024;
    if text.len() < WORTH_A_COPY {
        return text[range].into();
    }
    let text = ByteString::from(text.into_boxed_str());
    text.slice_ref(&text[range])
}

/// Counts what it writes, so that the formatter knows where it is.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    written: &'a Cell<usize>,
}

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.extend_from_slice(bytes);
        self.written.set(self.out.len());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The compact form, with attachments taken out.
struct Collect<'a> {
    written: &'a Cell<usize>,
    shape: &'a Cell<Shape>,
    depth: usize,
    taken: &'a mut Taken,
}

impl Collect<'_> {
    fn refuse(&mut self, why: ArgsError) -> io::Error {
        self.taken.refused = Some(why);
        io::Error::other("refused")
    }

    fn open(&mut self) -> io::Result<()> {
        if self.depth == self.max_depth() {
            return Err(self.refuse(ArgsError::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    /// The packet is an array around the arguments; a tuple at the top is that array itself.
    fn max_depth(&self) -> usize {
        if self.shape.get() == Shape::Several { MAX_DEPTH } else { MAX_DEPTH - 1 }
    }

    fn is_argument(&self) -> bool {
        self.depth == 1 && self.shape.get() == Shape::Several
    }
}

impl Formatter for Collect<'_> {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.is_argument() {
            let start = u32::try_from(self.written.get()).map_err(|_| self.refuse(ArgsError::TooLong))?;
            self.taken.spans.push((start, start));
        }
        Ok(())
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        if self.is_argument() {
            let end = u32::try_from(self.written.get()).map_err(|_| self.refuse(ArgsError::TooLong))?;
            if let Some(span) = self.taken.spans.last_mut() {
                span.1 = end;
            }
        }
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }

    fn write_byte_array<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: &[u8]) -> io::Result<()> {
        let num = self.taken.attachments.len();
        if num == MAX_ATTACHMENTS {
            return Err(self.refuse(ArgsError::TooManyAttachments));
        }
        if self.depth == self.max_depth() {
            return Err(self.refuse(ArgsError::TooDeep));
        }
        self.taken.places.push(self.written.get());
        self.taken.attachments.push(Bytes::copy_from_slice(value));
        let mut placeholder = String::with_capacity(32);
        super::put_placeholder(&mut placeholder, place(num));
        writer.write_all(placeholder.as_bytes())
    }

    /// What serde_json passes through unread may be nested as well.
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        match scan(fragment.as_bytes(), 0, self.max_depth() - self.depth, &mut ()) {
            Err(Invalid::TooDeep) => Err(self.refuse(ArgsError::TooDeep)),
            _ => writer.write_all(fragment.as_bytes()),
        }
    }
}
