//! One shard's part of delivery: what it is told, and where it stands. The two ways an entry reaches a member are in
//! `walk` (members at the head) and `sweep` (members behind).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::members::{Member, Members};
use crate::mutant::{Mutant, Wrong};
use crate::sweep::Laggards;
use crate::walk::Walk;
use crate::{Cast, ConnKey, Entry, Item, MemberKey, Names, Position, Room, SocketId};

/// What a [`Delivery`] calls when an item reaches a member. Calls for one member come in log order; for all members of
/// one connection they do as long as these stand together, for the walk does not wait for a member that is behind.
pub trait Sink {
    /// The entry is for this member's client, now.
    fn deliver(&mut self, conn: ConnKey, member: MemberKey, entry: &Arc<Entry>);
    /// A cast begins, behind everything up to this position and before everything after it.
    fn cast_begins(&mut self, position: Position) {
        let _ = position;
    }
    /// The cast is for this member's client. With `behind` the member cannot take it before everything up to that
    /// position that it still lacks; volatile casts never come with `behind`.
    fn cast(&mut self, conn: ConnKey, member: MemberKey, cast: &Arc<Cast>, behind: Option<Position>);
    /// The cast was given to all members here that it addresses.
    fn cast_done(&mut self, cast: &Arc<Cast>);
    /// The member, which was behind, stands where the shard stands; the walk takes it from here.
    fn caught_up(&mut self, conn: ConnKey, member: MemberKey);
    /// An entry made the member join this room, which it was not in. The caller registers the shard's interest before it
    /// takes the vacated rooms.
    fn joined(&mut self, member: MemberKey, room: &Room);
    /// An entry made the member leave this room, which it was in.
    fn left(&mut self, member: MemberKey, room: &Room);
    /// An entry is about to end the member ([`Sink::disconnect`] follows), which is in these rooms so far.
    fn ending(&mut self, member: MemberKey, rooms: Names) {
        let _ = (member, rooms);
    }
    /// An entry ends the member: what is after `position` is not for it.
    fn disconnect(&mut self, conn: ConnKey, member: MemberKey, position: Position, close: bool);
    /// The member is in its namespace from this position on: its session begins. The caller registers the shard's interest
    /// in the namespace before it takes the vacated rooms.
    fn began(&mut self, member: MemberKey, position: Position) {
        let _ = (member, position);
    }
    /// An entry ends a member that is away: it cannot come back. The caller removes it.
    fn ended_away(&mut self, member: MemberKey) {
        let _ = member;
    }
}

/// The members of one shard and its place in the log.
///
/// The caller hands over items in log order ([`Delivery::hand_over`]), then walks ([`Delivery::walk`]) until nothing
/// is left, and serves those behind with pages of the ring ([`Delivery::sweep`]) between walks.
#[derive(Debug, Default)]
pub struct Delivery {
    pub(crate) members: Members,
    pub(crate) queue: VecDeque<Item>,
    /// Everything that concerns this shard up to here was walked completely.
    pub(crate) position: Position,
    /// Everything that concerns this shard up to here was handed over.
    pub(crate) handed: Position,
    pub(crate) walk: Option<Walk>,
    /// Counts casts and acts, so that each reaches a member once.
    pub(crate) stamp: u64,
    pub(crate) laggards: Laggards,
    /// Members to forget when no walk is under way.
    removed: Vec<MemberKey>,
}

impl Delivery {
    /// A shard without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything up to here that concerns this shard was walked completely.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Members of this shard.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.len() == 0
    }

    /// Rooms (and namespaces) with members in this shard.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.members.rooms_len()
    }

    /// Adds a socket that is in no room and not yet in its namespace: only what is aimed at its id reaches it.
    /// Entries up to `at` are not for it.
    pub fn connect(&mut self, ns: &Arc<str>, id: SocketId, conn: ConnKey, at: Position) -> MemberKey {
        self.members.insert(ns, id, conn, at)
    }

    /// The member joins the room (`None`: the namespace) after `at`, the position up to which entries have been handed
    /// to the shards. False if it is in it already, or has left its namespace.
    pub fn join(&mut self, member: MemberKey, room: Option<&Room>, at: Position) -> bool {
        self.members.sit(member, room, at, at > self.position)
    }

    /// The member leaves the room; entries up to and including `at` (as for [`Delivery::join`]) are still owed. False if
    /// it was not in it.
    ///
    /// An act that stands before `at` and is walked later is put before this leave, as the log has it; likewise a join.
    pub fn leave(&mut self, member: MemberKey, room: &Room, at: Position) -> bool {
        self.members.stand(member, room, at, at > self.position)
    }

    /// The member leaves its namespace and all rooms for good; entries up to and including `at` are still owed.
    pub fn leave_all(&mut self, member: MemberKey, at: Position) {
        self.members.stand_all(member, at);
    }

    /// Forgets the member: nothing more is delivered to it.
    pub fn remove(&mut self, member: MemberKey) {
        let Some(found) = self.members.get_live(member) else { return };
        self.laggards.forget(member, found.cursor, found.lagging);
        found.lagging = false;
        if self.walk.is_some() && !self.wrong().is(Mutant::RemovesUnderWalk) {
            self.members.hide(member);
            self.removed.push(member);
        } else {
            self.members.remove(member);
        }
    }

    /// The member with this id.
    #[must_use]
    pub fn find(&self, ns: &str, id: &str) -> Option<MemberKey> {
        self.members.find(ns, id)
    }

    /// The connection of a member, unless it is away.
    #[must_use]
    pub fn conn_of(&self, member: MemberKey) -> Option<ConnKey> {
        self.members.get(member).filter(|member| !member.away).map(|member| member.conn)
    }

    /// The names of the rooms a member is in, without its own id and the namespace.
    #[must_use]
    pub fn rooms_of(&self, member: MemberKey) -> Names {
        self.members.rooms_of(member)
    }

    /// How many rooms it is in (or was, of those that are still kept), the namespace included.
    #[must_use]
    pub fn rooms_count(&self, member: MemberKey) -> usize {
        self.members.get(member).map_or(0, Member::seats)
    }

    /// Whether the member is in the room (`None`: in its namespace).
    #[must_use]
    pub fn is_in(&self, member: MemberKey, room: Option<&str>) -> bool {
        self.members.is_in(member, room)
    }

    /// The members with a connection that a target means right now, each once.
    #[must_use]
    pub fn addressed(&self, target: &crate::Target) -> Vec<MemberKey> {
        // Before the end of an interval that is still open, and after every other.
        const NOW: Position = Position::new(u64::MAX - 1);
        let resolved = self.members.resolve(target);
        let mut found: Vec<_> = resolved.single.to_vec();
        let mut at = (0, 0);
        while let Some((member, covered)) = self.members.seat_at(&resolved, &mut at, NOW) {
            if covered {
                found.push(member);
            }
        }
        found.retain(|&member| !self.is_away(member) && !self.members.is_excepted(member, &resolved, NOW));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Takes an item that concerns this shard. Items come in log order.
    pub fn hand_over(&mut self, item: Item) {
        self.queue.push_back(item);
    }

    /// All entries up to `position` that concern this shard have been handed over.
    pub fn handed_up_to(&mut self, position: Position) {
        self.handed = self.handed.max(position);
    }

    /// Rooms that lost their last member of this shard since the last call, `None` for the namespace.
    ///
    /// Called at the end of a turn, when everything that was delivered has been written or its member lags: only now
    /// seats that are closed are let go, for a member put back by [`Delivery::lag`] is owed by them again.
    pub fn take_vacated(&mut self) -> Vec<(Arc<str>, Option<Room>)> {
        self.settle();
        self.members.take_vacated()
    }

    /// Takes away what no walk and no cursor needs any more.
    pub(crate) fn settle(&mut self) {
        if self.walk.is_some() {
            return;
        }
        for member in std::mem::take(&mut self.removed) {
            self.members.remove(member);
        }
        self.members.settle_closed(self.position);
    }

    pub(crate) fn wrong(&self) -> Wrong {
        self.members.wrong
    }
}
