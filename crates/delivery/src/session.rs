//! What of a socket outlives its connection, as it is written in the log. Who keeps sessions and gives them back to
//! clients is the shards' part.

use std::sync::Arc;

use bytestring::ByteString;

use crate::{Position, Room};

/// A session as of one position; the log from there on completes it.
///
/// Whose it is (namespace and socket id) is the target of the entry that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The secret by which a client claims it.
    pub private_id: Arc<str>,
    /// Who the application says it is.
    pub user: Option<Arc<str>>,
    /// When it must not be claimed any more, in milliseconds since 1970.
    pub valid_until: Option<u64>,
    /// `socket.data`, as the text of a JSON object.
    pub data: ByteString,
    /// Where it began; nothing up to here is owed. Zero: at the entry that holds this.
    pub start: Position,
    /// Up to here its client has confirmed everything.
    pub confirmed: Position,
    /// The log that it belongs to: one that comes back under another name may have lost a part of it.
    pub epoch: u64,
    /// When this was written, in milliseconds since 1970.
    pub written: u64,
    /// What is written here holds as of this position, which is before that of the entry that holds it.
    pub as_of: Position,
    /// The rooms it is in, and those it left whose entries it may still be owed.
    pub rooms: Vec<Stay>,
}

/// A time in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The room.
    pub room: Room,
    /// Entries after this are owed.
    pub since: Position,
    /// Entries after this are not owed any more; [`Position::MAX`] while it goes on.
    pub until: Position,
}

impl Session {
    /// Whether this is its first writing: the entry that holds it is where its socket's time in the namespace begins.
    #[must_use]
    pub fn is_beginning(&self) -> bool {
        self.start == Position::ZERO
    }

    /// Bytes of memory that it takes, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let rooms: usize = self.rooms.iter().map(|stay| size_of::<Stay>() + stay.room.len()).sum();
        let user = self.user.as_ref().map_or(0, |user| user.len());
        size_of::<Self>() + self.private_id.len() + user + self.data.len() + rooms
    }
}
