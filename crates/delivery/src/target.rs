//! Whom an entry addresses: a namespace, rooms of it, and who is left out. Resolving it to members is the shard's part.

use std::sync::Arc;

use smallvec::SmallVec;

/// The name of a room. A socket's id names a room of its own.
pub type Room = Arc<str>;
/// The public id of a socket, as clients and handlers see it.
pub type SocketId = Arc<str>;
/// A few room names.
pub type Names = SmallVec<[Room; 1]>;

/// The sockets that an entry is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The namespace, with its leading slash.
    pub ns: Arc<str>,
    /// Who of the namespace.
    pub to: To,
    /// Rooms (or socket ids) whose members do not get it.
    pub except: Names,
}

/// The receiving part of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Every socket of the namespace.
    Everyone,
    /// Each socket that is in at least one of the rooms, once. A name may be a socket's id.
    Rooms(Names),
    /// One socket, by its id.
    Socket(SocketId),
}

impl Target {
    /// Everybody in the namespace.
    #[must_use]
    pub fn everyone(ns: Arc<str>) -> Self {
        Self { ns, to: To::Everyone, except: Names::new() }
    }

    /// The members of the rooms; of no rooms means everybody, as in Socket.IO.
    #[must_use]
    pub fn rooms(ns: Arc<str>, rooms: Names) -> Self {
        let to = if rooms.is_empty() { To::Everyone } else { To::Rooms(rooms) };
        Self { ns, to, except: Names::new() }
    }

    /// One socket.
    #[must_use]
    pub fn socket(ns: Arc<str>, id: SocketId) -> Self {
        Self { ns, to: To::Socket(id), except: Names::new() }
    }
}
