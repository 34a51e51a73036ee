//! The sockets of one shard and their rooms, each membership an interval of positions. Who gets what is `walk` and
//! `sweep`; which shards have a room at all is `interest`.
//!
//! A room is a dense list of seats; a member knows its seats and a seat its member, so that joining and leaving cost
//! the same however large the room is. A seat whose interval is closed stays until nobody can be owed by it.

mod seats;

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use slab::Slab;
use smallvec::SmallVec;

use crate::mutant::{Mutant, Wrong};
use crate::{Names, Position, Room, SocketId, Stay, Target, To};

/// A socket of this shard. Keys are used again after the member is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey(pub(crate) u32);

/// A connection of this shard, as the shard's loop numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnKey(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoomKey(u32);

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: SocketId,
    pub(crate) ns: Arc<str>,
    pub(crate) conn: ConnKey,
    /// The last entry it was given, or where it stands while it lags.
    pub(crate) cursor: Position,
    /// The number of the last cast or act that reached it.
    pub(crate) stamp: u64,
    /// Where its time in the namespace ended: nothing after this is for it.
    pub(crate) until: Position,
    pub(crate) lagging: bool,
    /// It has no connection, and waits for one.
    pub(crate) away: bool,
    /// Its client has confirmed everything up to here; the end of time if nobody asks.
    pub(crate) confirmed: Position,
    /// What the next pong of its connection confirms; zero if no ping went there since it has it.
    pub(crate) pinged: Position,
    /// Removed while a walk was under way; its seats cover nothing.
    gone: bool,
    seats: SmallVec<[SeatRef; 2]>,
}

impl Member {
    pub(crate) fn seats(&self) -> usize {
        self.seats.len()
    }
}

#[derive(Clone, Copy, Debug)]
struct SeatRef {
    room: RoomKey,
    seat: u32,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    member: MemberKey,
    /// Which of the member's seats this is.
    slot: u32,
    since: Position,
    until: Position,
}

impl Seat {
    fn covers(&self, position: Position) -> bool {
        self.since < position && position <= self.until
    }
}

#[derive(Debug)]
struct RoomMembers {
    ns: Arc<str>,
    /// `None`: the namespace itself, everybody in it.
    name: Option<Room>,
    seats: SmallVec<[Seat; 2]>,
}

/// A room that lost its last member of this shard, or `None` for the namespace.
pub(crate) type Vacated = (Arc<str>, Option<Room>);

/// A target as this shard knows it.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    rooms: SmallVec<[RoomKey; 2]>,
    pub(crate) single: SmallVec<[MemberKey; 1]>,
    except_rooms: SmallVec<[RoomKey; 1]>,
    except_members: SmallVec<[MemberKey; 1]>,
}

#[derive(Debug, Default)]
pub(crate) struct Members {
    list: Slab<Member>,
    ids: HashTable<MemberKey>,
    rooms: Slab<RoomMembers>,
    names: HashTable<RoomKey>,
    namespaces: HashMap<Arc<str>, RoomKey>,
    hasher: DefaultHashBuilder,
    vacated: Vec<Vacated>,
    /// Members with seats to take away once the shard stands at the position.
    closing: Vec<(Position, MemberKey)>,
    pub(crate) wrong: Wrong,
}

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn insert(&mut self, ns: &Arc<str>, id: SocketId, conn: ConnKey, at: Position) -> MemberKey {
        let hash = self.hash(ns, &id);
        let member = Member {
            id,
            ns: ns.clone(),
            conn,
            cursor: at,
            stamp: 0,
            until: Position::MAX,
            lagging: false,
            away: false,
            confirmed: Position::MAX,
            pinged: Position::ZERO,
            gone: false,
            seats: SmallVec::new(),
        };
        let key = MemberKey(index(self.list.insert(member)));
        let (list, hasher) = (&self.list, &self.hasher);
        self.ids.insert_unique(hash, key, |key| {
            let member = &list[key.0 as usize];
            hasher.hash_one((&*member.ns, &*member.id))
        });
        key
    }

    pub(crate) fn find(&self, ns: &str, id: &str) -> Option<MemberKey> {
        let same = |key: &MemberKey| {
            let member = &self.list[key.0 as usize];
            *member.id == *id && *member.ns == *ns
        };
        self.ids.find(self.hash(ns, id), same).copied()
    }

    pub(crate) fn get(&self, key: MemberKey) -> Option<&Member> {
        self.list.get(key.0 as usize)
    }

    /// The member, unless its removal only waits for a walk to end.
    pub(crate) fn get_live(&mut self, key: MemberKey) -> Option<&mut Member> {
        self.get_mut(key).filter(|member| !member.gone)
    }

    pub(crate) fn get_mut(&mut self, key: MemberKey) -> Option<&mut Member> {
        self.list.get_mut(key.0 as usize)
    }

    /// Forgets the member at once, with all its seats.
    pub(crate) fn remove(&mut self, key: MemberKey) {
        self.settle(key, Position::MAX);
        self.forget_id(key);
        self.list.try_remove(key.0 as usize);
    }

    /// Lets the member's seats cover nothing, for a removal that has to wait until a walk is over.
    pub(crate) fn hide(&mut self, key: MemberKey) {
        self.stand_all(key, Position::ZERO);
        self.forget_id(key);
        if let Some(member) = self.get_mut(key) {
            member.gone = true;
        }
    }

    /// Reports the room as vacated if it has no member here.
    pub(crate) fn give_back(&mut self, ns: &Arc<str>, room: Option<&Room>) {
        if self.room(ns, room.map(AsRef::as_ref)).is_none() && !self.wrong.is(Mutant::PromiseIsNotGivenBack) {
            self.vacated.push((ns.clone(), room.cloned()));
        }
    }

    /// The rooms that lost their last member and have none now.
    pub(crate) fn take_vacated(&mut self) -> Vec<Vacated> {
        let mut vacated = std::mem::take(&mut self.vacated);
        if !self.wrong.is(Mutant::VacatesWhatIsTakenAgain) {
            vacated.retain(|(ns, room)| self.room(ns, room.as_deref()).is_none());
        }
        vacated
    }

    /// The names of the rooms it is in, the namespace left out.
    pub(crate) fn rooms_of(&self, key: MemberKey) -> Names {
        let Some(member) = self.get(key) else { return Names::new() };
        let open = member.seats.iter().map(|at| &self.rooms[at.room.0 as usize]).zip(&member.seats);
        open.filter(|(room, at)| room.seats[at.seat as usize].until == Position::MAX)
            .filter_map(|(room, _)| room.name.clone())
            .collect()
    }

    /// The rooms whose seats are still kept, the namespace left out.
    pub(crate) fn stays(&self, key: MemberKey) -> Vec<Stay> {
        let seats = self.get(key).map(|member| &member.seats[..]).unwrap_or_default();
        let of = |at: &SeatRef| {
            let room = &self.rooms[at.room.0 as usize];
            let seat = &room.seats[at.seat as usize];
            Some(Stay { room: room.name.clone()?, since: seat.since, until: seat.until })
        };
        seats.iter().filter_map(of).collect()
    }

    /// Calls this with every room, `None` for a namespace.
    pub(crate) fn each_room(&self, mut call: impl FnMut(&Arc<str>, Option<&Room>)) {
        self.rooms.iter().for_each(|(_, room)| call(&room.ns, room.name.as_ref()));
    }

    pub(crate) fn is_in(&self, key: MemberKey, room: Option<&str>) -> bool {
        let found = self.get(key).and_then(|member| self.room(&member.ns, room));
        found.is_some_and(|room| self.open_seat(key, room).is_some())
    }

    /// Looks the names of a target up, once for all members.
    pub(crate) fn resolve(&self, target: &Target) -> Resolved {
        let mut resolved = Resolved::default();
        match &target.to {
            To::Everyone => resolved.rooms.extend(self.room(&target.ns, None)),
            To::Socket(id) => resolved.single.extend(self.find(&target.ns, id)),
            To::Rooms(rooms) => {
                resolved.rooms.extend(rooms.iter().filter_map(|room| self.room(&target.ns, Some(room))));
                resolved.single.extend(rooms.iter().filter_map(|room| self.find(&target.ns, room)));
            }
        }
        for name in &target.except {
            resolved.except_rooms.extend(self.room(&target.ns, Some(name)));
            resolved.except_members.extend(self.find(&target.ns, name));
        }
        resolved
    }

    /// The next seat of the target's rooms, as (member, covered at `position`); `None` when all are through.
    /// `at` is (which room, which seat) and moves on.
    pub(crate) fn seat_at(
        &self,
        resolved: &Resolved,
        at: &mut (usize, usize),
        position: Position,
    ) -> Option<(MemberKey, bool)> {
        loop {
            let room = resolved.rooms.get(at.0)?;
            if let Some(seat) = self.rooms[room.0 as usize].seats.get(at.1) {
                at.1 += 1;
                let covered = seat.covers(position)
                    || (self.wrong.is(Mutant::WalkIgnoresSince) && position <= seat.until)
                    || (self.wrong.is(Mutant::WalkIgnoresUntil) && seat.since < position);
                return Some((seat.member, covered));
            }
            *at = (at.0 + 1, 0);
        }
    }

    /// Whether the target leaves the member out at this position.
    pub(crate) fn is_excepted(&self, key: MemberKey, resolved: &Resolved, position: Position) -> bool {
        if self.wrong.is(Mutant::ExceptIsIgnored) {
            return false;
        }
        resolved.except_members.contains(&key)
            || (!resolved.except_rooms.is_empty() && self.covers(key, &resolved.except_rooms, position))
    }

    /// Whether the target, resolved, means this member at this position, by its intervals. A member named by its id
    /// may not have been there yet; its cursor tells.
    pub(crate) fn is_addressed(&self, key: MemberKey, resolved: &Resolved, position: Position) -> bool {
        let named = || resolved.single.contains(&key) && self.get(key).is_some_and(|member| position <= member.until);
        (named() || self.covers(key, &resolved.rooms, position)) && !self.is_excepted(key, resolved, position)
    }

    fn covers(&self, key: MemberKey, rooms: &[RoomKey], position: Position) -> bool {
        let Some(member) = self.get(key) else { return false };
        member.seats.iter().any(|at| {
            rooms.contains(&at.room) && self.rooms[at.room.0 as usize].seats[at.seat as usize].covers(position)
        })
    }

    fn vacate(&mut self, key: RoomKey) {
        let room = self.rooms.remove(key.0 as usize);
        match &room.name {
            None => {
                self.namespaces.remove(&room.ns);
            }
            Some(name) => {
                if let Ok(found) = self.names.find_entry(self.hash(&room.ns, name), |&other| other == key) {
                    found.remove();
                }
            }
        }
        self.vacated.push((room.ns, room.name));
    }

    fn room(&self, ns: &str, room: Option<&str>) -> Option<RoomKey> {
        let Some(name) = room else { return self.namespaces.get(ns).copied() };
        let same = |key: &RoomKey| {
            let room = &self.rooms[key.0 as usize];
            room.name.as_deref() == Some(name) && *room.ns == *ns
        };
        self.names.find(self.hash(ns, name), same).copied()
    }

    fn room_or_new(&mut self, ns: &Arc<str>, room: Option<&Room>) -> RoomKey {
        if let Some(found) = self.room(ns, room.map(AsRef::as_ref)) {
            return found;
        }
        let new = RoomMembers { ns: ns.clone(), name: room.cloned(), seats: SmallVec::new() };
        let key = RoomKey(index(self.rooms.insert(new)));
        if let Some(name) = room {
            let hash = self.hash(ns, name);
            let (rooms, hasher) = (&self.rooms, &self.hasher);
            self.names.insert_unique(hash, key, |key| {
                let room = &rooms[key.0 as usize];
                hasher.hash_one((&*room.ns, room.name.as_deref().unwrap_or_default()))
            });
        } else {
            self.namespaces.insert(ns.clone(), key);
        }
        key
    }

    fn forget_id(&mut self, key: MemberKey) {
        let Some(member) = self.get(key).filter(|member| !member.gone) else { return };
        if let Ok(found) = self.ids.find_entry(self.hash(&member.ns, &member.id), |&other| other == key) {
            found.remove();
        }
    }

    fn hash(&self, ns: &str, name: &str) -> u64 {
        self.hasher.hash_one((ns, name))
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("a shard holds fewer than 2^32 members, rooms and seats")
}
