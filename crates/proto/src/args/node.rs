//! A JSON tree read with its attachments put in: whatever asks for bytes at a placeholder gets the attachment.
//! Arguments without attachments never come here.

use bytes::Bytes;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// The name by which serde_json's `RawValue` asks for text instead of a value.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// A value and the attachments that it may name.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    pub(super) attachments: &'a [Bytes],
}

impl<'a> Node<'a> {
    /// The attachment that the value stands for, if it is a placeholder.
    fn attachment(self) -> Option<&'a Bytes> {
        let object = self.value.as_object()?;
        if object.get("_placeholder")? != &Value::Bool(true) {
            return None;
        }
        let num = object.get("num")?.as_u64().and_then(|num| usize::try_from(num).ok())?;
        self.attachments.get(num)
    }

    fn child(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => number.deserialize_any(visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(elements) => {
                let mut seq = SeqDeserializer::new(elements.iter().map(|element| self.child(element)));
                let value = visitor.visit_seq(&mut seq)?;
                seq.end().map(|()| value)
            }
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| (Key(key), self.child(value)));
                let mut map = MapDeserializer::new(members);
                let value = visitor.visit_map(&mut map)?;
                map.end().map(|()| value)
            }
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.attachment(), self.value) {
            (Some(data), _) => visitor.visit_bytes(data),
            (None, Value::String(text)) => visitor.visit_bytes(text.as_bytes()),
            (None, _) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    /// A `Vec<u8>` asks serde for a sequence; at a placeholder it gets the bytes.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.attachment() {
            Some(data) => visitor.visit_seq(SeqDeserializer::new(data.iter().copied())),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == RAW_VALUE {
            return self.value.clone().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::String(variant) => visitor.visit_enum(Variant { name: variant, content: None }),
            Value::Object(members) if members.len() == 1 => {
                let mut members = members.iter();
                let (name, value) = members.next().ok_or_else(|| Error::custom("a map without its member"))?;
                visitor.visit_enum(Variant { name, content: Some(self.child(value)) })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(Error::invalid_type(Unexpected::Other("something else"), &"a string or a map with one key"))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct tuple tuple_struct map
        struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for Node<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A key of an object. As in serde_json a key may be read as a number or a truth value.
#[derive(Clone, Copy)]
struct Key<'a>(&'a str);

impl IntoDeserializer<'_, Error> for Key<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Makes methods that read what the key says if it says something else than text.
macro_rules! read_key {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match Value::deserialize(&mut serde_json::Deserializer::from_str(self.0)) {
                Ok(value @ (Value::Number(_) | Value::Bool(_))) => value.$method(visitor),
                _ => visitor.visit_str(self.0),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    read_key! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(StrDeserializer::new(self.0))
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant of an enum and what it holds.
struct Variant<'a> {
    name: &'a str,
    content: Option<Node<'a>>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Content<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'a>), Error> {
        let variant = seed.deserialize(StrDeserializer::<Error>::new(self.name))?;
        Ok((variant, Content(self.content)))
    }
}

struct Content<'a>(Option<Node<'a>>);

impl<'a> Content<'a> {
    fn some(self, expected: &str) -> Result<Node<'a>, Error> {
        self.0.ok_or_else(|| Error::invalid_type(Unexpected::UnitVariant, &expected))
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Deserialize::deserialize)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.some("newtype variant")?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.some("tuple variant")?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.some("struct variant")?.deserialize_any(visitor)
    }
}
