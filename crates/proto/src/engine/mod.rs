//! Engine.IO packets as values, and the forms in which they travel.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Message, Version};

pub mod payload;

/// An Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum EnginePacket {
    Open(ByteString),
    Close,
    Ping(ByteString),
    Pong(ByteString),
    Message(Message),
    Upgrade,
    Noop,
}

/// Why bytes are no Engine.IO packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum EngineError {
    Empty,
    UnknownType(char),
    InvalidLength,
    TooManyPackets,
}

#[allow(
    missing_docs,
    unused_variables,
    clippy::missing_errors_doc,
    clippy::needless_pass_by_value
)]
impl EnginePacket {
    pub fn decode_text(text: ByteString) -> Result<Self, EngineError> {
        unimplemented!()
    }
    pub fn decode_binary(version: Version, data: Bytes) -> Result<Self, EngineError> {
        unimplemented!()
    }
    /// The packet as text; a binary message in its base64 form.
    #[must_use]
    pub fn encode_text(&self, version: Version) -> ByteString {
        unimplemented!()
    }
    pub fn put_ws(&self, version: Version, out: &mut Vec<u8>) {
        unimplemented!()
    }
    /// Appends what `put_ws` puts into the frame, without the header, for a frame that is deflated; returns its opcode.
    pub fn put_ws_payload(&self, version: Version, out: &mut Vec<u8>) -> crate::ws::Opcode {
        unimplemented!()
    }
}

/// The content of the open packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Open<'a> {
    pub sid: &'a str,
    pub upgrades: &'a [&'a str],
    pub ping_interval_ms: u64,
    pub ping_timeout_ms: u64,
    pub max_payload: u64,
}

#[allow(missing_docs)]
impl Open<'_> {
    #[must_use]
    pub fn to_json(&self) -> ByteString {
        unimplemented!()
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("empty packet"),
            Self::UnknownType(kind) => write!(f, "unknown packet type {kind:?}"),
            Self::InvalidLength => f.write_str("invalid length in payload"),
            Self::TooManyPackets => f.write_str("too many packets in payload"),
        }
    }
}

impl std::error::Error for EngineError {}
