//! What the log holds and what passes beside it: entries, the acts they carry, and casts that are ordered but not kept.

use std::sync::Arc;

use bytestring::ByteString;
use trunkline_proto::Event;

use crate::{Names, Position, Session, Target};

/// One place in the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// Whom it is for.
    pub target: Target,
    /// What it says.
    pub act: Act,
}

/// What an entry says.
#[derive(Clone, Debug)]
pub enum Act {
    /// An event for the members' clients.
    Emit {
        /// The event with its arguments.
        event: Event,
        /// Whether the frame may be deflated.
        compress: bool,
    },
    /// The addressed sockets join the rooms.
    Join(Names),
    /// The addressed sockets leave the rooms.
    Leave(Names),
    /// The addressed sockets leave the namespace; with `close` their whole connection ends.
    Disconnect {
        /// Whether the connection is closed too.
        close: bool,
    },
    /// The session of the addressed socket, which begins here or is written again.
    Session(Arc<Session>),
    /// A value of the addressed socket's data was set, or (`None`) removed.
    Data {
        /// Its name.
        key: ByteString,
        /// JSON text.
        value: Option<ByteString>,
    },
    /// The session of the addressed socket is over: nobody can claim it any more.
    End,
}

impl Act {
    /// Whether clients get it; everything else changes members and their sessions.
    #[must_use]
    pub fn is_emit(&self) -> bool {
        matches!(self, Self::Emit { .. })
    }
}

impl Act {
    /// Bytes of memory that it takes, roughly: names, arguments and what a session holds.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Emit { event, .. } => event.name.len() + event.args.encoded_len(),
            Self::Join(rooms) | Self::Leave(rooms) => rooms.iter().map(|room| room.len()).sum(),
            Self::Session(session) => session.size(),
            Self::Data { key, value } => key.len() + value.as_ref().map_or(0, |value| value.len()),
            Self::Disconnect { .. } | Self::End => 0,
        }
    }
}

impl Entry {
    /// Headers of the allocations and the fields themselves, rounded.
    const FIXED: usize = 256;

    /// Bytes of memory that this entry is charged for in the ring, names and arguments included.
    #[must_use]
    pub fn size(&self) -> usize {
        Self::FIXED + self.act.size()
    }
}

/// Something for the addressed sockets that is ordered after a position but not kept in the log.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Whom it is for.
    pub target: Target,
    /// The event.
    pub event: Event,
    /// What happens to it where it cannot be written at once.
    pub kind: CastKind,
    /// Whether the frame may be deflated.
    pub compress: bool,
}

/// How a [`Cast`] is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastKind {
    /// Dropped for members that are behind or whose wire is full.
    Volatile,
    /// For this node alone; waits for members that are behind.
    Local,
    /// Asks every receiver for an acknowledgement under this id; waits for members that are behind.
    Ack(u64),
}

/// What a shard is handed, in order.
#[derive(Clone, Debug)]
pub enum Item {
    /// An entry of the log.
    Entry(Arc<Entry>),
    /// A passing item for many, after all entries handed over before it.
    Cast(Arc<Cast>),
}

impl Item {
    /// Whether it changes members, instead of being for their clients.
    pub(crate) fn is_act(&self) -> bool {
        matches!(self, Self::Entry(entry) if !entry.act.is_emit())
    }

    /// Whom it is for.
    #[must_use]
    pub fn target(&self) -> &Target {
        match self {
            Self::Entry(entry) => &entry.target,
            Self::Cast(cast) => &cast.target,
        }
    }
}
