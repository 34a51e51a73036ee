//! Socket.IO packets as values.
//! How they are written on the wire is the codec's matter, what they do to a socket that of the crates above.

use std::fmt;

use bytestring::ByteString;

use crate::Args;

/// An event: its name and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The name; for a numeric one the digits as they stood on the wire.
    pub name: ByteString,
    /// Whether the name comes and goes as a JSON number.
    pub numeric: bool,
    /// The arguments after the name.
    pub args: Args,
}

impl Event {
    /// Makes an event whose name is a string.
    pub fn new(name: impl Into<ByteString>, args: Args) -> Self {
        Self { name: name.into(), numeric: false, args }
    }
}

/// Returns whether neither side may send an event of this name.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    matches!(name, "connect" | "connect_error" | "disconnect" | "disconnecting" | "newListener" | "removeListener")
}

/// A Socket.IO packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// The namespace, `/` if the packet names none. Of protocol 3 names the query is taken off.
    pub ns: ByteString,
    /// What the packet says.
    pub body: Body,
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The peer joins the namespace, or is told that it has.
    Connect {
        /// The text of a JSON object. Of protocol 3 clients it is made from the query of the namespace's name.
        auth: Option<ByteString>,
    },
    /// The peer leaves the namespace.
    Disconnect,
    /// Something happened.
    Event {
        /// The id under which an answer is asked.
        id: Option<u64>,
        /// What happened.
        event: Event,
    },
    /// The answer to an event.
    Ack {
        /// The id that the event carried.
        id: u64,
        /// The arguments of the answer.
        args: Args,
    },
    /// The namespace was refused. From a client it is a violation, to be judged by whoever knows the role.
    ConnectError {
        /// JSON text: `{"message":..,"data":..}`, or any value in protocol 3.
        payload: ByteString,
    },
}

/// Why a message is no packet. Always the peer's fault; the reference closes the connection on each.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The message has no content.
    Empty,
    /// The type is none of the known ones.
    UnknownType(char),
    /// The number of attachments is missing, zero or no number; or a placeholder does not name one of them.
    IllegalAttachments,
    /// More attachments than [`MAX_ATTACHMENTS`](crate::limits::MAX_ATTACHMENTS).
    TooManyAttachments,
    /// The ack id is larger than 64 bits, or an ack has none.
    InvalidId,
    /// The payload is no JSON, or none that this type of packet may have.
    InvalidPayload,
    /// The payload is nested deeper than [`MAX_DEPTH`](crate::limits::MAX_DEPTH).
    TooDeep,
    /// The event has a name that is reserved.
    ReservedName,
    /// Text came while attachments were missing.
    TextBetweenAttachments,
    /// Bytes came without a packet that announced them.
    UnexpectedBinary,
    /// Text came on a connection that speaks msgpack.
    UnexpectedText,
    /// The bytes are no msgpack, or a kind of it that has no JSON.
    InvalidMsgpack,
    /// The message is too long for the spans of its arguments (4 GiB).
    TooLong,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::UnknownType(kind) => return write!(f, "unknown packet type {kind}"),
            Self::Empty => "empty packet",
            Self::IllegalAttachments => "illegal attachments",
            Self::TooManyAttachments => "too many attachments",
            Self::InvalidId => "invalid ack id",
            Self::InvalidPayload => "invalid payload",
            Self::TooDeep => "payload nested too deep",
            Self::ReservedName => "reserved event name",
            Self::TextBetweenAttachments => "got plaintext data when reconstructing a packet",
            Self::UnexpectedBinary => "got binary data when not reconstructing a packet",
            Self::UnexpectedText => "got plaintext data where msgpack is spoken",
            Self::InvalidMsgpack => "invalid msgpack",
            Self::TooLong => "packet too long",
        };
        f.write_str(text)
    }
}

impl std::error::Error for DecodeError {}
