//! The walk: each item handed over, in order, to the members at the head that it addresses, in bounded steps.
//! A paused walk keeps its place in a room's list; members that leave meanwhile stay in it as holes.

use std::sync::Arc;

use crate::members::Resolved;
use crate::{Act, CastKind, Delivery, Entry, Item, MemberKey, Names, Position, Sink};

/// An item under way.
#[derive(Debug)]
pub(crate) struct Walk {
    item: Item,
    resolved: Resolved,
    /// Which of the rooms, which seat of it.
    at: (usize, usize),
    single: usize,
    /// At which position membership is asked for: that of the entry, or for a cast the shard's.
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
                self.settle();
                return true;
            };
            if self.walk_on(&mut walk, &mut left, sink) {
                self.end_item(&walk.item);
                if let Item::Cast(cast) = &walk.item {
                    sink.cast_done(cast);
                }
            } else {
                self.walk = Some(walk);
            }
        }
        false
    }

    fn next_item(&mut self, sink: &mut impl Sink) -> Option<Walk> {
        loop {
            let item = self.queue.pop_front()?;
            let position = match &item {
                Item::Entry(entry) => entry.position,
                // Later than every closed interval, so that who left before the cast is not in it.
                Item::Cast(_) => {
                    self.casts = self.casts.wrapping_add(1).max(1);
                    Position::new(u64::MAX - 1)
                }
            };
            let resolved = self.members.resolve(item.target());
            let walk = Walk { item, resolved, at: (0, 0), single: 0, position };
            match &walk.item {
                Item::Entry(entry) if !matches!(entry.act, Act::Emit { .. }) => {
                    self.act(&entry.clone(), &walk, sink);
                    self.end_item(&walk.item);
                }
                _ => return Some(walk),
            }
        }
    }

    fn end_item(&mut self, item: &Item) {
        if let Item::Entry(entry) = item {
            debug_assert!(entry.position > self.position, "entries are handed over in log order");
            self.position = entry.position;
        }
        self.settle();
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
        let casts = self.casts;
        let Some(member) = self.members.get_mut(key) else { return };
        match &walk.item {
            Item::Entry(entry) => {
                if !member.lagging && member.cursor < entry.position {
                    member.cursor = entry.position;
                    sink.deliver(member.conn, key, entry);
                }
            }
            Item::Cast(cast) => {
                if member.cast != casts && !(member.lagging && cast.kind == CastKind::Volatile) {
                    member.cast = casts;
                    sink.cast(member.conn, key, cast, member.lagging);
                }
            }
        }
    }

    /// Joins, leaves and disconnections that are entries change the members as of their position, those behind too.
    fn act(&mut self, entry: &Arc<Entry>, walk: &Walk, sink: &mut impl Sink) {
        let at = entry.position;
        let mut found: Vec<_> = walk.resolved.single.to_vec();
        let mut seat = (0, 0);
        while let Some((member, covered)) = self.members.seat_at(&walk.resolved, &mut seat, at) {
            if covered {
                found.push(member);
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|&member| !self.members.is_excepted(member, &walk.resolved, at));
        match &entry.act {
            Act::Emit { .. } => {}
            Act::Join(rooms) => {
                self.join_all(&found, rooms, at, sink);
                // Interest in these rooms was registered when the entry was routed; where nobody joined it is given back.
                self.members.give_back(&entry.target.ns, rooms);
            }
            Act::Leave(rooms) => self.leave_rooms(&found, rooms, at, sink),
            Act::Disconnect { close } => {
                for member in found {
                    if let Some(conn) = self.conn_of(member) {
                        self.leave_all(member, at);
                        sink.disconnect(conn, member, at, *close);
                    }
                }
            }
        }
    }

    fn join_all(&mut self, members: &[MemberKey], rooms: &Names, at: Position, sink: &mut impl Sink) {
        for &member in members {
            // Who is not (or no longer) in the namespace joins nothing.
            for room in rooms {
                if self.members.is_in(member, None) && self.members.sit(member, Some(room), at) {
                    sink.joined(member, room);
                }
            }
        }
    }

    fn leave_rooms(&mut self, members: &[MemberKey], rooms: &Names, at: Position, sink: &mut impl Sink) {
        for &member in members {
            for room in rooms {
                if self.leave(member, room, at) {
                    sink.left(member, room);
                }
            }
        }
    }
}
