//! Arguments to values: each argument straight through serde_json, or over a tree where attachments have to be put in.
//! The tree is `node`'s matter.

use std::cell::Cell;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

use super::node::Node;
use super::{Args, ArgsError, find_placeholders};

/// Reads argument `i`, a missing one as `null`.
pub(super) fn one<T: DeserializeOwned>(args: &Args, i: usize) -> Result<T, ArgsError> {
    if i >= args.len() {
        return T::deserialize(Value::Null).map_err(|_| ArgsError::Missing(i));
    }
    Ok(element(args, i, std::marker::PhantomData)?)
}

/// Reads all arguments as one sequence.
pub(super) fn all<T: DeserializeOwned>(args: &Args) -> Result<T, ArgsError> {
    let missing = Cell::new(None);
    T::deserialize(Whole { args, missing: &missing })
        .map_err(|error| missing.get().map_or(ArgsError::Json(error), ArgsError::Missing))
}

fn element<'de, S: DeserializeSeed<'de>>(args: &'de Args, i: usize, seed: S) -> Result<S::Value, Error> {
    let raw = args.raw(i).unwrap_or("null");
    let has_attachments = !args.attachments.is_empty() && !find_placeholders(&args.text, &args.spans[i..=i]).is_empty();
    let mut json = serde_json::Deserializer::from_str(raw);
    if has_attachments {
        let tree: Value = serde::Deserialize::deserialize(&mut json)?;
        return seed.deserialize(Node { value: &tree, attachments: &args.attachments });
    }
    let value = seed.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// All arguments.
struct Whole<'de> {
    args: &'de Args,
    missing: &'de Cell<Option<usize>>,
}

impl<'de> Whole<'de> {
    fn elements(self, len: usize) -> Elements<'de> {
        Elements { whole: self, next: 0, len }
    }
}

impl<'de> Deserializer<'de> for Whole<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let len = self.args.len();
        visitor.visit_seq(self.elements(len))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.elements(len))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(self.elements(len))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq map struct enum
        identifier ignored_any
    }
}

/// The arguments one after another, up to the length of the tuple that wants them.
struct Elements<'de> {
    whole: Whole<'de>,
    next: usize,
    len: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let i = self.next;
        if i == self.len {
            return Ok(None);
        }
        self.next += 1;
        if i < self.whole.args.len() {
            return element(self.whole.args, i, seed).map(Some);
        }
        seed.deserialize(Value::Null).map(Some).inspect_err(|_| self.whole.missing.set(Some(i)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len - self.next)
    }
}
