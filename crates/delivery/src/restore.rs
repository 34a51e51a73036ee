//! Rebuilding the members and sessions of a shard after a start, from the acts that the log holds: the last writing of
//! each session, and what happened to it since. Reading the log, and what else is kept of a session, is the caller's.

use std::sync::Arc;

use bytestring::ByteString;
use hashbrown::HashMap;

use crate::mutant::{Mutant, Wrong};
use crate::{
    Act, Cast, ConnKey, Delivery, Entry, Item, MemberKey, Position, Room, Session, Sessions, Sink, To, shard_of,
};

/// What of the log's sessions is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The shard that is rebuilt.
    pub shard: usize,
    /// How many shards there are.
    pub shards: usize,
    /// The acts are complete after this position; what was written as of an earlier one cannot be completed.
    pub held_after: Position,
    /// What the log is called: sessions of a log of another name mean nothing in it.
    pub epoch: u64,
    /// Only sessions that were written then or later, in milliseconds since 1970.
    pub written_since: u64,
    /// The shard's clock, from which on the sessions wait for their clients.
    pub now: u64,
}

/// A session that is alive: it waits for its client.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The member that it is.
    pub member: MemberKey,
    /// As it was written last.
    pub session: Arc<Session>,
    /// What was set in its data since, in order: a name and JSON text, or that the value was removed.
    pub data: Vec<(ByteString, Option<ByteString>)>,
}

impl Delivery {
    /// Adds the members of the sessions that `acts` tell of, all of them away, and opens them in `sessions`. Returns
    /// those that are still alive after the last act, in no particular order.
    ///
    /// The shard must be new. It stands at the last act afterwards; the caller says how far the log goes.
    pub fn rebuild(&mut self, sessions: &mut Sessions, acts: &[Arc<Entry>], wanted: Wanted) -> Vec<Restored> {
        debug_assert!(self.is_empty() && self.position == Position::ZERO, "members are restored into a new shard");
        let wrong = self.wrong();
        let mut written = last_writings(acts, wanted, wrong).into_iter().peekable();
        let mut fold = Fold { delivery: self, sessions, now: wanted.now, alive: HashMap::new() };
        for entry in acts {
            while let Some(next) = written.next_if(|next| next.as_of < entry.position) {
                fold.begin(&next);
            }
            if !wrong.is(Mutant::RestoreForgetsActs) {
                fold.replay(entry);
            }
        }
        written.for_each(|next| fold.begin(&next));
        let Fold { alive, .. } = fold;
        alive.into_values().collect()
    }
}

/// The newest writing of a session, which holds as of a position.
struct Writing<'a> {
    entry: Position,
    as_of: Position,
    ns: &'a Arc<str>,
    id: &'a Arc<str>,
    session: &'a Arc<Session>,
}

/// Of each session that is not over, in the order of the positions that they hold as of.
fn last_writings(acts: &[Arc<Entry>], wanted: Wanted, wrong: Wrong) -> Vec<Writing<'_>> {
    let mut newest = HashMap::new();
    for entry in acts {
        let To::Socket(id) = &entry.target.to else { continue };
        let ns = &entry.target.ns;
        match &entry.act {
            Act::Session(session) if shard_of(id, wanted.shards) == wanted.shard => {
                let late = wrong.is(Mutant::RestoreIgnoresAsOf);
                let as_of = if late { entry.position } else { session.as_of };
                newest.insert((ns, id), Writing { entry: entry.position, as_of, ns, id, session });
            }
            Act::End if !wrong.is(Mutant::RestoreIgnoresEnd) => drop(newest.remove(&(ns, id))),
            _ => {}
        }
    }
    let usable = |Writing { as_of, session, .. }: &Writing<'_>| {
        (session.epoch == wanted.epoch || wrong.is(Mutant::RestoreTakesOtherLog))
            && (session.written >= wanted.written_since || wrong.is(Mutant::RestoreTakesStale))
            && (*as_of >= wanted.held_after || wrong.is(Mutant::RestoreTakesIncomplete))
    };
    let mut writings: Vec<_> = newest.into_values().filter(usable).collect();
    writings.sort_unstable_by_key(|writing| writing.as_of);
    writings
}

struct Fold<'a> {
    delivery: &'a mut Delivery,
    sessions: &'a mut Sessions,
    now: u64,
    alive: HashMap<MemberKey, Restored>,
}

impl Fold<'_> {
    fn begin(&mut self, writing: &Writing<'_>) {
        let Writing { entry, as_of, ns, id, session } = *writing;
        let start = if session.is_beginning() { entry } else { session.start };
        let forgets = self.delivery.wrong().is(Mutant::RestoreForgetsConfirmed);
        let confirmed = if forgets { start } else { session.confirmed.max(start) };
        let member = self.delivery.restore(ns, id.clone(), as_of, (start, confirmed), &session.rooms);
        self.sessions.open(session.private_id.clone(), member, ns.clone(), start);
        self.sessions.set_valid_until(&session.private_id, session.valid_until);
        // The limit of those that wait is not for these: they were there before the start.
        self.sessions.detached(member, self.now);
        self.alive.insert(member, Restored { member, session: session.clone(), data: Vec::new() });
    }

    /// An act of the past, on the members that are restored so far.
    fn replay(&mut self, entry: &Arc<Entry>) {
        match &entry.act {
            Act::Join(_) | Act::Leave(_) | Act::Disconnect { .. } => {
                self.delivery.hand_over(Item::Entry(entry.clone()));
                let mut ended = Ended(Vec::new());
                self.delivery.walk(usize::MAX, &mut ended);
                for member in ended.0 {
                    self.sessions.end(member);
                    self.alive.remove(&member);
                    self.delivery.remove(member);
                }
            }
            Act::Data { key, value } => {
                let To::Socket(id) = &entry.target.to else { return };
                let member = self.delivery.find(&entry.target.ns, id);
                let forgets = self.delivery.wrong().is(Mutant::RestoreForgetsData);
                if let Some(restored) = member.filter(|_| !forgets).and_then(|member| self.alive.get_mut(&member)) {
                    restored.data.push((key.clone(), value.clone()));
                }
            }
            Act::Emit { .. } | Act::Session(_) | Act::End => {}
        }
    }
}

/// Hears only who was ended: nobody has a connection.
struct Ended(Vec<MemberKey>);

impl Sink for Ended {
    fn deliver(&mut self, _: ConnKey, _: MemberKey, _: &Arc<Entry>) {}
    fn cast(&mut self, _: ConnKey, _: MemberKey, _: &Arc<Cast>, _: Option<Position>) {}
    fn cast_done(&mut self, _: &Arc<Cast>) {}
    fn caught_up(&mut self, _: ConnKey, _: MemberKey) {}
    fn joined(&mut self, _: MemberKey, _: &Room) {}
    fn left(&mut self, _: MemberKey, _: &Room) {}
    fn disconnect(&mut self, _: ConnKey, _: MemberKey, _: Position, _: bool) {}
    fn ended_away(&mut self, member: MemberKey) {
        self.0.push(member);
    }
}
