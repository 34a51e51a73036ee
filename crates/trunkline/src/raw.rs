//! Engine.IO alone: messages over any transport, without Socket.IO's events on top. For programs that speak a protocol
//! of their own, and for Engine.IO clients.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use trunkline_proto::{EnginePacket, Message};

use crate::mailbox::Command;
use crate::receipt::{Receipt, Sent};
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
    /// So many messages of [`EngineSocket::send`] were handed to the transport at once: written to the WebSocket, or
    /// put into one polling answer.
    Flush(usize),
    /// Nothing that was sent waits any more; comes behind the `Flush` that brought it about.
    Drain,
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
        let receipt = Receipt::new(self.connection.clone());
        self.private(Private::Tracked(EnginePacket::Message(message), receipt));
    }

    /// As [`EngineSocket::send`], for who wants to know when the transport has it.
    pub fn send_tracked(&self, message: Message) -> Sent {
        let (receipt, sent) = Receipt::told(self.connection.clone());
        self.private(Private::Tracked(EnginePacket::Message(message), receipt));
        sent
    }

    /// Messages that were sent and that the transport has not taken yet: while nobody polls, or the client reads slowly.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.connection.unsent.load(Ordering::Relaxed)
    }

    /// The transport that is used at the moment: `"polling"` or `"websocket"`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        if self.connection.websocket.load(Ordering::Relaxed) { "websocket" } else { "polling" }
    }

    /// Ends the session when everything sent before is written, or after
    /// [`CLOSE_GRACE_MS`](crate::limits::CLOSE_GRACE_MS). What the client says from now on is not heard.
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
