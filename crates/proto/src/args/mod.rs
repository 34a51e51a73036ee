//! The arguments of an event or an ack in their one canonical form, whatever form they come in or leave by.
//! The event's name and the packet around them are left to the codec.

mod de;
mod edit;
mod error;
mod node;
mod placeholder;
mod ser;
mod shape;
mod top;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

pub use error::ArgsError;
use placeholder::rewrite;
pub(crate) use placeholder::{Found, find as find_placeholders, neutralised, put as put_placeholder};

use crate::DecodeError;
use crate::json::{Invalid, scan, skip_blanks};
use crate::limits::MAX_DEPTH;

/// Where each argument stands in the text, in bytes.
pub(crate) type Spans = SmallVec<[(u32, u32); 4]>;

/// The arguments of an event or an ack: JSON text of the elements joined by commas, without the brackets around them, and
/// the attachments that the placeholders in it name (`1,{"_placeholder":true,"num":0}`).
///
/// A clone shares text and attachments. Arguments that came from a peer are a slice of its message.
///
/// With attachments, each object that looks like a placeholder is one. Where values are put together (serialising, pushing),
/// a look-alike beside attachments becomes `null`: a receiver would read an attachment that was never meant, or close for
/// one that does not exist. Without attachments it is data like any other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    text: ByteString,
    spans: Spans,
    attachments: Vec<Bytes>,
}

impl Args {
    /// Makes no arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of arguments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Returns whether there is no argument.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns the JSON of all arguments, joined by commas.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the JSON of argument `i`.
    #[must_use]
    pub fn raw(&self, i: usize) -> Option<&str> {
        self.spans.get(i).map(|&(start, end)| &self.text[start as usize..end as usize])
    }

    /// Returns the attachments in the order of their numbers.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Reads argument `i`. A missing one is read as `null`, so that `Option` and `()` take it.
    ///
    /// Attachments are given to whatever asks serde for bytes (`bytes::Bytes`) at any depth; such a type takes a string or
    /// an array of numbers as well. Types that serde buffers (untagged enums, flattened structs) see the placeholder.
    ///
    /// # Errors
    ///
    /// [`ArgsError::Missing`] or [`ArgsError::Json`].
    pub fn get<T: DeserializeOwned>(&self, i: usize) -> Result<T, ArgsError> {
        de::one(self, i)
    }

    /// Reads all arguments as one value: a tuple or a `Vec`. Of a tuple, missing arguments are read as `null`, and those
    /// beyond it are ignored, as a JavaScript function does.
    ///
    /// # Errors
    ///
    /// [`ArgsError::Missing`] or [`ArgsError::Json`].
    pub fn get_all<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        de::all(self)
    }

    /// Reads `T` as a handler means it: a tuple takes all arguments, `()` none, any other type the first.
    ///
    /// # Errors
    ///
    /// [`ArgsError::Missing`] or [`ArgsError::Json`].
    pub fn extract<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        if shape::is_several::<T>() { self.get_all() } else { self.get(0) }
    }

    /// Returns the attachment that argument `i` is, if it is one.
    #[must_use]
    pub fn binary(&self, i: usize) -> Option<&Bytes> {
        let (start, end) = *self.spans.get(i).filter(|_| !self.attachments.is_empty())?;
        match find_placeholders(&self.text, &[(start, end)])[..] {
            [Found { start: from, end: to, num: Some(num) }] if (from, to) == (start as usize, end as usize) => {
                self.attachments.get(num as usize)
            }
            _ => None,
        }
    }

    /// Writes a value as one argument, except that a tuple is several and `()` none. An array `[T; N]` is a tuple to serde,
    /// a `Vec` is not. What is given to serde as bytes (`bytes::Bytes`), at any depth, becomes an attachment. NaN and the
    /// infinities become `null`, as in JavaScript.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON (a map whose keys are no strings), or is beyond a limit.
    pub fn serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, ArgsError> {
        ser::serialize(value, true)
    }

    /// Writes a value as exactly one argument: a tuple becomes an array, `()` becomes `null`.
    ///
    /// # Errors
    ///
    /// Those of [`serialize`](Self::serialize).
    pub fn serialize_one<T: Serialize + ?Sized>(value: &T) -> Result<Self, ArgsError> {
        ser::serialize(value, false)
    }

    /// Makes arguments again of what [`text`](Self::text) and [`attachments`](Self::attachments) gave. The text is checked,
    /// the placeholders in it are not: one that names no attachment is data.
    ///
    /// # Errors
    ///
    /// [`DecodeError::InvalidPayload`], [`DecodeError::TooDeep`] or [`DecodeError::TooLong`].
    pub fn from_text(text: ByteString, attachments: Vec<Bytes>) -> Result<Self, DecodeError> {
        let spans = elements(&text)?;
        Ok(Self { text, spans, attachments })
    }

    /// Returns whether the first argument is a string.
    #[must_use]
    pub fn first_is_string(&self) -> bool {
        self.raw(0).is_some_and(|raw| raw.starts_with('"'))
    }

    /// Returns whether the last argument is a string, which an official client would take for an offset.
    #[must_use]
    pub fn last_is_string(&self) -> bool {
        self.len().checked_sub(1).and_then(|last| self.raw(last)).is_some_and(|raw| raw.starts_with('"'))
    }

    /// Returns the bytes of text and attachments together.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Makes arguments of parts that fit: valid JSON, its spans, and attachments for each placeholder if there are any.
    pub(crate) fn from_parts(text: ByteString, spans: Spans, attachments: Vec<Bytes>) -> Self {
        Self { text, spans, attachments }
    }

    pub(crate) fn spans(&self) -> &[(u32, u32)] {
        &self.spans
    }

    /// Adds an attachment that the text names already.
    pub(crate) fn attach(&mut self, data: Bytes) {
        self.attachments.push(data);
    }
}

/// Finds values that are joined by commas.
fn elements(text: &str) -> Result<Spans, DecodeError> {
    u32::try_from(text.len()).map_err(|_| DecodeError::TooLong)?;
    let (text, mut spans) = (text.as_bytes(), Spans::new());
    let mut at = skip_blanks(text, 0);
    if at == text.len() {
        return Ok(spans);
    }
    loop {
        let end = scan(text, at, MAX_DEPTH, &mut ()).map_err(|invalid| match invalid {
            Invalid::TooDeep => DecodeError::TooDeep,
            Invalid::Syntax => DecodeError::InvalidPayload,
        })?;
        spans.push((place(at), place(end)));
        at = skip_blanks(text, end);
        match text.get(at) {
            None => return Ok(spans),
            Some(b',') => at = skip_blanks(text, at + 1),
            Some(_) => return Err(DecodeError::InvalidPayload),
        }
    }
}

/// Makes a place in the text of one that fits by the caller's check.
pub(crate) fn place(at: usize) -> u32 {
    u32::try_from(at).expect("arguments are shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_made_again_of_their_text() {
        let mut several =
            Args::serialize(&("a,\"b", vec![1, 2], Bytes::from_static(b"x"), None::<u8>)).expect("arguments");
        several.push_args(&Args::serialize(&f64::MAX).expect("an argument"));
        for args in [Args::new(), Args::serialize(&1).expect("an argument"), several] {
            let again = Args::from_text(args.text().into(), args.attachments().to_vec());
            assert_eq!(again.expect("its own text"), args);
        }
        let blanks = Args::from_text(" 1 , [2 ]".into(), Vec::new()).expect("blanks are allowed");
        assert_eq!((blanks.raw(0), blanks.raw(1), blanks.len()), (Some("1"), Some("[2 ]"), 2));
    }

    #[test]
    fn text_that_is_no_arguments_is_refused() {
        for text in [",", "1,", ",1", "1 2", "[", "a", "1,,2", "{\"a\"}"] {
            assert_eq!(Args::from_text(text.into(), Vec::new()), Err(DecodeError::InvalidPayload), "{text}");
        }
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(Args::from_text(deep.into(), Vec::new()), Err(DecodeError::TooDeep));
    }
}
