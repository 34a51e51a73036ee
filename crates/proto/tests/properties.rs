//! Properties that hold for whatever comes: splitting the bytes changes nothing, encoding and decoding undo each other.
//! A failing case prints its seed and the smallest input that still fails.

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;
use trunkline_proto::payload;
use trunkline_proto::ws::{
    Config, Decoder as WsDecoder, Deflater, Error, Inflater, Item, Opcode, WindowBits, put_masked_frame,
};
use trunkline_proto::{Args, Body, Codec, Decoder, EnginePacket, Event, Message, Messages, Packet, Parser, Version};

const MAX: usize = 2000;

/// One frame of a client, possibly an illegal one.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    mask: [u8; 4],
    payload: Vec<u8>,
    deflate: bool,
}

fn payload_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => ".{0,40}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..40),
        1 => vec(any::<u8>(), 120..300),
        1 => (0..1100_usize).prop_map(|len| vec![b'x'; len]),
        1 => (1000..1016_u16, ".{0,5}").prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    // Mostly legal first bytes, so that streams get beyond their first frame.
    let first = prop_oneof![
        6 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0xc2, 0x41]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    (first, any::<[u8; 4]>(), payload_bytes(), any::<bool>()).prop_map(|(first, mask, payload, deflate)| Frame {
        first,
        mask,
        payload,
        deflate,
    })
}

fn wire(frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut deflater = Deflater::new();
    for frame in frames {
        let mut payload = frame.payload.clone();
        if frame.deflate && frame.first & 0xc0 == 0xc0 {
            payload.clear();
            deflater.deflate(WindowBits::MAX, &frame.payload, &mut payload);
        }
        let start = out.len();
        put_masked_frame(&mut out, Opcode::Binary, false, frame.mask, &payload);
        out[start] = frame.first;
    }
    out
}

fn decode(wire: &[u8], cuts: &[usize]) -> (Vec<Item>, Option<Error>) {
    let mut decoder = WsDecoder::new(Config { role_server: true, max_message: MAX, deflate: true });
    let mut inflater = Inflater::new();
    let mut items = Vec::new();
    let mut rest = wire.to_vec();
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let len = cuts.next().map_or(rest.len(), |cut| (*cut).clamp(1, rest.len()));
        let tail = rest.split_off(len);
        let mut at = 0;
        loop {
            match decoder.decode(&mut rest, &mut at, &mut inflater) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
        assert_eq!(at, len, "`None` says that all is taken");
        assert!(decoder.buffered() <= MAX + 14 + 125);
        rest = tail;
    }
    (items, None)
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        prop::num::f64::NORMAL.prop_map(Into::into),
        (-40_000..70_000).prop_map(Into::into),
        ".{0,40}".prop_map(Into::into),
        Just(serde_json::json!({"_placeholder": true, "num": 0})),
    ];
    leaf.prop_recursive(5, 40, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Into::into),
            btree_map(".{0,8}", inner, 0..18).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An argument: data, bytes, or bytes inside data.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
enum Argument {
    Json(Value),
    Bytes(Bytes),
    Nested(Vec<(Value, Bytes)>),
}

fn args() -> impl Strategy<Value = Args> {
    let bytes = || vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let argument = prop_oneof![
        4 => json().prop_map(Argument::Json),
        1 => bytes().prop_map(Argument::Bytes),
        1 => vec((json(), bytes()), 0..3).prop_map(Argument::Nested),
    ];
    vec(argument, 0..4).prop_map(|arguments| {
        let mut args = Args::new();
        for argument in &arguments {
            args.push(argument).expect("under all limits");
        }
        args
    })
}

fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "/[^,?#]{0,10}"]
}

fn packet() -> impl Strategy<Value = Packet> {
    let object =
        btree_map(".{0,8}", json(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect()).to_string().into());
    let name =
        prop_oneof![".{0,10}".prop_map(|name| (name, false)), any::<i32>().prop_map(|name| (name.to_string(), true)),];
    let event = (prop::option::of(any::<u64>()), name, args())
        .prop_map(|(id, (name, numeric), args)| Body::Event { id, event: Event { name: name.into(), numeric, args } });
    let body = prop_oneof![
        1 => prop::option::of(object).prop_map(|auth| Body::Connect { auth }),
        1 => Just(Body::Disconnect),
        4 => event,
        2 => (any::<u64>(), args()).prop_map(|(id, args)| Body::Ack { id, args }),
    ];
    (namespace(), body).prop_map(|(ns, body)| Packet { ns: ns.into(), body })
}

fn encode(codec: Codec, packet: &Packet) -> Messages {
    let ns = &packet.ns;
    match &packet.body {
        Body::Connect { auth } => codec.connect_auth(ns, auth.as_deref()),
        Body::Disconnect => codec.disconnect(ns),
        Body::Event { id, event } => codec.event(ns, *id, event, None),
        Body::Ack { id, args } => codec.ack(ns, *id, args),
        Body::ConnectError { payload } => codec.connect_error(ns, "", Some(payload)),
    }
}

fn decode_packet(codec: Codec, messages: Messages) -> Packet {
    let mut decoder = Decoder::default();
    let mut packets = messages.into_iter().filter_map(|message| decoder.decode(codec, message).expect("valid"));
    packets.next().expect("a packet")
}

/// What a packet says, numbers and spaces aside: text as a value, so that 5 and 5.0 are the same.
fn meaning(packet: &Packet) -> (Vec<f64>, String, Vec<Bytes>) {
    let args = match &packet.body {
        Body::Event { event, .. } => event.args.clone(),
        Body::Ack { args, .. } => args.clone(),
        _ => Args::new(),
    };
    let mut numbers = Vec::new();
    let rest: Vec<Value> = args
        .get_all::<Vec<Value>>()
        .expect("JSON")
        .into_iter()
        .map(|value| without_numbers(value, &mut numbers))
        .collect();
    (numbers, Value::from(rest).to_string(), args.attachments().to_vec())
}

fn without_numbers(value: Value, numbers: &mut Vec<f64>) -> Value {
    match value {
        Value::Number(number) => {
            numbers.push(number.as_f64().expect("a number"));
            Value::Null
        }
        Value::Array(elements) => elements.into_iter().map(|value| without_numbers(value, numbers)).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, without_numbers(value, numbers))).collect())
        }
        other => other,
    }
}

fn engine_packet() -> impl Strategy<Value = EnginePacket> {
    prop_oneof![
        4 => ".{0,30}".prop_map(|text| EnginePacket::Message(Message::Text(text.replace('\x1e', "").into()))),
        2 => vec(any::<u8>(), 0..40).prop_map(|data| EnginePacket::Message(Message::Binary(data.into()))),
        1 => prop::sample::select(vec![
            EnginePacket::Close,
            EnginePacket::Noop,
            EnginePacket::Upgrade,
            EnginePacket::Ping("probe".into()),
            EnginePacket::Pong("".into()),
            EnginePacket::Open("{}".into()),
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_split_of_the_bytes_gives_the_same_items(
        frames in vec(frame(), 1..12),
        cuts in vec(prop_oneof![1..4_usize, 1..400_usize], 1..8),
    ) {
        let wire = wire(&frames);
        let whole = decode(&wire, &[]);
        prop_assert_eq!(&whole, &decode(&wire, &[1]));
        prop_assert_eq!(&whole, &decode(&wire, &cuts));
    }

    #[test]
    fn any_bytes_are_decoded_without_harm(wire in vec(any::<u8>(), 0..300), cuts in vec(1..40_usize, 1..8)) {
        prop_assert_eq!(decode(&wire, &[]), decode(&wire, &cuts));
    }

    #[test]
    fn deflating_is_undone_by_inflating(data in prop_oneof![vec(any::<u8>(), 0..5000), ".{0,2000}".prop_map(String::into_bytes)]) {
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        Deflater::new().deflate(WindowBits::MAX, &data, &mut wire);
        prop_assert_eq!(Inflater::new().inflate(&wire, data.len(), &mut out), Ok(()));
        prop_assert_eq!(out, data);
    }

    #[test]
    fn json_packets_are_read_as_they_were_written(packet in packet()) {
        let codec = Codec { parser: Parser::Default, version: Version::V4 };
        prop_assume!(!matches!(&packet.body, Body::Event { event, .. } if trunkline_proto::is_reserved(&event.name)));
        prop_assert_eq!(decode_packet(codec, encode(codec, &packet)), packet);
    }

    #[test]
    fn msgpack_packets_say_what_was_written_and_stay_the_same_then(packet in packet()) {
        let codec = Codec { parser: Parser::Msgpack, version: Version::V4 };
        let first = decode_packet(codec, encode(codec, &packet));
        prop_assert_eq!(&first.ns, &packet.ns);
        prop_assert_eq!(meaning(&first), meaning(&packet));
        let second = decode_packet(codec, encode(codec, &first));
        prop_assert_eq!(second, first);
    }

    #[test]
    fn payloads_are_read_as_they_were_written(packets in vec(engine_packet(), 1..8), b64 in any::<bool>()) {
        for version in [Version::V3, Version::V4] {
            let encoded = payload::encode(version, b64, &packets);
            let decoded = payload::decode(version, encoded.binary, encoded.body, packets.len());
            prop_assert_eq!(&decoded.packets, &packets);
            prop_assert_eq!(decoded.error, None);
        }
    }

    #[test]
    fn frames_are_read_as_they_were_written(packets in vec(engine_packet(), 1..8)) {
        for version in [Version::V3, Version::V4] {
            let mut wire = Vec::new();
            for packet in &packets {
                packet.put_ws(version, &mut wire);
            }
            let mut decoder = WsDecoder::new(Config { role_server: false, max_message: MAX, deflate: false });
            let (mut at, mut got) = (0, Vec::new());
            while let Some(item) = decoder.decode(&mut wire, &mut at, &mut Inflater::new()).expect("legal frames") {
                got.push(match item {
                    Item::Text(text) => EnginePacket::decode_text(text).expect("a packet"),
                    Item::Binary(data) => EnginePacket::decode_binary(version, data).expect("a packet"),
                    other => panic!("{other:?}"),
                });
            }
            prop_assert_eq!(&got, &packets);
        }
    }

    #[test]
    fn jsonp_bodies_survive_the_form(payload in "[a-z\\\\n\n€&=+% ]{0,30}") {
        // A backslash before a newline the page itself cannot tell from an escaped newline.
        let lines: Vec<&str> = payload.split('\n').map(|line| line.trim_end_matches('\\')).collect();
        let payload = lines.join("\n");
        // What the page does: it doubles the backslash of an escaped newline, then escapes newlines.
        let escaped = payload.replace("\\n", "\\\\n").replace('\n', "\\n");
        let form: String = escaped.bytes().fold("d=".to_owned(), |form, byte| format!("{form}%{byte:02x}"));
        prop_assert_eq!(payload::jsonp_body(form.as_bytes()), Some(payload));
    }

    #[test]
    fn arguments_cut_and_joined_are_the_same(args in args(), at in 0..5_usize) {
        let mut joined = args.slice(..at);
        joined.push_args(&args.slice(at..));
        prop_assert_eq!(joined.len(), args.len());
        prop_assert!(joined.attachments().len() <= args.attachments().len());
        for i in 0..args.len() {
            prop_assert_eq!(joined.binary(i), args.binary(i));
            if args.attachments().is_empty() {
                prop_assert_eq!(joined.raw(i), args.raw(i));
            }
        }
        let mut whole = Args::new();
        whole.push_args(&args);
        prop_assert_eq!(whole, args);
    }
}
