//! Socket.IO packets of the default parser by tables: the grammar, and every line of hostile input that closes a connection.
//! Canonical forms are checked in both directions.

use bytes::Bytes;
use trunkline_proto::{Args, Body, Codec, DecodeError, Decoder, Event, Message, Messages, Packet, Parser, Version};

const V4: Codec = Codec { parser: Parser::Default, version: Version::V4 };
const V3: Codec = Codec { parser: Parser::Default, version: Version::V3 };

/// A packet as text and the attachments behind it.
fn messages(wire: &str, attachments: &[&'static [u8]]) -> Messages {
    let text = std::iter::once(Message::Text(wire.into()));
    text.chain(attachments.iter().map(|data| Message::Binary(Bytes::from_static(data)))).collect()
}

fn decode(codec: Codec, messages: &[Message]) -> Result<Option<Packet>, DecodeError> {
    let mut decoder = Decoder::default();
    let mut last = None;
    for message in messages {
        assert_eq!(last, None, "a packet is complete before its last message");
        last = decoder.decode(codec, message.clone())?;
    }
    assert_eq!(decoder.is_partial(), last.is_none());
    Ok(last)
}

#[track_caller]
fn check(codec: Codec, wire: &str, attachments: &[&'static [u8]], ns: &str, body: Body) {
    let packet = Packet { ns: ns.into(), body };
    assert_eq!(decode(codec, &messages(wire, attachments)), Ok(Some(packet)), "{wire}");
}

/// Checks that what is decoded is written again as it was.
#[track_caller]
fn round_trip(wire: &str, attachments: &[&'static [u8]]) -> Packet {
    let messages = messages(wire, attachments);
    let packet = decode(V4, &messages).expect(wire).expect(wire);
    assert_eq!(encode(V4, &packet), messages, "{wire}");
    packet
}

fn encode(codec: Codec, packet: &Packet) -> Messages {
    let ns = &packet.ns;
    match &packet.body {
        Body::Connect { auth } => codec.connect_auth(ns, auth.as_deref()),
        Body::Disconnect => codec.disconnect(ns),
        Body::Event { id, event } => codec.event(ns, *id, event, None),
        Body::Ack { id, args } => codec.ack(ns, *id, args),
        Body::ConnectError { payload } => codec.connect_error(ns, "unused", Some(payload)),
    }
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "the rows read better")]
fn refused(wire: &str, error: DecodeError) {
    for codec in [V4, V3] {
        assert_eq!(decode(codec, &messages(wire, &[])), Err(error.clone()), "{wire}");
    }
}

fn event(name: &'static str, args: Args) -> Body {
    Body::Event { id: None, event: Event::new(name, args) }
}

#[test]
fn packets_are_written_as_they_are_read() {
    for wire in [
        r#"2["hello"]"#,
        r#"2["hello",1,"two",[3],{"four":4},null,false]"#,
        r#"2/admin,["hello",1]"#,
        r#"2/admin,456["project:delete",123]"#,
        r#"20["x"]"#,
        r#"218446744073709551615["x"]"#,
        r#"2[7,"numeric"]"#,
        r#"2[-1.5e3]"#,
        r#"2["a\"b\\\n\u0001€"]"#,
        r#"30[]"#,
        r#"3/admin,456["ok",{"a":[]}]"#,
        r#"0/admin,{"token":"x"}"#,
        r#"0{"token":"x"}"#,
        "0",
        "1",
        "1/admin,",
        r#"2["error",1]"#,
        r#"2["connection"]"#,
        r#"2["message","\ud83d\ude00\ud800"]"#,
        r#"2["__proto__",{"__proto__":{"constructor":1}}]"#,
    ] {
        round_trip(wire, &[]);
    }
    round_trip(r#"51-["x",{"_placeholder":true,"num":0}]"#, &[b"abc"]);
    round_trip(r#"52-/admin,7["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#, &[b"", b"\xff"]);
    round_trip(r#"61-/admin,456[[{"_placeholder":true,"num":0}]]"#, &[b"abc"]);
    let ten: Vec<&[u8]> = vec![b"x"; 10];
    round_trip(r#"510-["x",{"_placeholder":true,"num":9}]"#, &ten);
}

#[test]
fn parts_are_told_apart() {
    let args = Args::serialize(&(1, "a")).unwrap();
    check(V4, r#"2["x",1,"a"]"#, &[], "/", event("x", args.clone()));
    check(V4, r#"2/a-b,["x",1,"a"]"#, &[], "/a-b", event("x", args.clone()));
    check(V4, r#"2/a?b=c,["x",1,"a"]"#, &[], "/a?b=c", event("x", args.clone()));
    let with_id = Body::Event { id: Some(12), event: Event::new("x", args.clone()) };
    check(V4, r#"2/a,12["x",1,"a"]"#, &[], "/a", with_id);
    check(V4, r#"3/a,12[1,"a"]"#, &[], "/a", Body::Ack { id: 12, args });
    check(V4, "0/custom", &[], "/custom", Body::Connect { auth: None });
    check(V4, "1/custom", &[], "/custom", Body::Disconnect);
    let numeric = Event { name: "5".into(), numeric: true, args: Args::new() };
    check(V4, "2[5]", &[], "/", Body::Event { id: None, event: numeric });
    check(V4, r#"2["\u0078"]"#, &[], "/", event("x", Args::new()));
    let payload = r#"{"message":"no"}"#;
    check(V4, r#"4/x,{"message":"no"}"#, &[], "/x", Body::ConnectError { payload: payload.into() });
}

#[test]
fn blanks_between_tokens_are_allowed_and_belong_to_no_argument() {
    let packet = decode(V4, &messages(" 2", &[]));
    assert_eq!(packet, Err(DecodeError::UnknownType(' ')));
    let packet = decode(V4, &messages("2 [ \"x\" ,\n1 , [ 2 ] ] ", &[])).unwrap().unwrap();
    let Body::Event { event, .. } = packet.body else { panic!("an event") };
    assert_eq!((event.args.raw(0), event.args.raw(1)), (Some("1"), Some("[ 2 ]")));
    assert_eq!(event.args.text(), "1 , [ 2 ]");
}

#[test]
fn arguments_are_a_slice_of_the_message() {
    let wire = bytestring::ByteString::from(r#"2/ns,["name",1,2]"#);
    let packet = Decoder::default().decode(V4, Message::Text(wire.clone())).unwrap().unwrap();
    let Body::Event { event, .. } = packet.body else { panic!("an event") };
    let range = wire.as_bytes().as_ptr_range();
    for part in [packet.ns.as_ptr(), event.name.as_ptr(), event.args.text().as_ptr()] {
        assert!(range.contains(&part), "nothing is copied");
    }
}

#[test]
fn types_that_do_not_exist_are_refused() {
    refused("", DecodeError::Empty);
    refused("7", DecodeError::UnknownType('7'));
    refused("abc", DecodeError::UnknownType('a'));
    refused("€", DecodeError::UnknownType('€'));
    assert_eq!(DecodeError::UnknownType('9').to_string(), "unknown packet type 9");
}

#[test]
fn payloads_that_do_not_fit_their_type_are_refused() {
    for wire in [
        "2",
        "2/admin,",
        "2{}",
        "2[]",
        "2[{}]",
        "2[null]",
        "2[true]",
        "2[[\"x\"]]",
        "2abc",
        "2\"x\"",
        "2[\"x\"",
        "2[\"x\"]]",
        "2[\"x\",]",
        "2[\"x\"]1",
        "2abc[\"x\"]",
        "2/admin",
        "2[\"x\",01]",
        "2[\"x\",1.]",
        "2[\"x\",.5]",
        "2[\"x\",+1]",
        "2[\"x\",NaN]",
        "2[\"x\",'a']",
        "2[\"x\",\"\u{1}\"]",
        "2[\"\\x\"]",
        "2[\"\\u12g4\"]",
        "2[\"x\" 1]",
        "2[\"x\",tru]",
        "2[\"x\",{1:2}]",
        "2[\"x\",{\"a\"}]",
        "2[\"x\",{\"a\":1,}]",
        "2[\"x\",{\"a\":1]",
        "21e5[\"x\"]",
        "2-1[\"x\"]",
        "20x10[\"x\"]",
        "31",
        "31{}",
        "31[",
        "31e5[]",
        "1{}",
        "1/x,{}",
        "1[]",
        "4",
        "4x",
        // CVE-2023-32695: a name that is an object.
        "2[{\"toString\":\"x\"}]",
    ] {
        refused(wire, DecodeError::InvalidPayload);
    }
    for wire in ["0\"x\"", "0[]", "0null", "0{", "0{}x", "0/x,1x", "41", "4[]"] {
        assert_eq!(decode(V4, &messages(wire, &[])), Err(DecodeError::InvalidPayload), "{wire}");
    }
}

#[test]
fn reserved_names_are_refused() {
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        refused(&format!("2[\"{name}\"]"), DecodeError::ReservedName);
        assert!(trunkline_proto::is_reserved(name));
    }
    refused(r#"2["\u0063onnect",1]"#, DecodeError::ReservedName);
}

#[test]
fn ack_ids_are_numbers_of_64_bits() {
    refused("3[]", DecodeError::InvalidId);
    refused("3/x,[]", DecodeError::InvalidId);
    refused("218446744073709551616[\"x\"]", DecodeError::InvalidId);
    refused(&format!("2{}[\"x\"]", "9".repeat(99_000)), DecodeError::InvalidId);
}

#[test]
fn attachments_are_announced_and_counted() {
    for wire in [
        "5",
        "5[\"x\"]",
        "50-[\"x\"]",
        "500-[\"x\"]",
        "5-[\"x\"]",
        "51[\"x\"]",
        "51.5-[\"x\"]",
        "5x-[\"x\"]",
        "5-1-[\"x\"]",
        "51/x,[\"x\"]",
        "61",
    ] {
        refused(wire, DecodeError::IllegalAttachments);
    }
    // CVE-2026-33151: a count without limit.
    for count in ["11", "999999999", "99999999999999999999999999"] {
        refused(&format!("5{count}-[\"x\"]"), DecodeError::TooManyAttachments);
    }
    round_trip(r#"51-["unused"]"#, &[b"abc"]);
    assert!(
        decode(V4, &messages(r#"501-["x",{"_placeholder":true,"num":0}]"#, &[b"a"])).is_ok(),
        "leading zeros are digits"
    );
}

#[test]
fn placeholders_name_an_attachment() {
    // CVE-2022-2421: a number that is a string, or out of range.
    for placeholder in [
        r#"{"_placeholder":true,"num":1}"#,
        r#"{"_placeholder":true,"num":-1}"#,
        r#"{"_placeholder":true,"num":0.5}"#,
        r#"{"_placeholder":true,"num":1e0}"#,
        r#"{"_placeholder":true,"num":"0"}"#,
        r#"{"_placeholder":true,"num":"splice"}"#,
        r#"{"_placeholder":true,"num":[0]}"#,
        r#"{"_placeholder":true,"num":null}"#,
        r#"{"_placeholder":true}"#,
        r#"{"_placeholder":true,"num":99999999999999999999}"#,
        r#"{"\u005fplaceholder":true,"num":7}"#,
        r#"{"num":0,"_placeholder":false,"_placeholder":true,"num":3}"#,
    ] {
        refused(&format!(r#"51-["x",{placeholder}]"#), DecodeError::IllegalAttachments);
        refused(&format!(r#"51-["x",[{{"a":{placeholder}}}]]"#), DecodeError::IllegalAttachments);
        refused(&format!(r#"61-1[{placeholder}]"#), DecodeError::IllegalAttachments);
    }
    for not_one in [r#"{"_placeholder":false,"num":9}"#, r#"{"_placeholder":[true],"num":9}"#, r#"{"num":9}"#] {
        assert!(decode(V4, &messages(&format!(r#"51-["x",{not_one}]"#), &[b"a"])).is_ok(), "{not_one}");
    }
    // Without attachments it is an object like any other.
    round_trip(r#"2["x",{"_placeholder":true,"num":5}]"#, &[]);
    // What is inside a placeholder does not count.
    let nested = r#"51-["x",{"_placeholder":true,"num":0,"in":{"_placeholder":true,"num":9}}]"#;
    assert!(decode(V4, &messages(nested, &[b"a"])).is_ok());
}

#[test]
fn nothing_comes_between_a_packet_and_its_attachments() {
    let head = Message::Text(r#"52-["x",{"_placeholder":true,"num":0}]"#.into());
    let bytes = Message::Binary(Bytes::from_static(b"abc"));
    let text = Message::Text(r#"2["y"]"#.into());
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(V4, bytes.clone()), Err(DecodeError::UnexpectedBinary));
    assert_eq!(decoder.decode(V4, head), Ok(None));
    assert_eq!(decoder.decode(V4, bytes), Ok(None));
    assert!(decoder.is_partial());
    assert_eq!(decoder.decode(V4, text.clone()), Err(DecodeError::TextBetweenAttachments));
    assert!(decoder.decode(V4, text).is_ok_and(|packet| packet.is_some()), "the pending packet is dropped");
    assert_eq!(size_of::<Decoder>(), size_of::<usize>());
}

#[test]
fn a_decoder_is_reset_while_it_waits_and_used_again() {
    let mut decoder = Decoder::default();
    let head = Message::Text(r#"51-["x",{"_placeholder":true,"num":0}]"#.into());
    assert_eq!(decoder.decode(V4, head.clone()), Ok(None));
    drop(std::mem::take(&mut decoder));
    assert!(!decoder.is_partial());
    assert!(decoder.decode(V4, Message::Text(r#"2["y"]"#.into())).is_ok_and(|packet| packet.is_some()));
    assert_eq!(decoder.decode(V4, head), Ok(None));
    let bytes = Message::Binary(Bytes::from_static(b"abc"));
    assert!(decoder.decode(V4, bytes).is_ok_and(|packet| packet.is_some()));
}

#[test]
fn nesting_is_bounded_and_costs_nothing() {
    let nested = |levels: usize| format!("2[\"x\",{}{}]", "[".repeat(levels), "]".repeat(levels));
    round_trip(&nested(127), &[]);
    refused(&nested(128), DecodeError::TooDeep);
    refused(&format!("2[\"x\",{}", "[".repeat(900_000)), DecodeError::TooDeep);
    refused(&format!("2[\"x\",{}", "{\"a\":".repeat(200_000)), DecodeError::TooDeep);
    refused(&format!("0{{\"a\":{}", "[".repeat(900_000)), DecodeError::TooDeep);
    let Body::Event { event, .. } = round_trip(&nested(127), &[]).body else { panic!("an event") };
    assert!(event.args.get::<serde_json::Value>(0).is_ok(), "what passes can be read");
    assert!(event.args.get_all::<Vec<serde_json::Value>>().is_ok());
}

#[test]
fn long_namespaces_are_read_in_one_pass() {
    // CVE-2020-36049: quadratic work on a long namespace.
    let ns = format!("/{}", "x".repeat(99_000));
    check(V4, &format!("0{ns}"), &[], &ns, Body::Connect { auth: None });
    check(V4, &format!("2{ns},[\"x\"]"), &[], &ns, event("x", Args::new()));
}

#[test]
fn answers_of_protocol_4_have_the_reference_form() {
    let one = |messages: Messages| match &messages[..] {
        [Message::Text(text)] => text.to_string(),
        other => panic!("one text: {other:?}"),
    };
    assert_eq!(one(V4.connect("/", "abc", None)), r#"0{"sid":"abc"}"#);
    assert_eq!(one(V4.connect("/x", "abc", Some("p\"q"))), r#"0/x,{"sid":"abc","pid":"p\"q"}"#);
    assert_eq!(one(V4.invalid_namespace("/x")), r#"4/x,{"message":"Invalid namespace"}"#);
    assert_eq!(one(V4.connect_error("/", "a\nb", None)), r#"4{"message":"a\nb"}"#);
    assert_eq!(one(V4.connect_error("/x", "no", Some("[1]"))), r#"4/x,{"message":"no","data":[1]}"#);
    assert_eq!(one(V4.disconnect("/")), "1");
    assert_eq!(one(V4.disconnect("/x")), "1/x,");
    let named = Event::new("x", Args::serialize(&(1,)).unwrap());
    assert_eq!(one(V4.event("/", None, &named, Some("off\"set"))), r#"2["x",1,"off\"set"]"#);
    assert_eq!(one(V4.event("/", None, &Event::new("x", Args::new()), Some("o"))), r#"2["x","o"]"#);
}

#[test]
fn answers_of_protocol_3_have_the_reference_form() {
    assert_eq!(V3.connect("/", "abc", Some("p")), messages("0", &[]));
    assert_eq!(V3.connect("/x", "abc", None), messages("0/x,", &[]));
    assert_eq!(V3.connect_error("/x", "no \"way\"", None), messages(r#"4/x,"no \"way\"""#, &[]));
    assert_eq!(V3.connect_error("/x", "no", Some(r#"{"a":1}"#)), messages(r#"4/x,{"a":1}"#, &[]));
    assert_eq!(V3.invalid_namespace("/x"), messages(r#"4/x,{"message":"Invalid namespace"}"#, &[]));
}

#[test]
fn protocol_3_authorises_by_the_query_of_the_namespace() {
    for (wire, ns, auth) in [
        ("0/nsp?token=abc,", "/nsp", Some(r#"{"token":"abc"}"#)),
        ("0/nsp?token=abc", "/nsp", Some(r#"{"token":"abc"}"#)),
        ("0/?a=%22&b=x+y&a=2#frag,", "/", Some(r#"{"a":["\"","2"],"b":"x y"}"#)),
        ("0/nsp?", "/nsp", Some("{}")),
        ("0/nsp#x?y,", "/nsp", None),
        ("0/nsp,", "/nsp", None),
        ("0", "/", None),
    ] {
        check(V3, wire, &[], ns, Body::Connect { auth: auth.map(Into::into) });
    }
    check(V3, r#"2/nsp?token=abc,["x"]"#, &[], "/nsp", event("x", Args::new()));
    let many = format!("0/n?{}", "a=1&".repeat(50_000));
    let packet = decode(V3, &messages(&many, &[])).unwrap().unwrap();
    let Body::Connect { auth: Some(auth) } = packet.body else { panic!("auth") };
    assert_eq!(auth.matches("\"1\"").count(), 1000, "as many pairs as node takes");
}

#[test]
fn errors_of_protocol_3_are_any_value() {
    for payload in ["\"no\"", "1", "null", "[1]", "{}"] {
        check(V3, &format!("4/x,{payload}"), &[], "/x", Body::ConnectError { payload: payload.into() });
    }
}
