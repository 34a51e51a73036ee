//! Socket.IO packets to Engine.IO messages and back, for both parsers and both protocols.
//! What may come when, and what becomes of a packet, is left to the crates above.

mod decoder;
mod json;
mod msgpack;

use crate::{Args, Event, Messages, Parser, Version};

pub use decoder::Decoder;

/// How packets are written on one connection.
///
/// Messages of one packet are to be sent in their order with nothing between them. JSON that the caller passes as text has
/// to be valid; it is not looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// JSON or msgpack.
    pub parser: Parser,
    /// The protocol version of the connection.
    pub version: Version,
}

impl Codec {
    /// Writes an event; `id` asks for an answer, and `offset` is one more argument behind the others, a string.
    #[must_use]
    pub fn event(self, ns: &str, id: Option<u64>, event: &Event, offset: Option<&str>) -> Messages {
        match self.parser {
            Parser::Default => json::event(ns, id, event, offset),
            Parser::Msgpack => msgpack::event(ns, id, event, offset),
        }
    }

    /// Writes the answer to the event that asked with `id`.
    #[must_use]
    pub fn ack(self, ns: &str, id: u64, args: &Args) -> Messages {
        match self.parser {
            Parser::Default => json::ack(ns, id, args),
            Parser::Msgpack => msgpack::ack(ns, id, args),
        }
    }

    /// Writes that the client has joined, with the id of its socket and, where it may recover, its private id. Clients of
    /// protocol 3 are told neither.
    #[must_use]
    pub fn connect(self, ns: &str, sid: &str, pid: Option<&str>) -> Messages {
        let payload = (self.version == Version::V4).then(|| json::connect_payload(sid, pid));
        self.control(json::CONNECT, ns, payload.as_deref())
    }

    /// Writes the client's wish to join, `auth` being the text of a JSON object.
    #[must_use]
    pub fn connect_auth(self, ns: &str, auth: Option<&str>) -> Messages {
        self.control(json::CONNECT, ns, auth)
    }

    /// Writes that the client may not join. Clients of protocol 3 get the data alone, or the message as a string.
    #[must_use]
    pub fn connect_error(self, ns: &str, message: &str, data: Option<&str>) -> Messages {
        let payload = match self.version {
            Version::V4 => json::error_payload(message, data),
            Version::V3 => data.map_or_else(|| json::quoted(message), str::to_owned),
        };
        self.control(json::CONNECT_ERROR, ns, Some(&payload))
    }

    /// Writes that there is no such namespace; the same in both protocols.
    #[must_use]
    pub fn invalid_namespace(self, ns: &str) -> Messages {
        self.control(json::CONNECT_ERROR, ns, Some(&json::error_payload("Invalid namespace", None)))
    }

    /// Writes that the client has left, or leaves.
    #[must_use]
    pub fn disconnect(self, ns: &str) -> Messages {
        self.control(json::DISCONNECT, ns, None)
    }

    fn control(self, kind: char, ns: &str, payload: Option<&str>) -> Messages {
        match self.parser {
            Parser::Default => json::control(kind, ns, payload),
            Parser::Msgpack => msgpack::control(kind, ns, payload),
        }
    }
}
