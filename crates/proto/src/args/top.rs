//! The serializer at the top of arguments: it tells a tuple and `()` from everything else and passes all on to serde_json.
//! How the parts are written is the formatter's matter.

use std::cell::Cell;
use std::fmt::Display;
use std::io;

use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

/// What a value is as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One argument.
    One,
    /// Each element of the array that is written is an argument.
    Several,
    /// No argument; nothing is written.
    None,
}

/// Passes one value on and notes its shape before any of it is written.
pub(super) struct Top<'a, W, F> {
    pub(super) json: &'a mut serde_json::Serializer<W, F>,
    pub(super) shape: &'a Cell<Shape>,
}

/// Makes methods that only pass on.
macro_rules! pass_on {
    ($($method:ident($($name:ident: $kind:ty),*) -> $out:ident;)*) => {
        $(fn $method(self, $($name: $kind),*) -> Result<Self::$out, Self::Error> {
            self.json.$method($($name),*)
        })*
    };
}

impl<'a, W: io::Write, F: Formatter> Serializer for Top<'a, W, F> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <&'a mut serde_json::Serializer<W, F> as Serializer>::SerializeSeq;
    type SerializeTuple = <&'a mut serde_json::Serializer<W, F> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'a mut serde_json::Serializer<W, F> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'a mut serde_json::Serializer<W, F> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'a mut serde_json::Serializer<W, F> as Serializer>::SerializeMap;
    type SerializeStruct = <&'a mut serde_json::Serializer<W, F> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'a mut serde_json::Serializer<W, F> as Serializer>::SerializeStructVariant;

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Self::Error> {
        self.shape.set(Shape::Several);
        self.json.serialize_tuple(len)
    }

    fn serialize_unit(self) -> Result<(), Self::Error> {
        self.shape.set(Shape::None);
        Ok(())
    }

    pass_on! {
        serialize_bool(value: bool) -> Ok;
        serialize_i8(value: i8) -> Ok;
        serialize_i16(value: i16) -> Ok;
        serialize_i32(value: i32) -> Ok;
        serialize_i64(value: i64) -> Ok;
        serialize_i128(value: i128) -> Ok;
        serialize_u8(value: u8) -> Ok;
        serialize_u16(value: u16) -> Ok;
        serialize_u32(value: u32) -> Ok;
        serialize_u64(value: u64) -> Ok;
        serialize_u128(value: u128) -> Ok;
        serialize_f32(value: f32) -> Ok;
        serialize_f64(value: f64) -> Ok;
        serialize_char(value: char) -> Ok;
        serialize_str(value: &str) -> Ok;
        serialize_bytes(value: &[u8]) -> Ok;
        serialize_none() -> Ok;
        serialize_unit_struct(name: &'static str) -> Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> Ok;
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        self.json.serialize_some(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Self::Error> {
        self.json.serialize_newtype_struct(name, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.json.serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        self.json.collect_str(value)
    }
}
