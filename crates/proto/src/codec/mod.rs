//! Socket.IO packets to Engine.IO messages and back.

use crate::{Args, DecodeError, Event, Message, Messages, Packet, Parser, Version};

/// How packets are written on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// JSON or msgpack.
    pub parser: Parser,
    /// The protocol version of the connection.
    pub version: Version,
}

#[allow(missing_docs, unused_variables)]
impl Codec {
    #[must_use]
    pub fn event(self, ns: &str, id: Option<u64>, event: &Event, offset: Option<&str>) -> Messages {
        unimplemented!()
    }
    #[must_use]
    pub fn ack(self, ns: &str, id: u64, args: &Args) -> Messages {
        unimplemented!()
    }
    #[must_use]
    pub fn connect(self, ns: &str, sid: &str, pid: Option<&str>) -> Messages {
        unimplemented!()
    }
    #[must_use]
    pub fn connect_auth(self, ns: &str, auth: Option<&str>) -> Messages {
        unimplemented!()
    }
    #[must_use]
    pub fn connect_error(self, ns: &str, message: &str, data: Option<&str>) -> Messages {
        unimplemented!()
    }
    #[must_use]
    pub fn invalid_namespace(self, ns: &str) -> Messages {
        unimplemented!()
    }
    #[must_use]
    pub fn disconnect(self, ns: &str) -> Messages {
        unimplemented!()
    }
}

/// Reassembles packets from messages.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Option<Box<Partial>>,
}

#[derive(Debug)]
struct Partial {}

#[allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
impl Decoder {
    pub fn decode(
        &mut self,
        codec: Codec,
        message: Message,
    ) -> Result<Option<Packet>, DecodeError> {
        unimplemented!()
    }
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.pending.is_some()
    }
}
