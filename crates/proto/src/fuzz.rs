//! Every parser as a plain function over bytes that asserts its invariants; a panic is a finding.
//! Where the bytes come from (a corpus, mutations, libFuzzer) is left to the caller.

use std::cell::RefCell;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::json::{Invalid, is_blank_from, scan, unquote};
use crate::limits::{MAX_ATTACHMENTS, MAX_CONTROL_LEN, MAX_DEPTH};
use crate::ws::{self, Config, Deflater, Inflater, Item, WindowBits};
use crate::{Args, Body, Codec, Decoder, EnginePacket, Message, Messages, Packet, Parser, Version, payload};

/// A name and the function that takes an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("ws_frames", ws_frames),
    ("ws_inflate", ws_inflate),
    ("ws_deflate", ws_deflate),
    ("ws_extensions", ws_extensions),
    ("engine_text", engine_text),
    ("engine_binary", engine_binary),
    ("payload_v4", payload_v4),
    ("payload_v3_text", payload_v3_text),
    ("payload_v3_binary", payload_v3_binary),
    ("jsonp", jsonp),
    ("json_scan", json_scan),
    ("socketio_json", socketio_json),
    ("socketio_msgpack", socketio_msgpack),
];

/// Bytes of a message in the targets of WebSocket.
const MESSAGE_MAX: usize = 2000;

/// Frames: the first byte says how the decoder is set up, the second how many bytes come at a time, the rest is the wire.
/// However it is split, the same items and the same error come out, and no more is kept than the limit.
pub fn ws_frames(data: &[u8]) {
    let [setup, step, wire @ ..] = data else {
        return;
    };
    let config = Config { role_server: setup & 1 == 0, max_message: MESSAGE_MAX, deflate: setup & 2 != 0 };
    let whole = items(config, wire, usize::MAX);
    assert_eq!(whole, items(config, wire, usize::from(*step).max(1)));
    for item in whole.0 {
        let (len, max) = match item {
            Item::Text(text) => (text.len(), MESSAGE_MAX),
            Item::Binary(data) => (data.len(), MESSAGE_MAX),
            Item::Ping(data) | Item::Pong(data) => (data.len(), MAX_CONTROL_LEN),
            Item::Close(frame) => (frame.map_or(0, |frame| 2 + frame.reason.len()), MAX_CONTROL_LEN),
        };
        assert!(len <= max, "{len} bytes");
    }
}

fn items(config: Config, wire: &[u8], step: usize) -> (Vec<Item>, Option<ws::Error>) {
    let (mut decoder, mut inflater) = (ws::Decoder::new(config), Inflater::new());
    let mut items = Vec::new();
    for chunk in wire.chunks(step) {
        let (mut chunk, mut at) = (chunk.to_vec(), 0);
        loop {
            match decoder.decode(&mut chunk, &mut at, &mut inflater) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(error) => return (items, Some(error)),
            }
        }
        assert_eq!(at, chunk.len(), "all of the chunk is taken");
        assert!(decoder.buffered() <= MESSAGE_MAX + MAX_CONTROL_LEN + 14, "{} bytes are kept", decoder.buffered());
    }
    (items, None)
}

/// Compressed data: whatever it is, no more comes out than the limit, and memory follows the limit.
pub fn ws_inflate(data: &[u8]) {
    let mut out = Vec::new();
    let result = Inflater::new().inflate(data, MESSAGE_MAX, &mut out);
    assert!(out.capacity() <= 4 * MESSAGE_MAX, "{} bytes are taken", out.capacity());
    assert!(out.len() <= MESSAGE_MAX || result.is_err());
}

thread_local! {
    /// For many messages, as a thread has them; making them takes longer than a short message does.
    static CONTEXTS: RefCell<(Deflater, Inflater)> = const { RefCell::new((Deflater::new(), Inflater::new())) };
}

/// Deflating is undone by inflating, whatever came before; the first byte says the window.
pub fn ws_deflate(data: &[u8]) {
    let Some((bits, data)) = data.split_first() else {
        return;
    };
    let window = WindowBits::new(9 + bits % 7).expect("nine to fifteen");
    let (mut wire, mut out) = (Vec::new(), Vec::new());
    CONTEXTS.with_borrow_mut(|(deflater, inflater)| {
        deflater.deflate(window, data, &mut wire);
        inflater.inflate(&wire, data.len(), &mut out).expect("what was deflated can be inflated");
    });
    assert_eq!(out, data);
}

/// Offers of extensions: an answer, taken as an offer, is answered with itself.
pub fn ws_extensions(data: &[u8]) {
    if let Some(agreement) = ws::negotiate_deflate(&String::from_utf8_lossy(data)) {
        assert_eq!(ws::negotiate_deflate(&agreement.answer), Some(agreement));
    }
}

/// A text frame: a packet is written as it is read.
pub fn engine_text(data: &[u8]) {
    let Ok(packet) = EnginePacket::decode_text(text(data)) else {
        return;
    };
    for version in [Version::V3, Version::V4] {
        assert_eq!(EnginePacket::decode_text(packet.encode_text(version)), Ok(packet.clone()));
    }
}

/// A binary frame, in both protocols.
pub fn engine_binary(data: &[u8]) {
    for version in [Version::V3, Version::V4] {
        let Ok(packet) = EnginePacket::decode_binary(version, Bytes::copy_from_slice(data)) else {
            continue;
        };
        if let EnginePacket::Message(_) = &packet {
            let mut wire = Vec::new();
            packet.put_ws_payload(version, &mut wire);
            assert_eq!(wire, data);
        }
    }
}

/// A polling body of protocol 4.
pub fn payload_v4(data: &[u8]) {
    polling_body(Version::V4, false, data);
}

/// A polling body of protocol 3 in text form.
pub fn payload_v3_text(data: &[u8]) {
    polling_body(Version::V3, false, data);
}

/// A polling body of protocol 3 in binary form.
pub fn payload_v3_binary(data: &[u8]) {
    polling_body(Version::V3, true, data);
}

/// What was read is written and read again, within the limits.
fn polling_body(version: Version, binary: bool, data: &[u8]) {
    const PACKETS_MAX: usize = 20;
    let decoded = payload::decode(version, binary, Bytes::copy_from_slice(data), PACKETS_MAX);
    assert!(decoded.packets.len() <= PACKETS_MAX);
    let is_separated = |packet: &EnginePacket| !packet.encode_text(version).contains('\x1e');
    if decoded.packets.is_empty() || !(version == Version::V3 || decoded.packets.iter().all(is_separated)) {
        return;
    }
    for b64 in [false, true] {
        let encoded = payload::encode(version, b64, &decoded.packets);
        let again = payload::decode(version, encoded.binary, encoded.body, PACKETS_MAX);
        assert_eq!(again, payload::Decoded { packets: decoded.packets.clone(), error: None });
    }
}

/// A posted form, and the script around a payload.
pub fn jsonp(data: &[u8]) {
    if let Some(payload) = payload::jsonp_body(data) {
        // An invalid byte becomes a character of three.
        assert!(payload.len() <= 3 * data.len());
    }
    let payload = text(data);
    let script = payload::jsonp(&payload, &payload);
    let (head, quoted) = script.split_once("](").expect("an index and a string");
    assert!(head.bytes().all(|byte| byte.is_ascii_digit() || b"_eio[".contains(&byte)));
    assert_eq!(unquote(quoted.strip_suffix(");").expect("a call")), *payload);
    assert!(!quoted.contains(['\n', '\r', '\u{2028}', '\u{2029}']));
}

/// JSON: valid is what serde_json takes, as far as the depth allows.
pub fn json_scan(data: &[u8]) {
    let text = text(data);
    let is_valid = match scan(text.as_bytes(), 0, MAX_DEPTH, &mut ()) {
        Ok(end) => is_blank_from(text.as_bytes(), end),
        Err(Invalid::Syntax) => false,
        Err(Invalid::TooDeep) => return,
    };
    assert_eq!(is_valid, serde_json::from_str::<IgnoredAny>(&text).is_ok());
}

/// Messages of the default parser: the first byte says the protocol, U+001E ends a message, the first and each after a
/// complete packet is text, those that a packet waits for are bytes.
pub fn socketio_json(data: &[u8]) {
    let Some((setup, rest)) = data.split_first() else {
        return;
    };
    let version = if setup & 1 == 0 { Version::V4 } else { Version::V3 };
    let codec = Codec { parser: Parser::Default, version };
    let mut decoder = Decoder::default();
    for part in rest.split(|byte| *byte == 0x1e) {
        let message = if decoder.is_partial() {
            Message::Binary(Bytes::copy_from_slice(part))
        } else {
            Message::Text(text(part))
        };
        match decoder.decode(codec, message) {
            Ok(Some(packet)) => use_packet(&packet),
            Ok(None) => assert!(decoder.is_partial()),
            Err(_) => assert!(!decoder.is_partial()),
        }
    }
}

/// A message of the msgpack parser, in both protocols.
pub fn socketio_msgpack(data: &[u8]) {
    for version in [Version::V3, Version::V4] {
        let codec = Codec { parser: Parser::Msgpack, version };
        let message = Message::Binary(Bytes::copy_from_slice(data));
        if let Ok(packet) = Decoder::default().decode(codec, message) {
            use_packet(&packet.expect("a message is a packet"));
        }
    }
}

/// What is done with a packet: it is written for all receivers, and its arguments are taken apart.
fn use_packet(packet: &Packet) {
    let json = Codec { parser: Parser::Default, version: Version::V4 };
    let msgpack = Codec { parser: Parser::Msgpack, version: Version::V4 };
    if let Some(args) = args_of(packet) {
        use_args(args);
    }
    // Other names cannot be said in JSON.
    if packet.ns.starts_with('/') && !packet.ns.contains(',') {
        assert_eq!(there_and_back(json, packet).as_ref(), Some(packet));
    }
    // Numbers and look-alikes may change when msgpack is written for the first time, and never again.
    let Some(once) = there_and_back(msgpack, packet) else {
        return;
    };
    assert_eq!(there_and_back(msgpack, &once), Some(once));
}

fn args_of(packet: &Packet) -> Option<&Args> {
    match &packet.body {
        Body::Event { event, .. } => Some(&event.args),
        Body::Ack { args, .. } => Some(args),
        Body::Connect { .. } | Body::Disconnect | Body::ConnectError { .. } => None,
    }
}

/// Writes a packet and reads it again; errors go one way only and are passed over.
fn there_and_back(codec: Codec, packet: &Packet) -> Option<Packet> {
    let ns = &packet.ns;
    let messages: Messages = match &packet.body {
        Body::Connect { auth } => codec.connect_auth(ns, auth.as_deref()),
        Body::Disconnect => codec.disconnect(ns),
        Body::Event { id, event } => codec.event(ns, *id, event, None),
        Body::Ack { id, args } => codec.ack(ns, *id, args),
        Body::ConnectError { .. } => return Some(packet.clone()),
    };
    let mut decoder = Decoder::default();
    let mut last = None;
    for message in messages {
        // A numeric name beyond the floats has no form in msgpack, nor have more attachments than are allowed.
        last = decoder.decode(codec, message).ok()?;
    }
    last
}

fn use_args(args: &Args) {
    assert!(args.attachments().len() <= MAX_ATTACHMENTS);
    let whole = args.slice(..);
    assert_eq!(whole.len(), args.len());
    let mut joined = Args::new();
    for i in 0..args.len().min(20) {
        let raw = args.raw(i).expect("an argument");
        assert!(serde_json::from_str::<IgnoredAny>(raw).is_ok(), "{raw}");
        let one = args.slice(i..=i);
        assert_eq!(one.binary(0), args.binary(i));
        if let Some(elements) = args.spread(i) {
            assert!(raw.starts_with('['));
            let _ = elements.get_all::<(Value, Option<Bytes>, Vec<u8>)>();
        }
        let _ = (args.member(i, "num"), args.get::<Value>(i), args.get::<Bytes>(i), args.get::<Vec<Bytes>>(i));
        joined.push_args(&one);
    }
    assert_eq!(joined.len(), args.len().min(20));
}

fn text(data: &[u8]) -> ByteString {
    String::from_utf8_lossy(data).into_owned().into()
}
