//! Engine.IO alone: messages over any transport, without Socket.IO's events on top. For programs that speak a protocol
//! of their own, and for Engine.IO clients.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use trunkline_proto::{EnginePacket, Message};

use crate::mailbox::Command;
use crate::server::ServerCore;
use crate::shard::{ConnRef, Private, Shard};
use crate::socket::Connection;
use crate::{DisconnectReason, Handshake};

/// What happens on an Engine.IO session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EngineEvent {
    /// The session has been opened.
    Open,
    /// The client sent a message.
    Message(Message),
    /// The session is over.
    Close(DisconnectReason),
}

pub(crate) type RawHandler = Arc<dyn Fn(&EngineSocket, EngineEvent) + Send + Sync>;

/// An Engine.IO session.
#[derive(Clone)]
pub struct EngineSocket {
    pub(crate) server: Arc<ServerCore>,
    pub(crate) shard: usize,
    pub(crate) conn: ConnRef,
    pub(crate) connection: Arc<Connection>,
    pub(crate) request: Option<Arc<str>>,
}

impl EngineSocket {
    /// The session's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.connection.sid
    }

    /// Its first request.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        &self.connection.handshake
    }

    /// The headers of the POST that brought the message under way; of other transports those of the first request.
    pub fn request_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.request.iter().flat_map(|lines| lines.lines()).filter_map(|line| line.split_once(": "));
        own.chain(self.handshake().headers().filter(|_| self.request.is_none()))
    }

    /// Sends a message, after those sent before.
    pub fn send(&self, message: Message) {
        self.private(Private::Engine(EnginePacket::Message(message)));
    }

    /// Ends the session when everything sent before is written.
    pub fn close(&self) {
        match self.own_shard() {
            Some(shard) => shard.finish(self.conn),
            None => self.mail(Command::Finish { conn: self.conn, after: self.server.hub().distributed() }),
        }
    }

    fn private(&self, item: Private) {
        match self.own_shard() {
            Some(shard) => shard.private(self.conn, item),
            None => {
                let after = self.server.hub().distributed();
                self.mail(Command::Private { conn: self.conn, after, item });
            }
        }
    }

    fn own_shard(&self) -> Option<Rc<Shard>> {
        crate::shard::current(&self.server).filter(|shard| shard.index() == self.shard)
    }

    fn mail(&self, command: Command) {
        self.server.mailbox(self.shard).send(command);
    }
}

impl fmt::Debug for EngineSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineSocket").field("id", &self.id()).finish_non_exhaustive()
    }
}
