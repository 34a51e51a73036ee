//! Socket.IO packets of the msgpack parser by tables: what official clients write, what comes out as arguments, what is
//! refused. Bytes are written as msgpack's own forms, so that the tables do not depend on the writer under test.

use bytes::Bytes;
use trunkline_proto::{Args, Body, Codec, DecodeError, Decoder, Event, Message, Packet, Parser, Version};

const V4: Codec = Codec { parser: Parser::Msgpack, version: Version::V4 };
const V3: Codec = Codec { parser: Parser::Msgpack, version: Version::V3 };

fn decode(codec: Codec, wire: &[u8]) -> Result<Packet, DecodeError> {
    let message = Message::Binary(Bytes::copy_from_slice(wire));
    Decoder::default().decode(codec, message).map(|packet| packet.expect("a message is a packet"))
}

/// A packet's map: `{type, nsp: "/", data}`.
fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
    [&b"\x83\xa4type"[..], &[kind], b"\xa3nsp\xa1/\xa4data", data].concat()
}

/// An event's map whose array has the name `x` and one argument.
fn event(argument: &[u8]) -> Vec<u8> {
    packet(2, &[b"\x92\xa1x", argument].concat())
}

#[track_caller]
fn args_of(wire: &[u8]) -> Args {
    match decode(V4, wire).expect("a valid packet").body {
        Body::Event { event, .. } => event.args,
        other => panic!("an event: {other:?}"),
    }
}

/// Checks the JSON of one argument.
#[track_caller]
fn check(argument: &[u8], text: &str) {
    assert_eq!(args_of(&event(argument)).text(), text, "{argument:x?}");
}

/// Checks that the argument is read and written again in the same bytes.
#[track_caller]
fn round_trip(argument: &[u8], text: &str) {
    let args = args_of(&event(argument));
    assert_eq!(args.text(), text, "{argument:x?}");
    let Message::Binary(written) = &V4.event("/", None, &Event::new("x", args), None)[0] else { panic!("binary") };
    let around = [&b"\x83\xa4type\x02\xa4data\x92\xa1x"[..], argument, b"\xa3nsp\xa1/"].concat();
    assert_eq!(written[..], around, "{text}");
}

#[track_caller]
fn refused(wire: &[u8], error: &DecodeError) {
    assert_eq!(decode(V4, wire).as_ref(), Err(error), "{:x?}", &wire[..wire.len().min(60)]);
}

#[test]
fn scalars_are_written_in_their_shortest_form() {
    for (bytes, text) in [
        (&b"\xc0"[..], "null"),
        (b"\xc2", "false"),
        (b"\xc3", "true"),
        (b"\x00", "0"),
        (b"\x7f", "127"),
        (b"\xcc\x80", "128"),
        (b"\xcc\xff", "255"),
        (b"\xcd\x01\x00", "256"),
        (b"\xce\x00\x01\x00\x00", "65536"),
        (b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00", "4294967296"),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        (b"\xff", "-1"),
        (b"\xe0", "-32"),
        (b"\xd0\xdf", "-33"),
        (b"\xd0\x80", "-128"),
        (b"\xd1\xff\x7f", "-129"),
        (b"\xd2\xff\xff\x7f\xff", "-32769"),
        (b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff", "-2147483649"),
        (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
        (b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5"),
        (b"\xa0", "\"\""),
        (b"\xa3a\"\n", "\"a\\\"\\n\""),
        (b"\xa3\xe2\x82\xac", "\"€\""),
        (b"\x90", "[]"),
        (b"\x80", "{}"),
        (b"\x92\x01\x91\x02", "[1,[2]]"),
        (b"\x82\xa1a\x01\xa1b\x80", "{\"a\":1,\"b\":{}}"),
    ] {
        round_trip(bytes, text);
    }
    let long = "x".repeat(300);
    round_trip(&[&b"\xda\x01\x2c"[..], long.as_bytes()].concat(), &format!("\"{long}\""));
    round_trip(&[&b"\xd9\x20"[..], &long.as_bytes()[..32]].concat(), &format!("\"{}\"", &long[..32]));
    round_trip(&[&b"\xdc\x00\x10"[..], &[1; 16]].concat(), &format!("[{}1]", "1,".repeat(15)));
}

#[test]
fn longer_forms_and_other_numbers_are_read_as_javascript_does() {
    for (bytes, text) in [
        (&b"\xcf\x00\x00\x00\x00\x00\x00\x00\x07"[..], "7"),
        (b"\xd3\x00\x00\x00\x00\x00\x00\x00\x07", "7"),
        (b"\xd0\x07", "7"),
        (b"\xca\x3f\xc0\x00\x00", "1.5"),
        (b"\xcb\x40\x14\x00\x00\x00\x00\x00\x00", "5"),
        (b"\xcb\x80\x00\x00\x00\x00\x00\x00\x00", "0"),
        (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null"),
        (b"\xdb\x00\x00\x00\x01a", "\"a\""),
        (b"\xdd\x00\x00\x00\x01\x05", "[5]"),
        (b"\xdf\x00\x00\x00\x01\xa1a\x05", "{\"a\":5}"),
        (b"\x81\x05\x06", "{\"5\":6}"),
        (b"\x81\xff\x06", "{\"-1\":6}"),
        (b"\xd4\x00\x00", "null"),
        (b"\x92\xd4\x00\x00\x01", "[null,1]"),
        (b"\x83\xa1a\xd4\x00\x00\xa1b\x01\xa1c\xd4\x00\x00", "{\"b\":1}"),
        (b"\x81\xa1a\xd4\x00\x00", "{}"),
        (b"\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\"1970-01-01T00:00:00.000Z\""),
        (b"\xd7\x00\xff\xff\xff\xff\xff\xff\xff\xff", "\"1969-12-31T23:59:59.999Z\""),
        (b"\xd7\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "null"),
        (b"\xd6\xff\x00\x00\x00\x01", "\"1970-01-01T00:00:01.000Z\""),
        (b"\xd7\xff\x00\x4c\x4b\x40\x00\x00\x00\x01", "\"1970-01-01T00:00:01.001Z\""),
        (b"\xc7\x0c\xff\x00\x4c\x4b\x40\xff\xff\xff\xff\xff\xff\xff\xff", "\"1969-12-31T23:59:59.005Z\""),
    ] {
        check(bytes, text);
    }
}

#[test]
fn bin_is_an_attachment_both_ways() {
    let args = args_of(&event(b"\x82\xa1a\xc4\x03abc\xa1b\x91\xc4\x00"));
    assert_eq!(args.text(), r#"{"a":{"_placeholder":true,"num":0},"b":[{"_placeholder":true,"num":1}]}"#);
    assert_eq!(args.attachments(), [&b"abc"[..], b""]);
    let shared = r#"{"_placeholder":true,"num":0}"#;
    round_trip(b"\xc4\x03abc", shared);
    round_trip(&[&b"\xc5\x01\x00"[..], &[7; 256]].concat(), shared);
    round_trip(&[&b"\xc6\x00\x01\x00\x00"[..], &[7; 65_536]].concat(), shared);
    round_trip(
        b"\xdc\x00\x10\xc4\x01a\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
        &format!("[{shared}{}]", ",1".repeat(15)),
    );

    let ten = [&b"\x9a"[..], &b"\xc4\x01x".repeat(10)].concat();
    assert_eq!(args_of(&event(&ten)).attachments().len(), 10);
    let eleven = [&b"\x9b"[..], &b"\xc4\x01x".repeat(11)].concat();
    refused(&event(&eleven), &DecodeError::TooManyAttachments);
}

#[test]
fn placeholders_from_the_other_parser_become_bin() {
    let json = Codec { parser: Parser::Default, version: Version::V4 };
    let mut decoder = Decoder::default();
    let text = r#"52-["x",[{"num":1,"_placeholder":true,"in":[{"a":1}]},2,{"_placeholder":true,"num":0}]]"#;
    decoder.decode(json, Message::Text(text.into())).unwrap();
    decoder.decode(json, Message::Binary(Bytes::from_static(b"a"))).unwrap();
    let packet = decoder.decode(json, Message::Binary(Bytes::from_static(b"b"))).unwrap().unwrap();
    let Body::Event { event, .. } = packet.body else { panic!("an event") };
    let Message::Binary(wire) = &V4.event("/", None, &event, None)[0] else { panic!("binary") };
    assert_eq!(wire[..], b"\x83\xa4type\x02\xa4data\x92\xa1x\x93\xc4\x01b\x02\xc4\x01a\xa3nsp\xa1/"[..]);
}

#[test]
fn look_alikes_are_data_alone_and_null_beside_attachments() {
    let look_alike = b"\x82\xac_placeholder\xc3\xa3num\x05";
    check(look_alike, r#"{"_placeholder":true,"num":5}"#);
    let beside = [&b"\x92"[..], look_alike, b"\xc4\x01x"].concat();
    check(&beside, r#"[null,{"_placeholder":true,"num":0}]"#);
    round_trip(look_alike, r#"{"_placeholder":true,"num":5}"#);
    // Nor is there a number that names an attachment in part.
    let half = b"\x82\xac_placeholder\xc3\xa3num\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00";
    check(half, r#"{"_placeholder":true,"num":0.5}"#);
    check(&[&b"\x92"[..], half, b"\xc4\x01x"].concat(), r#"[null,{"_placeholder":true,"num":0}]"#);
}

#[test]
fn packets_of_official_clients_are_read() {
    let js = b"\x84\xa4type\x02\xa4data\x92\xa2hi\x01\xa7options\x81\xa8compress\xc3\xa3nsp\xa2/x";
    let hi = Event::new("hi", Args::serialize(&(1,)).unwrap());
    assert_eq!(decode(V4, js), Ok(Packet { ns: "/x".into(), body: Body::Event { id: None, event: hi.clone() } }));
    let with_id = b"\x84\xa4type\x02\xa4data\x92\xa2hi\x01\xa2id\xcd\x01\x00\xa3nsp\xa2/x";
    assert_eq!(decode(V4, with_id), Ok(Packet { ns: "/x".into(), body: Body::Event { id: Some(256), event: hi } }));
    // No auth: absent, undefined or nil.
    for data in [&b"\xd4\x00\x00"[..], b"\xc0"] {
        assert_eq!(decode(V4, &packet(0, data)).unwrap().body, Body::Connect { auth: None });
        assert_eq!(decode(V4, &packet(1, data)).unwrap().body, Body::Disconnect);
    }
    assert_eq!(decode(V4, b"\x82\xa4type\x00\xa3nsp\xa1/").unwrap().body, Body::Connect { auth: None });
    let auth = decode(V4, &packet(0, b"\x81\xa5token\xa1t")).unwrap().body;
    assert_eq!(auth, Body::Connect { auth: Some(r#"{"token":"t"}"#.into()) });
    let ack = b"\x84\xa4type\x03\xa4data\x91\x05\xa3nsp\xa1/\xa2id\x07";
    assert_eq!(decode(V4, ack).unwrap().body, Body::Ack { id: 7, args: Args::serialize(&(5,)).unwrap() });
    let undefined_id = b"\x84\xa4type\x02\xa4data\x91\xa1x\xa3nsp\xa1/\xa2id\xd4\x00\x00";
    assert!(matches!(decode(V4, undefined_id).unwrap().body, Body::Event { id: None, .. }));
    let numeric = decode(V4, &packet(2, b"\x91\x05")).unwrap().body;
    let five = Event { name: "5".into(), numeric: true, args: Args::new() };
    assert_eq!(numeric, Body::Event { id: None, event: five.clone() });
    let Message::Binary(wire) = &V4.event("/", None, &five, Some("o"))[0] else { panic!("binary") };
    assert_eq!(wire[..], b"\x83\xa4type\x02\xa4data\x92\x05\xa1o\xa3nsp\xa1/"[..]);
    let error = decode(V4, &packet(4, b"\x81\xa7message\xa2no")).unwrap().body;
    assert_eq!(error, Body::ConnectError { payload: r#"{"message":"no"}"#.into() });
    let query = decode(V3, b"\x82\xa4type\x00\xa3nsp\xa6/x?a=b").unwrap();
    assert_eq!(query, Packet { ns: "/x".into(), body: Body::Connect { auth: Some(r#"{"a":"b"}"#.into()) } });
}

#[test]
fn answers_have_the_reference_form() {
    let one = |messages: &[Message]| match messages {
        [Message::Binary(wire)] => wire.clone(),
        other => panic!("one binary message: {other:?}"),
    };
    let written = [
        (V4.connect("/", "s", None), &b"\x83\xa4type\x00\xa4data\x81\xa3sid\xa1s\xa3nsp\xa1/"[..]),
        (V4.connect("/", "s", Some("p")), b"\x83\xa4type\x00\xa4data\x82\xa3sid\xa1s\xa3pid\xa1p\xa3nsp\xa1/"),
        (V3.connect("/", "s", None), b"\x82\xa4type\x00\xa3nsp\xa1/"),
        (V4.disconnect("/x"), b"\x82\xa4type\x01\xa3nsp\xa2/x"),
        (
            V4.connect_error("/", "no", Some("[1]")),
            b"\x83\xa4type\x04\xa4data\x82\xa7message\xa2no\xa4data\x91\x01\xa3nsp\xa1/",
        ),
        (V3.connect_error("/", "no", None), b"\x83\xa4type\x04\xa4data\xa2no\xa3nsp\xa1/"),
        (V4.ack("/", 300, &Args::new()), b"\x84\xa4type\x03\xa4data\x90\xa3nsp\xa1/\xa2id\xcd\x01\x2c"),
    ];
    for (messages, wire) in written {
        assert_eq!(one(&messages)[..], *wire);
    }
    let invalid = one(&V4.invalid_namespace("/x"));
    assert_eq!(invalid[..], b"\x83\xa4type\x04\xa4data\x81\xa7message\xb1Invalid namespace\xa3nsp\xa2/x"[..]);
}

#[test]
fn packets_that_are_none_are_refused() {
    for wire in [
        &b"\x90"[..],
        b"\xc1",
        b"\x83",
        b"\x81\xa4type",
        b"\x01",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffa",
        b"\x82\xa4type\x00\xa3nsp\xa1/\x00",
        b"\x82\xa4type\x00\xa3nsp\xa1",
    ] {
        refused(wire, &DecodeError::InvalidMsgpack);
    }
    for argument in [
        &b"\xa1\xff"[..],
        b"\xc7\x01\x05x",
        b"\xd4\x01\x00",
        b"\xd5\x00\x00\x00",
        b"\x81\xc0\x01",
        b"\x81\xc4\x01a\x01",
        b"\x81\x90\x01",
    ] {
        refused(&event(argument), &DecodeError::InvalidMsgpack);
    }
    refused(b"", &DecodeError::Empty);
    refused(b"\x80", &DecodeError::InvalidPayload);
    refused(b"\x81\xa4type\x00", &DecodeError::InvalidPayload);
    refused(b"\x82\xa4type\xa10\xa3nsp\xa1/", &DecodeError::InvalidPayload);
    refused(b"\x82\xa4type\x00\xa3nsp\x00", &DecodeError::InvalidPayload);
    refused(&packet(5, b"\x91\xa1x"), &DecodeError::UnknownType('5'));
    refused(&packet(0, b"\xa1x"), &DecodeError::InvalidPayload);
    refused(&packet(0, b"\x90"), &DecodeError::InvalidPayload);
    refused(&packet(0, b"\x81\xa1a\xc4\x01x"), &DecodeError::IllegalAttachments);
    refused(&packet(1, b"\x80"), &DecodeError::InvalidPayload);
    for data in [
        &b"\x90"[..],
        b"\x80",
        b"\xc0",
        b"\x91\x80",
        b"\x91\xc0",
        b"\x91\xc3",
        b"\x91\xc4\x01x",
        b"\x91\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    ] {
        refused(&packet(2, data), &DecodeError::InvalidPayload);
    }
    refused(&packet(2, b"\x91\xa7connect"), &DecodeError::ReservedName);
    refused(&packet(3, b"\x90"), &DecodeError::InvalidId);
    for id in [&b"\xff"[..], b"\xa11", b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"] {
        let wire = [&b"\x84\xa4type\x02\xa4data\x91\xa1x\xa3nsp\xa1/\xa2id"[..], id].concat();
        refused(&wire, &DecodeError::InvalidId);
    }
    assert_eq!(Decoder::default().decode(V4, Message::Text("0".into())), Err(DecodeError::UnexpectedText));
}

#[test]
fn nesting_is_bounded_and_lengths_take_no_memory() {
    let nested = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
    round_trip(&nested(127), &format!("{}null{}", "[".repeat(127), "]".repeat(127)));
    refused(&event(&nested(128)), &DecodeError::TooDeep);
    refused(&event(&nested(900_000)), &DecodeError::TooDeep);
    let around_bin = |levels: usize| [vec![0x91; levels], b"\xc4\x01x".to_vec()].concat();
    assert_eq!(args_of(&event(&around_bin(126))).attachments().len(), 1);
    refused(&event(&around_bin(127)), &DecodeError::TooDeep);
    // What is passed over may be as deep as it likes.
    let unknown = [&b"\x84\xa4type\x02\xa4data\x91\xa1x\xa3nsp\xa1/\xa1y"[..], &nested(900_000)].concat();
    assert!(decode(V4, &unknown).is_ok());
}
