//! The sweep: members whose wire took only part stand at a position of their own and are served from pages of the
//! log, all of them together, lowest first, until they stand where the shard stands and the walk takes them again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::mutant::Mutant;
use crate::{Delivery, Entry, MemberKey, Position, Sink};

/// Members that are behind and can be written to, by where they stand.
#[derive(Debug, Default)]
pub(crate) struct Laggards {
    ready: BTreeSet<(Position, MemberKey)>,
    behind: usize,
}

impl Laggards {
    pub(crate) fn forget(&mut self, member: MemberKey, cursor: Position, lagging: bool) {
        self.behind -= usize::from(lagging);
        self.ready.remove(&(cursor, member));
    }
}

impl Delivery {
    /// The member's wire took (or keeps) everything up to `cursor` and nothing after: the walk passes it over from now
    /// on, and what it was given after `cursor` counts as not given. A cursor never moves on by this.
    pub fn lag(&mut self, member: MemberKey, cursor: Position) {
        let (position, wrong) = (self.position, self.wrong());
        let Some(found) = self.members.get_live(member) else { return };
        let stands = if found.lagging { found.cursor } else { found.cursor.max(position) };
        self.laggards.ready.remove(&(found.cursor, member));
        self.laggards.behind += usize::from(!found.lagging);
        found.lagging = true;
        found.cursor = if wrong.is(Mutant::LagPutsNothingBack) { stands } else { cursor.min(stands) };
    }

    /// The member's wire takes nothing more, with everything written that it was given: it is passed over from where it
    /// stands.
    pub fn stall(&mut self, member: MemberKey) {
        self.lag(member, Position::MAX);
    }

    /// The member's wire takes bytes again: it is served by the sweep. True if it lacks nothing and is at the head at
    /// once.
    pub fn writable(&mut self, member: MemberKey) -> bool {
        let (no_walk, position) = (self.walk.is_none(), self.position);
        let early = self.wrong().is(Mutant::RejoinsEarly);
        let Some(found) = self.members.get_live(member).filter(|found| found.lagging) else { return true };
        if no_walk && (found.cursor >= position || early) {
            self.rejoin(member);
            return true;
        }
        self.laggards.ready.insert((found.cursor, member));
        false
    }

    /// Whether the member is behind.
    #[must_use]
    pub fn is_lagging(&self, member: MemberKey) -> bool {
        self.members.get(member).is_some_and(|member| member.lagging)
    }

    /// Members that are behind, writable or not.
    #[must_use]
    pub fn lagging(&self) -> usize {
        self.laggards.behind
    }

    /// The position after which the next page is wanted, `None` while a walk is under way or nobody waits for one.
    #[must_use]
    pub fn sweep_from(&self) -> Option<Position> {
        if self.has_walk() {
            return None;
        }
        self.laggards.ready.first().map(|&(cursor, _)| cursor)
    }

    /// Gives the members behind what they are owed of a page: all entries of the log after `from` (that
    /// [`Delivery::sweep_from`] gave when the page was asked for) up to and including `upto`. Entries that the shard has
    /// not walked yet are left to the walk, and members that fell behind before `from` meanwhile to the next page.
    pub fn sweep(&mut self, from: Position, page: &[Arc<Entry>], upto: Position, sink: &mut impl Sink) {
        debug_assert!(!self.has_walk(), "a member must not rejoin a walk that may have passed its seat");
        let upto = if self.wrong().is(Mutant::SweepOvertakesWalk) { upto } else { upto.min(self.position) };
        let from = if self.wrong().is(Mutant::SweepTakesEarlier) { Position::ZERO } else { from };
        let riders = self.take_riders(from, upto);
        for entry in page.iter().filter(|entry| entry.position <= upto && entry.act.is_emit()) {
            let resolved = self.members.resolve(&entry.target);
            for &rider in &riders {
                if !self.members.is_addressed(rider, &resolved, entry.position) {
                    continue;
                }
                let Some(member) = self.members.get_mut(rider) else { continue };
                if member.cursor < entry.position {
                    member.cursor = entry.position;
                    sink.deliver(member.conn, rider, entry);
                }
            }
        }
        for rider in riders {
            self.move_on(rider, upto, sink);
        }
    }

    /// Takes out the members whose next entry is before `oldest`, the oldest one that the log still holds.
    pub fn take_passed(&mut self, oldest: Position) -> Vec<MemberKey> {
        let wrong = self.wrong();
        let ready = &mut self.laggards.ready;
        let mut passed = Vec::new();
        while let Some(&(cursor, member)) = ready.first()
            && cursor.next() < oldest
            && cursor < self.position
        {
            ready.pop_first();
            if !wrong.is(Mutant::PassedIsForgotten) {
                passed.push(member);
            }
        }
        passed
    }

    fn take_riders(&mut self, from: Position, upto: Position) -> Vec<MemberKey> {
        let ready = &mut self.laggards.ready;
        let first = |position| (position, MemberKey(0));
        let mut riders = ready.split_off(&first(from));
        ready.append(&mut riders.split_off(&first(upto.next())));
        riders.into_iter().map(|(_, member)| member).collect()
    }

    /// Members that wait for a page, though they stand where the shard does, join the walk again.
    pub(crate) fn rejoin_at_head(&mut self, sink: &mut impl Sink) {
        while let Some(&(cursor, member)) = self.laggards.ready.last()
            && cursor >= self.position
            && !self.wrong().is(Mutant::HeadIsNotSeen)
        {
            self.rejoin(member);
            if let Some(conn) = self.conn_of(member) {
                sink.caught_up(conn, member);
            }
        }
    }

    fn move_on(&mut self, rider: MemberKey, upto: Position, sink: &mut impl Sink) {
        let position = self.position;
        let Some(member) = self.members.get_mut(rider) else { return };
        member.cursor = member.cursor.max(upto);
        if member.cursor < position {
            self.laggards.ready.insert((member.cursor, rider));
            return;
        }
        let conn = member.conn;
        self.rejoin(rider);
        sink.caught_up(conn, rider);
    }

    fn rejoin(&mut self, key: MemberKey) {
        let Some(member) = self.members.get_mut(key) else { return };
        let stood = member.cursor;
        member.lagging = false;
        self.laggards.behind -= 1;
        self.laggards.ready.remove(&(stood, key));
        self.members.settle_later(key, self.position);
    }
}
