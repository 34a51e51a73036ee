//! Polling payloads: several packets in one HTTP body.
//! Requests, responses and their headers are left to whoever speaks HTTP.

use bytes::Bytes;

pub use super::jsonp::{jsonp, jsonp_body};
use super::packet::lossy;
use super::payload_v3 as v3;
use super::{EngineError, EnginePacket};
use crate::Version;

/// What stands between two packets of protocol 4.
const SEPARATOR: char = '\x1e';

/// Decoded packets up to the first invalid one, and the error if there was one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// In the order of the body.
    pub packets: Vec<EnginePacket>,
    /// Why the rest was not decoded.
    pub error: Option<EngineError>,
}

/// A body to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The body.
    pub body: Bytes,
    /// Whether it is to be sent as `application/octet-stream`.
    pub binary: bool,
}

/// Reads a body.
///
/// `binary` says that it came as `application/octet-stream`, which only protocol 3 knows; it is ignored in protocol 4.
/// Invalid UTF-8 is replaced and base64 read leniently, as node does. More than `max_packets` packets are an error.
#[must_use]
pub fn decode(version: Version, binary: bool, body: Bytes, max_packets: usize) -> Decoded {
    match (version, binary) {
        (Version::V4, _) => collect(items_v4(&body), max_packets),
        (Version::V3, false) => collect(v3::TextItems::new(lossy(&body)), max_packets),
        (Version::V3, true) => collect(v3::BinaryItems::new(body), max_packets),
    }
}

/// Writes a body.
///
/// Protocol 4 bodies are text always. Those of protocol 3 are binary if a packet is and the client did not ask for base64
/// (`b64`).
#[must_use]
pub fn encode(version: Version, b64: bool, packets: &[EnginePacket]) -> Encoded {
    if version == Version::V3 && !b64 && packets.iter().any(EnginePacket::is_binary) {
        return Encoded { body: v3::encode_binary(packets).into(), binary: true };
    }
    let mut out = String::with_capacity(packets.iter().map(|packet| packet.text_len() + 12).sum());
    match version {
        Version::V3 => v3::encode_text(packets, &mut out),
        Version::V4 => encode_v4(packets, &mut out),
    }
    Encoded { body: out.into(), binary: false }
}

fn items_v4(body: &Bytes) -> impl Iterator<Item = Result<EnginePacket, EngineError>> {
    let text = lossy(body);
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let end = memchr::memchr(SEPARATOR as u8, &text.as_bytes()[start..]).map(|len| start + len);
        next = end.map(|end| end + 1);
        let item = text.slice_ref(&text[start..end.unwrap_or(text.len())]);
        Some(EnginePacket::decode_item(Version::V4, &item))
    })
}

fn encode_v4(packets: &[EnginePacket], out: &mut String) {
    for (i, packet) in packets.iter().enumerate() {
        if i > 0 {
            out.push(SEPARATOR);
        }
        packet.put_text(Version::V4, out);
    }
}

fn collect(items: impl Iterator<Item = Result<EnginePacket, EngineError>>, max_packets: usize) -> Decoded {
    let mut decoded = Decoded::default();
    for item in items {
        match item {
            Ok(_) if decoded.packets.len() == max_packets => {
                decoded.error = Some(EngineError::TooManyPackets);
                break;
            }
            Ok(packet) => decoded.packets.push(packet),
            Err(error) => {
                decoded.error = Some(error);
                break;
            }
        }
    }
    decoded
}
