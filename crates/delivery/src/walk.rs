//! The walk: each item handed over, in order, to the members at the head that it addresses, in bounded steps.
//! A paused walk keeps its place in a room's list; members that leave meanwhile stay in it as holes.

use crate::members::Resolved;
use crate::mutant::Mutant;
use crate::{Act, CastKind, Delivery, Entry, Item, MemberKey, Position, Sink};

/// An item under way.
#[derive(Debug)]
pub(crate) struct Walk {
    item: Item,
    resolved: Resolved,
    /// Which of the rooms, which seat of it.
    at: (usize, usize),
    single: usize,
    /// At which position membership is asked for: that of the entry, or for a cast the end of time.
    position: Position,
}

impl Delivery {
    /// Whether items wait to be walked.
    #[must_use]
    pub fn has_walk(&self) -> bool {
        self.walk.is_some() || !self.queue.is_empty()
    }

    /// Walks on, looking at no more than `budget` seats. True when nothing is left.
    ///
    /// Until it has returned true, [`Delivery::sweep`] must not be called.
    pub fn walk(&mut self, budget: usize, sink: &mut impl Sink) -> bool {
        let mut left = budget;
        while left > 0 {
            let Some(mut walk) = self.walk.take().or_else(|| self.next_item(sink)) else {
                self.position = self.position.max(self.handed);
                self.rejoin_at_head(sink);
                return true;
            };
            if self.walk_on(&mut walk, &mut left, sink) {
                self.end_item(&walk.item, sink);
            } else {
                self.walk = Some(walk);
            }
        }
        false
    }

    fn next_item(&mut self, sink: &mut impl Sink) -> Option<Walk> {
        let item = self.queue.pop_front()?;
        if let Item::Cast(_) = &item {
            sink.cast_begins(self.position);
        }
        let position = match &item {
            Item::Entry(entry) => entry.position,
            // Later than every closed interval, so that who left before the cast is not in it.
            Item::Cast(_) => Position::MAX.before(),
        };
        if !is_emit(&item) {
            self.stamp += 1;
        }
        let resolved = self.members.resolve(item.target());
        Some(Walk { item, resolved, at: (0, 0), single: 0, position })
    }

    fn end_item(&mut self, item: &Item, sink: &mut impl Sink) {
        match item {
            Item::Entry(entry) => {
                debug_assert!(entry.position > self.position, "entries are handed over in log order");
                self.position = entry.position;
                // Interest in rooms was promised when the entry was routed; where nobody joined it is given back.
                match &entry.act {
                    Act::Join(rooms) => {
                        rooms.iter().for_each(|room| self.members.give_back(&entry.target.ns, Some(room)));
                    }
                    Act::Session(session)
                        if session.is_beginning() && !self.wrong().is(Mutant::BeginningIsNotGivenBack) =>
                    {
                        self.members.give_back(&entry.target.ns, None);
                    }
                    _ => {}
                }
            }
            Item::Cast(cast) => sink.cast_done(cast),
        }
        if self.wrong().is(Mutant::SettlesBeforeWritten) {
            self.settle();
        }
    }

    fn walk_on(&mut self, walk: &mut Walk, left: &mut usize, sink: &mut impl Sink) -> bool {
        while *left > 0 {
            *left -= 1;
            if let Some(&member) = walk.resolved.single.get(walk.single) {
                walk.single += 1;
                self.offer(walk, member, sink);
            } else {
                match self.members.seat_at(&walk.resolved, &mut walk.at, walk.position) {
                    Some((member, true)) => self.offer(walk, member, sink),
                    Some((_, false)) => {}
                    None => return true,
                }
            }
        }
        false
    }

    /// The member is addressed: gives it the item unless it has it, is left out, or is behind.
    fn offer(&mut self, walk: &Walk, key: MemberKey, sink: &mut impl Sink) {
        if self.members.is_excepted(key, &walk.resolved, walk.position) {
            return;
        }
        let (stamp, position, wrong) = (self.stamp, self.position, self.wrong());
        let Some(member) = self.members.get_mut(key) else { return };
        if walk.position > member.until && !wrong.is(Mutant::EndedIsStillNamed) {
            return;
        }
        let passed =
            if walk.item.is_act() { wrong.is(Mutant::ActsPassAway) } else { !wrong.is(Mutant::AwayAreReached) };
        if member.away && passed {
            return;
        }
        let again = member.stamp == stamp && !wrong.is(Mutant::TwiceInTwoRooms);
        match &walk.item {
            Item::Entry(entry) if is_emit(&walk.item) => {
                let has = member.cursor >= entry.position && !wrong.is(Mutant::TwiceInTwoRooms);
                if !member.lagging && !has {
                    member.cursor = entry.position;
                    sink.deliver(member.conn, key, entry);
                }
            }
            // Who connected after the entry is not meant by it, though it has the name.
            Item::Entry(entry) if !again && member.cursor < entry.position => {
                member.stamp = stamp;
                self.act(entry, key, sink);
            }
            Item::Entry(_) => {}
            Item::Cast(cast) => {
                let drop = member.lagging && cast.kind == CastKind::Volatile && !wrong.is(Mutant::VolatileWhileLagging);
                if !again && !drop {
                    member.stamp = stamp;
                    let behind = member.lagging && !wrong.is(Mutant::CastOvertakes);
                    sink.cast(member.conn, key, cast, behind.then_some(position));
                }
            }
        }
    }

    /// Joins, leaves and disconnections that are entries change a member as of their position, also one behind.
    fn act(&mut self, entry: &Entry, member: MemberKey, sink: &mut impl Sink) {
        let at = entry.position;
        match &entry.act {
            // The first writing of a session is where its time in the namespace begins.
            Act::Session(session) if session.is_beginning() => {
                let since = if self.wrong().is(Mutant::BeginsBeforeItsEntry) { Position::ZERO } else { at };
                if self.members.sit(member, None, since, false) {
                    sink.began(member, at);
                }
            }
            // What its shard has done already.
            Act::Emit { .. } | Act::Session(_) | Act::Data { .. } | Act::End => {}
            Act::Join(rooms) => {
                for room in rooms.iter().filter(|room| self.members.act_join(member, room, at)) {
                    sink.joined(member, room);
                }
            }
            Act::Leave(rooms) => {
                for room in rooms.iter().filter(|room| self.members.act_leave(member, room, at)) {
                    sink.left(member, room);
                }
            }
            Act::Disconnect { close } => {
                let rooms = self.members.rooms_of(member);
                if !self.members.stand_all(member, at) {
                    return;
                }
                match self.conn_of(member) {
                    Some(conn) => {
                        sink.ending(member, rooms);
                        sink.disconnect(conn, member, at, *close);
                    }
                    None if self.wrong().is(Mutant::StaysAfterDisconnect) => {}
                    None => sink.ended_away(member),
                }
            }
        }
    }
}

fn is_emit(item: &Item) -> bool {
    matches!(item, Item::Entry(entry) if entry.act.is_emit())
}
