//! Arguments of events as plain JSON, for those who are no Socket.IO client.
//! Around which of them, and in which answer, is left to the callers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use trunkline::{Args, Bytes};

/// The arguments as an array. An attachment stands where it was as `{"base64":".."}`.
///
/// # Errors
///
/// None that what the log holds gives cause to.
pub(crate) fn args(args: &Args) -> serde_json::Result<Box<RawValue>> {
    let text = format!("[{}]", args.text());
    if args.attachments().is_empty() {
        return RawValue::from_string(text);
    }
    let mut values: Value = serde_json::from_str(&text)?;
    resolve(&mut values, args.attachments());
    to_raw_value(&values)
}

/// Puts attachments in the place of what stands for them. Beside attachments nothing else looks like that.
fn resolve(value: &mut Value, attachments: &[Bytes]) {
    match value {
        Value::Object(object) if object.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = object.get("num").and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
            let bytes = number.and_then(|number| attachments.get(number));
            *value = bytes.map_or(Value::Null, |bytes| json!({ "base64": STANDARD.encode(bytes) }));
        }
        Value::Object(object) => object.values_mut().for_each(|value| resolve(value, attachments)),
        Value::Array(values) => values.iter_mut().for_each(|value| resolve(value, attachments)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_array_as_they_were_written() {
        let text = Args::serialize(&("a", json!({ "_placeholder": true, "num": 0 }))).unwrap();
        assert_eq!(args(&text).unwrap().get(), r#"["a",{"_placeholder":true,"num":0}]"#);
        assert_eq!(args(&Args::new()).unwrap().get(), "[]");
    }

    #[test]
    fn attachments_are_base64_where_they_were() {
        let (one, two) = (Bytes::from_static(b"\x00\xff"), Bytes::from_static(b"two"));
        let binary = Args::serialize(&("a", vec![one, two])).unwrap();
        assert_eq!(args(&binary).unwrap().get(), r#"["a",[{"base64":"AP8="},{"base64":"dHdv"}]]"#);
    }
}
