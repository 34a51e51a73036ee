//! Why a socket ended, in the reference's words.

use std::fmt;

/// Why a socket was disconnected, as its `disconnect` handler is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connection was closed by the peer or on the way.
    TransportClose,
    /// The connection failed: a broken frame, a message over the limit, an aborted or doubled poll.
    TransportError,
    /// The client did not answer the heartbeat in time.
    PingTimeout,
    /// The client sent an Engine.IO packet that cannot be read.
    ParseError,
    /// The client sent an invalid Socket.IO packet, or one out of order.
    ForcedClose,
    /// The server closed the whole connection.
    ForcedServerClose,
    /// The server is shutting down.
    ServerShuttingDown,
    /// The client left the namespace.
    ClientNamespaceDisconnect,
    /// The server made it leave: [`crate::Socket::disconnect`].
    ServerNamespaceDisconnect,
}

impl DisconnectReason {
    /// Whether the client may come back to its session: the connection ended, nobody said that the socket should.
    pub(crate) const fn is_recoverable(self) -> bool {
        !matches!(self, Self::ParseError | Self::ClientNamespaceDisconnect | Self::ServerNamespaceDisconnect)
    }

    /// The reference's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ForcedClose => "forced close",
            Self::ForcedServerClose => "forced server close",
            Self::ServerShuttingDown => "server shutting down",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
