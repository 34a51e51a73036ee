//! Engine.IO packets and polling payloads by tables, both protocols.
//! Each row is checked in both directions where the form is the canonical one.

use bytes::Bytes;
use trunkline_proto::payload::{self, Decoded, Encoded};
use trunkline_proto::{EngineError, EnginePacket, Message, Open, Version};

use EnginePacket::{Close, Noop, Ping, Pong, Upgrade};
use Version::{V3, V4};

fn text(text: &str) -> EnginePacket {
    EnginePacket::Message(Message::Text(text.into()))
}

fn binary(data: &'static [u8]) -> EnginePacket {
    EnginePacket::Message(Message::Binary(Bytes::from_static(data)))
}

#[track_caller]
fn check(version: Version, wire: &str, packets: &[EnginePacket]) {
    assert_eq!(decoded(version, wire), (packets.to_vec(), None), "{wire}");
    let encoded = payload::encode(version, true, packets);
    assert_eq!(encoded, Encoded { body: wire.to_owned().into(), binary: false });
}

#[track_caller]
fn refused(version: Version, wire: &str, packets: &[EnginePacket], error: EngineError) {
    assert_eq!(decoded(version, wire), (packets.to_vec(), Some(error)), "{wire}");
}

fn decoded(version: Version, wire: &str) -> (Vec<EnginePacket>, Option<EngineError>) {
    let Decoded { packets, error } = payload::decode(version, false, wire.to_owned().into(), 100);
    (packets, error)
}

#[test]
fn payloads_of_protocol_4_are_separated_by_a_control_character() {
    check(V4, "4hello", &[text("hello")]);
    check(V4, "4test1\x1e4test2\x1e4test3", &[text("test1"), text("test2"), text("test3")]);
    check(V4, "4hello\x1ebAQIDBA==", &[text("hello"), binary(&[1, 2, 3, 4])]);
    check(V4, "4\x1eb\x1e4€\u{1f600}", &[text(""), binary(&[]), text("€\u{1f600}")]);
    check(V4, "2probe\x1e3\x1e6\x1e1\x1e5", &[Ping("probe".into()), Pong("".into()), Noop, Close, Upgrade]);
    check(V4, "0{}", &[EnginePacket::Open("{}".into())]);
}

#[test]
fn decoding_stops_at_the_first_invalid_packet() {
    refused(V4, "", &[], EngineError::Empty);
    refused(V4, "abc", &[], EngineError::UnknownType('a'));
    refused(V4, "4a\x1e\x1e4b", &[text("a")], EngineError::Empty);
    refused(V4, "4a\x1e7\x1e4b", &[text("a")], EngineError::UnknownType('7'));
    refused(V4, "4a\x1e", &[text("a")], EngineError::Empty);
    refused(V4, "€", &[], EngineError::UnknownType('€'));
}

#[test]
fn bodies_are_read_leniently_where_node_does() {
    let bad_utf8 = payload::decode(V4, false, Bytes::from_static(b"4a\xff\x1e4b"), 10);
    assert_eq!(bad_utf8.packets, [text("a\u{fffd}"), text("b")]);
    assert_eq!(decoded(V4, "bAQ ID!BA").0, [binary(&[1, 2, 3, 4])]);
    assert_eq!(decoded(V4, "1ignored\x1e5x\x1e6y").0, [Close, Upgrade, Noop]);
}

#[test]
fn too_many_packets_are_an_error_after_those_that_are_allowed() {
    let got = payload::decode(V4, false, Bytes::from_static(b"4a\x1e4b\x1e4c"), 2);
    assert_eq!(got, Decoded { packets: vec![text("a"), text("b")], error: Some(EngineError::TooManyPackets) });
    let got = payload::decode(V3, false, Bytes::from_static(b"2:4a2:4b2:4c"), 3);
    assert_eq!(got.error, None);
}

#[test]
fn lengths_of_protocol_3_count_utf16_units() {
    check(V3, "6:4hello", &[text("hello")]);
    check(V3, "6:4test16:4test26:4test3", &[text("test1"), text("test2"), text("test3")]);
    check(V3, "6:4hello10:b4AQIDBA==", &[text("hello"), binary(&[1, 2, 3, 4])]);
    check(V3, "2:4€3:4\u{1f600}1:2", &[text("€"), text("\u{1f600}"), Ping("".into())]);
    check(V3, "2:40", &[text("0")]);
}

#[test]
fn lengths_that_are_wrong_are_refused() {
    for wire in ["", "abc", "4hello", "7:4hello", ":4", "-1:4", "1e1:4", "6:", "99999999999:4", "1:\u{1f600}"] {
        let (packets, error) = decoded(V3, wire);
        assert_eq!((packets.len(), error), (0, Some(EngineError::InvalidLength)), "{wire}");
    }
    refused(V3, "2:4a2:4", &[text("a")], EngineError::InvalidLength);
    refused(V3, "2:4a3", &[text("a")], EngineError::InvalidLength);
    refused(V3, "1:b", &[], EngineError::UnknownType('b'));
    refused(V3, "2:b9", &[], EngineError::UnknownType('9'));
    assert_eq!(decoded(V3, "0:2:4a"), (vec![text("a")], None), "an item of length zero is passed over");
}

#[test]
fn an_empty_payload_of_protocol_3_has_length_zero() {
    assert_eq!(payload::encode(V3, false, &[]).body, "0:");
    assert_eq!(decoded(V3, "0:"), (vec![], None));
}

#[test]
fn binary_payloads_of_protocol_3_frame_bytes() {
    let wire = b"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04";
    let packets = [text("hello"), binary(&[1, 2, 3, 4])];
    let encoded = payload::encode(V3, false, &packets);
    assert_eq!(encoded, Encoded { body: Bytes::from_static(wire), binary: true });
    assert_eq!(payload::decode(V3, true, Bytes::from_static(wire), 10).packets, packets);

    let text_only = payload::encode(V3, false, &packets[..1]);
    assert_eq!(text_only, Encoded { body: "6:4hello".into(), binary: false });
    let umlaut = payload::encode(V3, false, &[text("€"), binary(&[])]);
    assert_eq!(umlaut.body, &b"\x00\x04\xff4\xe2\x82\xac\x01\x01\xff\x04"[..]);
}

#[test]
fn binary_payloads_that_are_wrong_are_refused() {
    for (wire, error) in [
        (&b""[..], EngineError::Empty),
        (b"\x00", EngineError::InvalidLength),
        (b"\x00\xff4", EngineError::InvalidLength),
        (b"\x00\x06\xff4hell", EngineError::InvalidLength),
        (b"\x00\x0a\xff4hello", EngineError::InvalidLength),
        (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\xff4hello", EngineError::InvalidLength),
        (b"\x02\x01\xff4", EngineError::UnknownType('\u{2}')),
        (b"\x01\x00\xff", EngineError::Empty),
        (b"\x01\x01\xff\x09", EngineError::UnknownType('9')),
        (b"\x00\x01\xff9", EngineError::UnknownType('9')),
    ] {
        let got = payload::decode(V3, true, Bytes::from_static(wire), 10);
        assert_eq!(got, Decoded { packets: vec![], error: Some(error) }, "{wire:?}");
    }
}

#[test]
fn frames_carry_one_packet() {
    for (version, packet, wire) in [
        (V4, text("hello"), &b"\x81\x064hello"[..]),
        (V4, binary(&[1, 2]), b"\x82\x02\x01\x02"),
        (V3, binary(&[1, 2]), b"\x82\x03\x04\x01\x02"),
        (V3, text("€"), b"\x81\x044\xe2\x82\xac"),
        (V4, Ping("probe".into()), b"\x81\x062probe"),
        (V4, Noop, b"\x81\x016"),
    ] {
        let mut out = Vec::new();
        packet.put_ws(version, &mut out);
        assert_eq!(out, wire);
        let mut payload = Vec::new();
        packet.put_ws_payload(version, &mut payload);
        assert_eq!(payload, wire[2..]);
        let back = match wire[0] {
            0x81 => EnginePacket::decode_text(std::str::from_utf8(&payload).unwrap().into()),
            _ => EnginePacket::decode_binary(version, payload.into()),
        };
        assert_eq!(back, Ok(packet));
    }
}

#[test]
fn base64_in_text_frames_says_its_protocol_by_its_length() {
    for data in [&b""[..], b"\x01", b"\x01\x02", b"\x01\x02\x03", b"\xe0\x00\x00", b"\xe0\x00\x00\x01"] {
        for version in [V3, V4] {
            let packet = binary(data);
            let wire = packet.encode_text(version);
            assert_eq!(EnginePacket::decode_text(wire), Ok(packet));
        }
    }
}

#[test]
fn binary_frames_of_protocol_3_start_with_the_type() {
    assert_eq!(EnginePacket::decode_binary(V3, Bytes::from_static(b"\x02probe")), Ok(Ping("probe".into())));
    assert_eq!(EnginePacket::decode_binary(V3, Bytes::new()), Err(EngineError::Empty));
    assert_eq!(EnginePacket::decode_binary(V3, Bytes::from_static(b"4x")), Err(EngineError::UnknownType('d')));
    assert_eq!(EnginePacket::decode_binary(V3, Bytes::from_static(b"\xff")), Err(EngineError::UnknownType('/')));
    assert_eq!(EnginePacket::decode_binary(V4, Bytes::new()), Ok(binary(&[])));
}

#[test]
fn scripts_hand_over_the_payload() {
    for (index, payload, script) in [
        ("0", "4hello", r#"___eio[0]("4hello");"#),
        ("12", "6:4\"x\\n\"", r#"___eio[12]("6:4\"x\\n\"");"#),
        ("0](alert(1))//", "a\nb\u{2028}\u{2029}\x1e", r#"___eio[01]("a\nb\u2028\u2029\u001e");"#),
    ] {
        assert_eq!(payload::jsonp(index, payload), script);
    }
}

#[test]
fn forms_carry_the_payload_in_one_field() {
    for (form, payload) in [
        ("d=4hello", Some("4hello")),
        ("x=1&d=12%3A4%5B%22a%2Bb+c%22%5D", Some("12:4[\"a+b c\"]")),
        ("d=a%5Cnb%5C%5Cnc%5Cd", Some("a\nb\\nc\\d")),
        ("d=%5C%5C%5Cn", Some("\\\\n")),
        ("d=1&d=2", None),
        ("", None),
        ("e=1", None),
    ] {
        assert_eq!(payload::jsonp_body(form.as_bytes()).as_deref(), payload, "{form}");
    }
}

#[test]
fn the_open_packet_has_five_keys() {
    let open = Open {
        sid: "a\"b",
        upgrades: &["websocket"],
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        max_payload: 1_000_000,
    };
    let expected =
        r#"{"sid":"a\"b","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
    assert_eq!(open.to_json(), expected);
    let none = Open { upgrades: &[], ..open };
    assert!(none.to_json().contains(r#""upgrades":[],"#));
}
