//! What is in a data directory, in numbers: segments, positions, times, rooms, sessions, keys.
//! Whether it is sound is `verify`'s question.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashSet;
use trunkline_delivery::{Act, Entry, Position, To};

use super::{Opened, files, numbers, reading};
use crate::durable::error::OpenError;
use crate::durable::meta::Meta;
use crate::durable::record::CARRIED;
use crate::durable::repair::{Stop, scan_with};
use crate::durable::window::Bad;

/// What is in a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The name of the log; `None` if there is no file that says it, zero in a backup.
    pub epoch: Option<u64>,
    /// Whether what was acknowledged is known to be on the disk itself.
    pub synced: bool,
    /// The segments, oldest first.
    pub segments: Vec<SegmentReport>,
    /// What is addressed to rooms, by namespace and room.
    pub rooms: Vec<RoomReport>,
    /// Events, to rooms or not.
    pub events: u64,
    /// Entries that are no events.
    pub acts: u64,
    /// Sessions that were written and not ended. Those that nobody came back for are among them.
    pub sessions: usize,
    /// Keys that were committed; how long they are promised is not in the log.
    pub keys: usize,
}

/// A segment in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The name of the file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// The position of its first entry, or of the next one to come.
    pub first: Position,
    /// The position of its last entry; one before `first` if there is none.
    pub last: Position,
    /// When it was begun, in milliseconds since 1970.
    pub created_ms: u64,
    /// When its newest record was written.
    pub last_ms: u64,
}

/// A room in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomReport {
    /// The namespace.
    pub ns: Arc<str>,
    /// The room.
    pub room: Arc<str>,
    /// Events that were addressed to it.
    pub events: u64,
    /// Bytes of their names and arguments.
    pub bytes: u64,
    /// The newest one.
    pub last: Position,
}

/// Reads a data directory and counts. Memory grows with rooms, sessions and keys, not with entries.
///
/// # Errors
///
/// The directory cannot be read, holds a later version, or is damaged: then [`verify`](super::verify()) tells all of it.
pub fn inspect(dir: impl AsRef<Path>) -> Result<Inspection, OpenError> {
    let files = files(dir.as_ref())?;
    let meta = Meta::read(&files)?;
    let mut counts = Counts::default();
    let mut segments = Vec::new();
    let numbers = numbers(&files)?;
    for (i, &number) in numbers.iter().enumerate() {
        let Some(opened) = Opened::open(&files, number)? else { continue };
        let is_newest = i + 1 == numbers.len();
        let end = opened.end(&files, number)?;
        segments.extend(counts.segment(&opened, end, is_newest)?);
    }
    let rooms = counts.rooms.into_iter();
    Ok(Inspection {
        epoch: meta.as_ref().map(|meta| meta.epoch),
        synced: meta.is_some_and(|meta| meta.synced),
        segments,
        rooms: rooms.map(|((ns, room), (events, bytes, last))| RoomReport { ns, room, events, bytes, last }).collect(),
        events: counts.events,
        acts: counts.acts,
        sessions: counts.sessions.len(),
        keys: counts.keys,
    })
}

/// Events, bytes and the newest position.
type RoomCount = (u64, u64, Position);

#[derive(Default)]
struct Counts {
    rooms: BTreeMap<(Arc<str>, Arc<str>), RoomCount>,
    sessions: HashSet<(Arc<str>, Arc<str>)>,
    events: u64,
    acts: u64,
    keys: usize,
}

impl Counts {
    fn segment(&mut self, opened: &Opened, end: u64, is_newest: bool) -> Result<Option<SegmentReport>, OpenError> {
        let Some(header) = opened.header else {
            let damage = OpenError::damaged(&opened.name, 0, "the header of the segment is wrong");
            return if is_newest { Ok(None) } else { Err(damage) };
        };
        let scanned = scan_with(&*opened.file, &header, end, |header, key, entries| {
            self.keys += usize::from(key.is_some() && !header.has(CARRIED));
            entries.iter().for_each(|entry| self.entry(entry));
        });
        let scanned = scanned.map_err(reading(&opened.name))?;
        match scanned.stop {
            Stop::End | Stop::Footer => {}
            Stop::Bad(Bad::Short) if is_newest => {}
            Stop::Bad(Bad::Newer(version)) => {
                return Err(OpenError::Newer { file: opened.name.clone(), version: version.into() });
            }
            Stop::Bad(Bad::Short) => {
                return Err(OpenError::damaged(&opened.name, scanned.index.end, "the file ends inside a record"));
            }
            Stop::Bad(Bad::Wrong(what)) => return Err(OpenError::damaged(&opened.name, scanned.index.end, what)),
        }
        Ok(Some(SegmentReport {
            file: opened.name.clone(),
            bytes: opened.size,
            first: header.first,
            last: scanned.index.next.before(),
            created_ms: header.created_ms,
            last_ms: scanned.index.last_ms,
        }))
    }

    fn entry(&mut self, entry: &Entry) {
        let ns = &entry.target.ns;
        match (&entry.act, &entry.target.to) {
            (Act::Emit { .. }, to) => {
                self.events += 1;
                let To::Rooms(rooms) = to else { return };
                for room in rooms {
                    let room = self.rooms.entry((ns.clone(), room.clone())).or_default();
                    *room = (room.0 + 1, room.1 + entry.act.size() as u64, entry.position);
                }
                return;
            }
            (Act::Session(_), To::Socket(id)) => drop(self.sessions.insert((ns.clone(), id.clone()))),
            (Act::End, To::Socket(id)) => drop(self.sessions.remove(&(ns.clone(), id.clone()))),
            _ => {}
        }
        self.acts += 1;
    }
}
