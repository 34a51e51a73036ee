//! One Engine.IO packet: as text, as bytes, as a WebSocket frame.
//! What a packet does to a session is left to the crates above.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use super::base64;
use crate::ws::{Opcode, put_header};
use crate::{Message, Version};

/// An Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnginePacket {
    /// The session is open; the content is JSON.
    Open(ByteString),
    /// The session ends.
    Close,
    /// A question for a sign of life; `probe` tests a new transport.
    Ping(ByteString),
    /// The answer to it, with the same content.
    Pong(ByteString),
    /// What the session is for.
    Message(Message),
    /// The client goes over to this transport.
    Upgrade,
    /// Nothing; it ends a waiting poll.
    Noop,
}

/// Why bytes are no Engine.IO packet. Always the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// There is nothing, not even a type.
    Empty,
    /// The type is none of the known ones.
    UnknownType(char),
    /// A length in a protocol 3 payload is no number or not what follows.
    InvalidLength,
    /// The body holds more packets than the caller allows.
    TooManyPackets,
}

impl EnginePacket {
    /// Reads a packet from a text frame.
    ///
    /// `b` starts a binary message in base64, in protocol 3 `b4`. The two are told apart by length, as no base64 is one
    /// character longer than a multiple of four. Base64 is read leniently, as node does.
    ///
    /// # Errors
    ///
    /// The text is empty or its first character is no type.
    #[allow(clippy::needless_pass_by_value, reason = "a packet takes over the text that it is")]
    pub fn decode_text(text: ByteString) -> Result<Self, EngineError> {
        let version = match text.as_bytes().strip_prefix(b"b4") {
            Some(base64) if base64.len() % 4 == 0 => Version::V3,
            _ => Version::V4,
        };
        Self::decode_item(version, &text)
    }

    /// Reads a packet from text of a known version: an item of a payload.
    pub(super) fn decode_item(version: Version, text: &ByteString) -> Result<Self, EngineError> {
        let kind = text.chars().next().ok_or(EngineError::Empty)?;
        let rest = &text[kind.len_utf8()..];
        match kind {
            'b' if version == Version::V3 => decode_v3_base64(rest),
            'b' => Ok(Self::Message(Message::Binary(base64::decode(rest).into()))),
            kind => Self::of(kind, text.slice_ref(rest)).ok_or(EngineError::UnknownType(kind)),
        }
    }

    /// Reads a packet from a binary frame: in protocol 4 the content of a message, in protocol 3 the number of the type and
    /// the content, in which invalid UTF-8 is replaced unless it is a message's.
    ///
    /// # Errors
    ///
    /// Only in protocol 3: the frame is empty or its first byte is no type.
    pub fn decode_binary(version: Version, mut data: Bytes) -> Result<Self, EngineError> {
        if version == Version::V4 {
            return Ok(Self::Message(Message::Binary(data)));
        }
        let kind = *data.first().ok_or(EngineError::Empty)?;
        let data = data.split_off(1);
        if kind == 4 {
            return Ok(Self::Message(Message::Binary(data)));
        }
        let kind = char::from(kind.wrapping_add(b'0'));
        Self::of(kind, lossy(&data)).ok_or(EngineError::UnknownType(kind))
    }

    /// Writes the packet as text, a binary message in base64.
    #[must_use]
    pub fn encode_text(&self, version: Version) -> ByteString {
        let mut out = String::with_capacity(self.text_len());
        self.put_text(version, &mut out);
        out.into()
    }

    /// Appends the packet as one unmasked WebSocket frame, header included.
    pub fn put_ws(&self, version: Version, out: &mut Vec<u8>) {
        let (opcode, kind, content) = self.ws_parts(version);
        let len = kind.map_or(0, |_| 1) + content.len();
        out.reserve(10 + len);
        put_header(out, opcode, false, len);
        out.extend(kind);
        out.extend_from_slice(content);
    }

    /// Appends what [`put_ws`](Self::put_ws) puts into the frame, without the header, and returns the frame's opcode: for
    /// frames that are deflated.
    pub fn put_ws_payload(&self, version: Version, out: &mut Vec<u8>) -> Opcode {
        let (opcode, kind, content) = self.ws_parts(version);
        out.extend(kind);
        out.extend_from_slice(content);
        opcode
    }

    /// Appends what [`encode_text`](Self::encode_text) writes.
    pub(super) fn put_text(&self, version: Version, out: &mut String) {
        if let Self::Message(Message::Binary(data)) = self {
            out.push_str(if version == Version::V3 { "b4" } else { "b" });
            return base64::encode(data, out);
        }
        out.push(char::from(self.kind()));
        out.push_str(self.text());
    }

    /// Returns about how many bytes the packet has as text.
    pub(super) fn text_len(&self) -> usize {
        if let Self::Message(Message::Binary(data)) = self {
            return data.len().div_ceil(3) * 4 + 2;
        }
        self.text().len() + 1
    }

    /// Returns whether the packet is a binary message.
    pub(super) fn is_binary(&self) -> bool {
        matches!(self, Self::Message(Message::Binary(_)))
    }

    /// The digit of the type.
    fn kind(&self) -> u8 {
        match self {
            Self::Open(_) => b'0',
            Self::Close => b'1',
            Self::Ping(_) => b'2',
            Self::Pong(_) => b'3',
            Self::Message(_) => b'4',
            Self::Upgrade => b'5',
            Self::Noop => b'6',
        }
    }

    /// The content, empty if there is none or if it is binary.
    fn text(&self) -> &str {
        match self {
            Self::Open(text) | Self::Ping(text) | Self::Pong(text) | Self::Message(Message::Text(text)) => text,
            Self::Close | Self::Upgrade | Self::Noop | Self::Message(Message::Binary(_)) => "",
        }
    }

    fn ws_parts(&self, version: Version) -> (Opcode, Option<u8>, &[u8]) {
        match (self, version) {
            (Self::Message(Message::Binary(data)), Version::V4) => (Opcode::Binary, None, data),
            (Self::Message(Message::Binary(data)), Version::V3) => (Opcode::Binary, Some(4), data),
            _ => (Opcode::Text, Some(self.kind()), self.text().as_bytes()),
        }
    }

    /// Makes the packet of a type; content that the type does not have is dropped, as the reference does.
    fn of(kind: char, content: ByteString) -> Option<Self> {
        Some(match kind {
            '0' => Self::Open(content),
            '1' => Self::Close,
            '2' => Self::Ping(content),
            '3' => Self::Pong(content),
            '4' => Self::Message(Message::Text(content)),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            _ => return None,
        })
    }
}

/// What follows `b` in protocol 3: the type, then base64 of the content.
fn decode_v3_base64(rest: &str) -> Result<EnginePacket, EngineError> {
    let kind = rest.chars().next().ok_or(EngineError::UnknownType('b'))?;
    let data = Bytes::from(base64::decode(&rest[kind.len_utf8()..]));
    if kind == '4' {
        return Ok(EnginePacket::Message(Message::Binary(data)));
    }
    EnginePacket::of(kind, lossy(&data)).ok_or(EngineError::UnknownType(kind))
}

/// Makes text of bytes, invalid UTF-8 replaced; valid text is not copied.
pub(super) fn lossy(data: &Bytes) -> ByteString {
    ByteString::try_from(data.clone()).unwrap_or_else(|_| String::from_utf8_lossy(data).into_owned().into())
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty packet"),
            Self::UnknownType(kind) => write!(f, "unknown packet type {kind:?}"),
            Self::InvalidLength => f.write_str("invalid length in payload"),
            Self::TooManyPackets => f.write_str("too many packets in payload"),
        }
    }
}

impl std::error::Error for EngineError {}
