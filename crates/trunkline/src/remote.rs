//! A socket as `fetch_sockets` gives it: a snapshot, with a handle to act on it wherever it lives.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use trunkline_delivery::{Room, SocketId};

use crate::operator::{Broadcast, IntoRooms};
use crate::{AckError, Args, Commit, Handshake, Socket};

/// A socket of the deployment, as it was when it was asked for.
#[derive(Clone, Debug)]
pub struct RemoteSocket {
    socket: Socket,
    rooms: Vec<Room>,
    data: Value,
}

impl RemoteSocket {
    pub(crate) fn new(socket: Socket, rooms: Vec<Room>) -> Self {
        let data = socket.data_json();
        Self { socket, rooms, data }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &SocketId {
        self.socket.id()
    }

    /// The first request of its connection.
    #[must_use]
    pub fn handshake(&self) -> &Handshake {
        self.socket.handshake()
    }

    /// The rooms it was in, its own id left out.
    #[must_use]
    pub fn rooms(&self) -> &[Room] {
        &self.rooms
    }

    /// Its `socket.data` at that moment, a JSON object.
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// Emits to it.
    pub fn emit<T: Serialize>(&self, event: &str, data: T) -> Commit {
        self.socket.emit(event, data)
    }

    /// Asks it, within the limit if one is given; see [`Socket::ask`].
    ///
    /// # Errors
    ///
    /// As [`Socket::emit_with_ack`].
    pub async fn ask(&self, event: &str, args: Args, timeout: Option<Duration>) -> Result<Args, AckError> {
        self.socket.ask(event, args, timeout).await
    }

    /// Makes it join rooms.
    pub fn join(&self, rooms: impl IntoRooms) -> Commit {
        self.alone().sockets_join(rooms)
    }

    /// Makes it leave rooms.
    pub fn leave(&self, rooms: impl IntoRooms) -> Commit {
        self.alone().sockets_leave(rooms)
    }

    /// Makes it leave the namespace; with `close` its connection ends.
    pub fn disconnect(&self, close: bool) -> Commit {
        self.alone().disconnect_sockets(close)
    }

    fn alone(&self) -> Broadcast {
        self.socket.namespace().to(self.socket.id())
    }
}
