//! Msgpack values to JSON text, attachments taken out. It never recurses, and how deep it goes is bounded.
//! What a packet needs is left to the decoder.

use std::fmt::Write as _;

use bytes::Bytes;
use smallvec::SmallVec;

use super::read::{Reader, Token};
use super::time::put_iso;
use crate::DecodeError;
use crate::args::{place, put_placeholder};
use crate::json::quote;
use crate::limits::MAX_ATTACHMENTS;

/// What has been written so far.
pub(super) struct Transcoder<'a> {
    reader: Reader<'a>,
    /// The message that the reader reads; attachments are slices of it.
    whole: &'a Bytes,
    pub(super) out: String,
    pub(super) attachments: Vec<Bytes>,
    /// Where the placeholders of the attachments stand.
    pub(super) places: Vec<usize>,
    open: SmallVec<[Container; 8]>,
}

/// An array or map of which elements or pairs are left.
struct Container {
    left: u32,
    is_map: bool,
    is_first: bool,
}

impl<'a> Transcoder<'a> {
    pub(super) fn new(reader: Reader<'a>, whole: &'a Bytes) -> Self {
        Self { reader, whole, out: String::new(), attachments: Vec::new(), places: Vec::new(), open: SmallVec::new() }
    }

    /// Appends the next value, at most `max_depth` levels deep.
    pub(super) fn value(&mut self, max_depth: usize) -> Result<(), DecodeError> {
        debug_assert!(self.open.is_empty(), "a value ends with all that it opened");
        loop {
            let token = self.reader.next()?;
            match token {
                Token::Array(left) => self.start(left, false, max_depth)?,
                Token::Map(left) => self.start(left, true, max_depth)?,
                // The placeholder is an object, and as such a level.
                Token::Bin(_) if self.open.len() == max_depth => return Err(DecodeError::TooDeep),
                scalar => self.scalar(scalar)?,
            }
            if !self.go_on()? {
                return Ok(());
            }
        }
    }

    fn start(&mut self, left: u32, is_map: bool, max_depth: usize) -> Result<(), DecodeError> {
        if self.open.len() == max_depth {
            return Err(DecodeError::TooDeep);
        }
        self.out.push(if is_map { '{' } else { '[' });
        self.open.push(Container { left, is_map, is_first: true });
        Ok(())
    }

    /// Closes what has no more elements, and returns whether another value follows.
    fn go_on(&mut self) -> Result<bool, DecodeError> {
        while let Some(container) = self.open.last_mut() {
            if container.left == 0 {
                self.out.push(if container.is_map { '}' } else { ']' });
                self.open.pop();
                continue;
            }
            container.left -= 1;
            let key = if container.is_map { Some(self.reader.next()?) } else { None };
            // As `JSON.stringify` does: an undefined member is left out, an undefined element is null.
            if key.is_some() && self.reader.peek()?.is_undefined() {
                self.reader.skip()?;
                continue;
            }
            if !std::mem::take(&mut container.is_first) {
                self.out.push(',');
            }
            if let Some(key) = key {
                put_key(&mut self.out, key)?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn scalar(&mut self, token: Token<'_>) -> Result<(), DecodeError> {
        let out = &mut self.out;
        match token {
            Token::Nil => out.push_str("null"),
            Token::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Token::Uint(_) | Token::Int(_) | Token::Float(_) => put_number(out, token),
            Token::Str(text) => quote(out, text),
            Token::Bin(data) => self.attachment(data)?,
            Token::Ext(kind, data) => put_ext(out, kind, data)?,
            Token::Array(_) | Token::Map(_) => {
                debug_assert!(false, "arrays and maps are no scalars");
            }
        }
        Ok(())
    }

    fn attachment(&mut self, data: &[u8]) -> Result<(), DecodeError> {
        let num = self.attachments.len();
        if num == MAX_ATTACHMENTS {
            return Err(DecodeError::TooManyAttachments);
        }
        self.places.push(self.out.len());
        self.attachments.push(self.whole.slice_ref(data));
        put_placeholder(&mut self.out, place(num));
        Ok(())
    }
}

/// Appends a number as JavaScript would: without a fraction if it has none, `null` if it is no number.
pub(super) fn put_number(out: &mut String, token: Token<'_>) {
    let _infallible = match token {
        Token::Uint(value) => write!(out, "{value}"),
        Token::Int(value) => write!(out, "{value}"),
        Token::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => {
            write!(out, "{}", value as i64)
        }
        Token::Float(value) if value.is_finite() => {
            write!(out, "{}", serde_json::Value::from(value))
        }
        _ => write!(out, "null"),
    };
}

/// Below this, each whole `f64` is exact, and written in full by JavaScript.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// JavaScript has strings for keys and makes such of numbers.
fn put_key(out: &mut String, key: Token<'_>) -> Result<(), DecodeError> {
    match key {
        Token::Str(text) => quote(out, text),
        Token::Uint(_) | Token::Int(_) => {
            out.push('"');
            put_number(out, key);
            out.push('"');
        }
        _ => return Err(DecodeError::InvalidMsgpack),
    }
    out.push(':');
    Ok(())
}

/// `undefined` and dates as notepack writes them (type 0), and the timestamps of the msgpack specification (type -1).
fn put_ext(out: &mut String, kind: i8, data: &[u8]) -> Result<(), DecodeError> {
    let millis = match (kind, data) {
        (0, [_]) => {
            out.push_str("null");
            return Ok(());
        }
        (0, &[a, b, c, d, e, f, g, h]) => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        (-1, &[a, b, c, d]) => i64::from(u32::from_be_bytes([a, b, c, d])) * 1000,
        (-1, &[a, b, c, d, e, f, g, h]) => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            let (nanos, seconds) = (both >> 34, both & 0x3_ffff_ffff);
            (seconds * 1000 + nanos / 1_000_000).cast_signed()
        }
        (-1, &[a, b, c, d, ref seconds @ ..]) => {
            let nanos = u32::from_be_bytes([a, b, c, d]);
            let seconds = <[u8; 8]>::try_from(seconds).map_err(|_| DecodeError::InvalidMsgpack)?;
            i64::from_be_bytes(seconds).saturating_mul(1000).saturating_add(i64::from(nanos / 1_000_000))
        }
        _ => return Err(DecodeError::InvalidMsgpack),
    };
    put_iso(out, millis);
    Ok(())
}
