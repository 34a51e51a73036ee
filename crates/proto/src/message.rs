//! What passes between the two protocols: the version and parser of a connection, and the Engine.IO message.
//! What a message means is left to the codec.

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

/// The Engine.IO protocol version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// Engine.IO 3, which Socket.IO v2 clients speak.
    V3,
    /// Engine.IO 4, which Socket.IO v3 and v4 clients speak.
    V4,
}

/// How Socket.IO packets are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Parser {
    /// JSON text, attachments in messages of their own.
    #[default]
    Default,
    /// One binary message a packet, as `socket.io-msgpack-parser` writes it.
    Msgpack,
}

/// One Engine.IO message: what a `4` packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(ByteString),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// Returns the length of the content in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    /// Returns whether the message has no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The messages of one Socket.IO packet, to be sent in this order with nothing between them.
pub type Messages = SmallVec<[Message; 1]>;
