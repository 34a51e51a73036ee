//! The rooms of a socket, and its end by the application. Who is in which room is `delivery`'s to know.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use trunkline_delivery::{Act, Names, Room, Target};

use super::Socket;
use crate::mailbox::{Command, RoomChange};
use crate::operator::IntoRooms;

impl Socket {
    /// Joins one room or several. When it resolves, every later event of the room will come.
    ///
    /// After the socket has ended it does nothing.
    pub async fn join(&self, rooms: impl IntoRooms) {
        self.change_rooms(RoomChange::Join(rooms.into_rooms().to_vec())).await;
    }

    /// Leaves one room or several. When it resolves, no later event of the room comes.
    pub async fn leave(&self, rooms: impl IntoRooms) {
        self.change_rooms(RoomChange::Leave(rooms.into_rooms().to_vec())).await;
    }

    /// The rooms it is in, its own id left out. In `on_disconnecting` those that it was in, afterwards none.
    pub async fn rooms(&self) -> Vec<Room> {
        if self.0.rooms_gone.load(Ordering::Acquire) {
            return Vec::new();
        }
        match self.0.last_rooms.get() {
            Some(rooms) => rooms.clone(),
            None => self.change_rooms(RoomChange::Show).await,
        }
    }

    async fn change_rooms(&self, change: RoomChange) -> Vec<Room> {
        if let Some(act) = self.recorded(&change) {
            let target = Target::socket(self.0.ns.name().clone(), self.0.id.clone());
            // An append that fails closes the connection; nobody is told that it is in the room.
            if self.0.server.append(target, act).await.is_err() {
                self.close_transport();
            }
            return Vec::new();
        }
        if let Some(shard) = self.own_shard().filter(|_| !self.0.server.records()) {
            return shard.change_rooms(self.0.conn, self.namespace_name(), change);
        }
        let (done, rooms) = oneshot::channel();
        let ns = self.namespace_name().clone();
        self.mail(Command::Rooms { conn: self.0.conn, ns, change, done });
        rooms.await.unwrap_or_default()
    }

    /// With recovery, memberships of connected sockets are history, and changes of them entries of the log.
    fn recorded(&self, change: &RoomChange) -> Option<Act> {
        if !self.0.server.records() || !self.is_connected() {
            return None;
        }
        let names = |rooms: &[Room]| rooms.iter().filter(|room| **room != self.0.id).cloned().collect::<Names>();
        match change {
            RoomChange::Show => None,
            RoomChange::Join(rooms) => Some(Act::Join(names(rooms))),
            RoomChange::Leave(rooms) => Some(Act::Leave(names(rooms))),
        }
    }

    /// Makes the client leave this namespace; with `close` its whole connection ends, with every namespace on it.
    ///
    /// What was emitted to it before still reaches it. An official client does not come back by itself after this.
    pub fn disconnect(&self, close: bool) {
        let (conn, ns) = (self.0.conn, self.namespace_name().clone());
        if self.0.server.records() && self.is_connected() {
            let target = Target::socket(ns, self.0.id.clone());
            self.0.server.append(target, Act::Disconnect { close });
            return;
        }
        match self.own_shard() {
            Some(shard) => shard.disconnect(conn, &ns, close),
            None => self.mail(Command::Disconnect { conn, ns, close }),
        }
    }
}
