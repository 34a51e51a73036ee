//! Arguments: from values and back, joined, cut and taken apart, with attachments in the right places.
//! How they travel is tested with the packets.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use trunkline_proto::{Args, ArgsError, Body, Codec, Decoder, Message, Parser, Version};

const A: Bytes = Bytes::from_static(b"a");
const B: Bytes = Bytes::from_static(b"bb");
const C: Bytes = Bytes::from_static(b"");

fn args<T: Serialize + ?Sized>(value: &T) -> Args {
    Args::serialize(value).expect("a value that can be written")
}

#[track_caller]
fn check(args: &Args, text: &str, attachments: &[Bytes]) {
    assert_eq!(args.text(), text);
    assert_eq!(args.attachments(), attachments);
    let raw: Vec<_> = (0..args.len()).filter_map(|i| args.raw(i)).collect();
    assert_eq!(raw.join(","), text, "the spans are those of the text");
    assert_eq!(args.raw(args.len()), None);
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Photo {
    name: String,
    data: Bytes,
    thumbs: Vec<Bytes>,
    note: Option<Box<Self>>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, i32),
    Image { data: Bytes },
}

/// Bytes inside what looks like a placeholder itself.
#[derive(Serialize)]
struct LookAlike {
    _placeholder: bool,
    num: Bytes,
}

#[test]
fn a_tuple_is_several_arguments_and_anything_else_is_one() {
    check(&args(&()), "", &[]);
    check(&args(&(1,)), "1", &[]);
    check(&args(&(1, "two", [3], None::<u8>, true)), r#"1,"two",[3],null,true"#, &[]);
    check(&args(&[1, 2]), "1,2", &[]);
    check(&args(&[0; 0]), "", &[]);
    check(&args(&vec![1, 2]), "[1,2]", &[]);
    check(&args(&Some((1, 2))), "[1,2]", &[]);
    check(&args("text"), r#""text""#, &[]);
    check(&args(&((), 1)), "null,1", &[]);
    check(&args(&json!({"a": [1, {}]})), r#"{"a":[1,{}]}"#, &[]);
    check(
        &args(&(f64::NAN, f64::INFINITY, u64::MAX, i64::MIN, 0.1)),
        "null,null,18446744073709551615,-9223372036854775808,0.1",
        &[],
    );
    check(&args(&Shape::Line(1, 2)), r#"{"Line":[1,2]}"#, &[]);
    check(&args("\u{2028}\u{1f600}\"\\\n\u{1}"), "\"\u{2028}\u{1f600}\\\"\\\\\\n\\u0001\"", &[]);
    check(&Args::serialize_one(&(1, 2)).unwrap(), "[1,2]", &[]);
    check(&Args::serialize_one(&()).unwrap(), "null", &[]);
}

#[test]
fn bytes_at_any_depth_are_attachments() {
    check(&args(&A), r#"{"_placeholder":true,"num":0}"#, &[A]);
    check(
        &args(&(1, A, vec![(B, "x")])),
        r#"1,{"_placeholder":true,"num":0},[[{"_placeholder":true,"num":1},"x"]]"#,
        &[A, B],
    );
    check(&args(&(C,)), r#"{"_placeholder":true,"num":0}"#, &[C]);
    check(&args(&(vec![1_u8], [1_u8])), "[1],[1]", &[]);
}

#[test]
fn what_was_written_is_read_again() {
    let photo = |note| Photo { name: "n".into(), data: A, thumbs: vec![B, C, A], note };
    let value = (photo(Some(Box::new(photo(None)))), 7, "x".to_owned());
    let written = args(&value);
    assert_eq!(written.attachments().len(), 8);
    assert_eq!(written.get::<Photo>(0).unwrap(), value.0);
    assert_eq!(written.get_all::<(Photo, i32, String)>().unwrap(), value);
    let shapes = vec![Shape::Point, Shape::Circle(1.5), Shape::Line(-1, 2), Shape::Image { data: A }];
    assert_eq!(args(&shapes).get::<Vec<Shape>>(0).unwrap(), shapes);
    let map = std::collections::BTreeMap::from([(1, A), (2, B)]);
    assert_eq!(args(&map).get::<std::collections::BTreeMap<i32, Bytes>>(0).unwrap(), map);
    assert_eq!(args(&(A, B)).get_all::<Vec<Bytes>>().unwrap(), [A, B]);
    assert_eq!(args(&(B,)).get::<Vec<u8>>(0).unwrap(), b"bb");
    assert_eq!(args(&Some(B)).get::<Option<Bytes>>(0).unwrap(), Some(B));
    let raw: Box<RawValue> = args(&json!({"a": [1]})).get(0).unwrap();
    assert_eq!(raw.get(), r#"{"a":[1]}"#);
    let raw: Box<RawValue> = args(&vec![A]).get(0).unwrap();
    assert_eq!(args(&raw).text(), args(&vec![A]).text());
}

#[test]
fn bytes_without_an_attachment_come_from_text_or_numbers() {
    assert_eq!(args("abc").get::<Bytes>(0).unwrap(), "abc");
    assert_eq!(args(&vec![1, 2]).get::<Bytes>(0).unwrap(), &[1, 2][..]);
    assert_eq!(args(&(A, "abc", vec![1])).get_all::<(Bytes, Bytes, Bytes)>().unwrap().1, "abc");
    let literal = args(&json!({"_placeholder": true, "num": 0}));
    assert!(matches!(literal.get::<Bytes>(0), Err(ArgsError::Json(_))));
    assert_eq!(literal.get::<Value>(0).unwrap()["num"], 0);
    assert_eq!(args(&(A,)).get::<Value>(0).unwrap(), json!({"_placeholder": true, "num": 0}));
}

#[test]
fn missing_arguments_are_read_as_null_and_those_beyond_are_ignored() {
    let one = args(&(1,));
    assert_eq!(one.get::<Option<i32>>(1).unwrap(), None);
    one.get::<()>(1).unwrap();
    assert!(matches!(one.get::<i32>(1), Err(ArgsError::Missing(1))));
    assert!(matches!(one.get::<String>(0), Err(ArgsError::Json(_))));
    assert_eq!(one.get_all::<(i32, Option<i32>, Value)>().unwrap(), (1, None, Value::Null));
    assert!(matches!(one.get_all::<(i32, Option<i32>, i32)>(), Err(ArgsError::Missing(2))));
    assert!(matches!(one.get_all::<(String, i32)>(), Err(ArgsError::Json(_))));
    assert_eq!(args(&(1, 2, 3)).get_all::<(i32, i32)>().unwrap(), (1, 2));
    assert_eq!(args(&(1, 2)).get_all::<[i32; 2]>().unwrap(), [1, 2]);
    assert!(Args::new().get_all::<Vec<i32>>().unwrap().is_empty());
    args(&(1, 2)).get_all::<()>().unwrap();
}

#[test]
fn limits_hold_when_writing() {
    let mut value = json!(1);
    for _ in 0..127 {
        value = json!([value]);
    }
    assert!(Args::serialize(&value).is_ok());
    assert!(Args::serialize(&(1, &value)).is_ok());
    let raw = RawValue::from_string(format!("[{value}]")).unwrap();
    assert!(matches!(Args::serialize(&raw), Err(ArgsError::TooDeep)));
    assert!(matches!(Args::serialize(&(&raw,)), Err(ArgsError::TooDeep)));
    let value = json!([value]);
    assert!(matches!(Args::serialize(&value), Err(ArgsError::TooDeep)));
    assert!(matches!(Args::serialize(&(1, &value)), Err(ArgsError::TooDeep)));
    assert!(matches!(Args::serialize_one(&(1, value)), Err(ArgsError::TooDeep)));
    assert_eq!(args(&vec![A; 10]).attachments().len(), 10);
    assert!(matches!(Args::serialize(&vec![A; 11]), Err(ArgsError::TooManyAttachments)));
    let bad_keys = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(Args::serialize(&bad_keys), Err(ArgsError::Json(_))));
}

#[test]
fn look_alikes_beside_attachments_become_null() {
    let literal = json!({"_placeholder": true, "num": 0});
    let text = literal.to_string();
    check(&args(&literal), &text, &[]);
    check(&args(&(&literal, A)), r#"null,{"_placeholder":true,"num":0}"#, &[A]);
    check(&args(&(A, &literal)), r#"{"_placeholder":true,"num":0},null"#, &[A]);
    let around = std::collections::BTreeMap::from([("_placeholder", (true, None)), ("num", (true, Some(A)))]);
    check(&args(&around), r#"{"_placeholder":[true,null],"num":[true,{"_placeholder":true,"num":0}]}"#, &[A]);
    let around = LookAlike { _placeholder: true, num: A };
    check(&args(&(around, 1)), "null,1", &[A]);
    let far = json!({"x": {"_placeholder": true, "num": 99}});
    let mut joined = args(&far);
    joined.push_args(&args(&A));
    check(&joined, r#"{"x":null},{"_placeholder":true,"num":0}"#, &[A]);
    let mut joined = args(&A);
    joined.push(&far).unwrap();
    check(&joined, r#"{"_placeholder":true,"num":0},{"x":null}"#, &[A]);
    let mut joined = args(&far);
    joined.push(&literal).unwrap();
    check(&joined, &format!("{far},{text}"), &[]);
}

#[test]
fn pushing_renumbers() {
    let mut joined = Args::new();
    joined.push(&1).unwrap();
    joined.push(&(2, A)).unwrap();
    joined.push_args(&args(&(B, "x")));
    joined.push_args(&Args::new());
    check(&joined, r#"1,[2,{"_placeholder":true,"num":0}],{"_placeholder":true,"num":1},"x""#, &[A, B]);
    assert_eq!(joined.encoded_len(), joined.text().len() + 3);
    let mut full = args(&vec![A; 10]);
    assert!(matches!(full.push(&A), Err(ArgsError::TooManyAttachments)));
    assert_eq!(full.len(), 1);
}

#[test]
fn slices_take_the_attachments_they_name() {
    let all = args(&(A, 1, vec![C, B], "x"));
    check(&all.slice(..), all.text(), all.attachments());
    check(&all.slice(1..3), r#"1,[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#, &[C, B]);
    check(&all.slice(2..), r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}],"x""#, &[C, B]);
    check(&all.slice(3..), r#""x""#, &[]);
    check(&all.slice(..1), r#"{"_placeholder":true,"num":0}"#, &[A]);
    check(&all.slice(..=1), r#"{"_placeholder":true,"num":0},1"#, &[A]);
    check(&all.slice(4..), "", &[]);
    check(&all.slice(9..99), "", &[]);
    #[allow(clippy::reversed_empty_ranges)]
    let empty = all.slice(3..1);
    check(&empty, "", &[]);
}

#[test]
fn arrays_are_spread_and_members_taken_out() {
    let all = args(&(json!([1, [2], "x"]), vec![B, A], json!({})));
    check(&all.spread(0).unwrap(), r#"1,[2],"x""#, &[]);
    check(&all.spread(1).unwrap(), r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#, &[B, A]);
    assert_eq!(all.spread(2), None);
    assert_eq!(all.spread(3), None);
    check(&args(&vec![0; 0]).spread(0).unwrap(), "", &[]);
    let raw = RawValue::from_string(r#"{ "a" : 1 , "b":{"a":5}, "\u0061" : [ 2 ] }"#.into()).unwrap();
    let object = args(&raw);
    check(&object.member(0, "a").unwrap(), "[ 2 ]", &[]);
    check(&object.member(0, "b").unwrap(), r#"{"a":5}"#, &[]);
    assert_eq!(object.member(0, "c"), None);
    assert_eq!(object.member(1, "a"), None);
    assert_eq!(args(&(1,)).member(0, "a"), None);
    assert_eq!(args(&vec!["a"]).member(0, "a"), None);
    let photo = args(&Photo { name: "n".into(), data: A, thumbs: vec![C, B], note: None });
    let thumbs = photo.member(0, "thumbs").unwrap();
    check(&thumbs, r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#, &[C, B]);
    check(&thumbs.spread(0).unwrap().slice(1..), r#"{"_placeholder":true,"num":0}"#, &[B]);
}

#[test]
fn an_argument_may_itself_be_an_attachment() {
    let all = args(&(1, A, vec![B]));
    assert_eq!((all.binary(0), all.binary(1), all.binary(2), all.binary(3)), (None, Some(&A), None, None));
    assert_eq!(args(&json!({"_placeholder": true, "num": 0})).binary(0), None);
}

#[test]
fn strings_at_the_ends_are_seen() {
    let all = args(&("a", 1));
    assert!(all.first_is_string() && !all.last_is_string());
    assert!(args(&(1, "a")).last_is_string());
    assert!(!Args::new().first_is_string() && !Args::new().last_is_string());
}

#[test]
fn numbers_of_attachments_stay_as_the_client_sent_them() {
    let codec = Codec { parser: Parser::Default, version: Version::V4 };
    let mut decoder = Decoder::default();
    let text = r#"52-["x",{"num":1,"_placeholder":true},{"_placeholder":true,"num":0,"more":[1]},{"num":1,"_placeholder":true}]"#;
    assert_eq!(decoder.decode(codec, Message::Text(text.into())), Ok(None));
    assert_eq!(decoder.decode(codec, Message::Binary(A)), Ok(None));
    let packet = decoder.decode(codec, Message::Binary(B)).unwrap().unwrap();
    let Body::Event { event, .. } = packet.body else { panic!("an event") };
    assert_eq!(event.args.get_all::<(Bytes, Bytes, Bytes)>().unwrap(), (B, A, B));
    let first = event.args.slice(..1);
    check(&first, r#"{"_placeholder":true,"num":0}"#, &[B]);
    let both = event.args.slice(1..);
    check(&both, r#"{"_placeholder":true,"num":0,"more":[1]},{"num":1,"_placeholder":true}"#, &[A, B]);
    assert_eq!(codec.event("/", None, &event, None)[0], Message::Text(text.into()));
}
