//! Whether a type is several arguments or one: asked of the type itself, without data.
//! Reading it is `de`'s matter.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Returns whether `T` asks serde for a tuple or for nothing, that is for all arguments and not for the first.
pub(super) fn is_several<T: DeserializeOwned>() -> bool {
    matches!(T::deserialize(Probe), Err(Asked::Tuple))
}

struct Probe;

/// What the type asked for.
#[derive(Debug)]
enum Asked {
    Tuple,
    Other,
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Asked;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
        Err(Asked::Other)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Asked> {
        Err(Asked::Tuple)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, _: V) -> Result<V::Value, Asked> {
        Err(Asked::Tuple)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
        Err(Asked::Tuple)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq map struct enum
        identifier ignored_any option unit_struct newtype_struct
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("only the shape was asked for")
    }
}

impl std::error::Error for Asked {}

impl serde::de::Error for Asked {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_and_nothing_are_several_arguments_and_all_else_is_one() {
        assert!(is_several::<(u8, String)>());
        assert!(is_several::<(u8,)>());
        assert!(is_several::<[u8; 2]>());
        assert!(is_several::<()>());
        assert!(!is_several::<Vec<u8>>());
        assert!(!is_several::<String>());
        assert!(!is_several::<Option<(u8, u8)>>());
        assert!(!is_several::<serde_json::Value>());
    }
}
