//! Which shards have members of which rooms: the table that keeps an emit from waking shards it does not concern.
//! The lock around it and the threads are the caller's.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use crate::mutant::{Mutant, Wrong};
use crate::place::looks_like_id;
use crate::{Act, Entry, Position, Room, Target, To, shard_of};

/// The most shards a process can have: one bit each.
pub const MAX_SHARDS: usize = 64;

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(u64);

impl ShardSet {
    /// The set with this one shard.
    #[must_use]
    pub const fn one(shard: usize) -> Self {
        Self(1 << shard)
    }

    /// Whether it holds no shard.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds this shard.
    #[must_use]
    pub const fn contains(self, shard: usize) -> bool {
        self.0 >> shard & 1 == 1
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The shards in it, lowest first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let shard = bits.trailing_zeros() as usize;
            bits &= bits.wrapping_sub(1);
            (shard < MAX_SHARDS).then_some(shard)
        })
    }
}

/// One row: a room of a namespace, or (without a room) a namespace.
#[derive(Debug)]
struct Row {
    ns: Arc<str>,
    room: Option<Room>,
    /// Shards that have members.
    shards: ShardSet,
    /// Shards that will have members once they walk an entry already routed to them, each with the last such entry.
    promised: SmallVec<[(u8, Position); 1]>,
}

impl Row {
    fn promise(&mut self, shard: usize, at: Position) {
        let shard = u8::try_from(shard).expect("there are at most 64 shards");
        match self.promised.iter_mut().find(|(promised, _)| *promised == shard) {
            Some((_, last)) => *last = at,
            None => self.promised.push((shard, at)),
        }
    }

    fn all(&self) -> ShardSet {
        self.promised.iter().fold(self.shards, |set, &(shard, _)| set.union(ShardSet::one(shard.into())))
    }
}

/// The table room → shards of one process.
#[derive(Debug)]
pub struct Interest {
    rows: HashTable<Row>,
    hasher: DefaultHashBuilder,
    shards: usize,
    own_ids: bool,
    pub(crate) wrong: Wrong,
}

impl Interest {
    /// An empty table for so many shards, at most [`MAX_SHARDS`]. With `own_ids` the application makes ids of its own,
    /// so that every room name may be one.
    #[must_use]
    pub fn new(shards: usize, own_ids: bool) -> Self {
        let shards = shards.clamp(1, MAX_SHARDS);
        Self { rows: HashTable::new(), hasher: DefaultHashBuilder::default(), shards, own_ids, wrong: Wrong::default() }
    }

    /// The shard has its first member of the room (`None`: of the namespace). True if no shard had one before.
    pub fn add(&mut self, ns: &Arc<str>, room: Option<&Room>, shard: usize) -> bool {
        let row = self.row(ns, room);
        let created = row.shards.is_empty();
        row.shards = row.shards.union(ShardSet::one(shard));
        created
    }

    /// The shard has no member of the room any more, having walked everything up to `as_of`. True if no shard is left.
    pub fn remove(&mut self, ns: &str, room: Option<&str>, shard: usize, as_of: Position) -> bool {
        let hash = hash(&self.hasher, ns, room);
        let Ok(mut found) = self.rows.find_entry(hash, |row| is(row, ns, room)) else {
            return false;
        };
        let row = found.get_mut();
        let had = !row.shards.is_empty();
        row.shards = row.shards.without(ShardSet::one(shard));
        let wrong = self.wrong;
        row.promised.retain(|&mut (promised, at)| {
            let kept = at > as_of && !wrong.is(Mutant::RemovesDespitePromise);
            usize::from(promised) != shard || kept || wrong.is(Mutant::PromiseOutlivesItsRoom)
        });
        let deleted = had && row.shards.is_empty();
        if row.shards.is_empty() && row.promised.is_empty() {
            found.remove();
        }
        deleted
    }

    /// The shards that an entry or cast with this target concerns.
    #[must_use]
    pub fn route(&self, target: &Target) -> ShardSet {
        match &target.to {
            To::Everyone => self.shards_of(&target.ns, None),
            To::Socket(id) => ShardSet::one(shard_of(id, self.shards)),
            To::Rooms(rooms) => rooms.iter().fold(ShardSet::default(), |set, room| {
                set.union(self.shards_of(&target.ns, Some(room))).union(self.as_socket_id(&target.ns, room))
            }),
        }
    }

    /// As [`Interest::route`], for an entry that is now handed to those shards. If it makes sockets join rooms, or their
    /// namespace, the shards count as interested in these from here on, before they have walked it: the very next entry
    /// may be for such a room.
    pub fn route_entry(&mut self, entry: &Entry) -> ShardSet {
        let shards = self.route(&entry.target);
        match &entry.act {
            Act::Join(rooms) if !self.wrong.is(Mutant::JoinIsNotPromised) => {
                rooms.iter().for_each(|room| self.promise(entry, Some(room), shards));
            }
            Act::Session(session) if session.is_beginning() && !self.wrong.is(Mutant::BeginningIsNotPromised) => {
                self.promise(entry, None, shards);
            }
            _ => {}
        }
        shards
    }

    fn promise(&mut self, entry: &Entry, room: Option<&Room>, shards: ShardSet) {
        if !shards.is_empty() {
            let row = self.row(&entry.target.ns, room);
            shards.iter().for_each(|shard| row.promise(shard, entry.position));
        }
    }

    /// Rooms and namespaces that some shard has members of (or expects).
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no shard has any member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn shards_of(&self, ns: &str, room: Option<&str>) -> ShardSet {
        let hash = hash(&self.hasher, ns, room);
        self.rows.find(hash, |row| is(row, ns, room)).map_or(ShardSet::default(), Row::all)
    }

    /// A room name may be a socket's id; only the one shard where such a socket would live is asked.
    fn as_socket_id(&self, ns: &str, room: &str) -> ShardSet {
        if !self.own_ids && !looks_like_id(room) {
            return ShardSet::default();
        }
        ShardSet::one(shard_of(room, self.shards)).common(self.shards_of(ns, None))
    }

    fn row(&mut self, ns: &Arc<str>, room: Option<&Room>) -> &mut Row {
        let hash_of = |hasher: &DefaultHashBuilder, row: &Row| hash(hasher, &row.ns, row.room.as_deref());
        let key = hash(&self.hasher, ns, room.map(AsRef::as_ref));
        self.rows
            .entry(key, |row| is(row, ns, room.map(AsRef::as_ref)), |row| hash_of(&self.hasher, row))
            .or_insert_with(|| Row {
                ns: ns.clone(),
                room: room.cloned(),
                shards: ShardSet::default(),
                promised: SmallVec::new(),
            })
            .into_mut()
    }
}

fn hash(hasher: &DefaultHashBuilder, ns: &str, room: Option<&str>) -> u64 {
    hasher.hash_one((ns, room))
}

fn is(row: &Row, ns: &str, room: Option<&str>) -> bool {
    row.room.as_deref() == room && *row.ns == *ns
}
