//! What must be true of sessions: who may come back and from where, what a client has confirmed, and what is left of
//! them after a crash. Who is owed what is `model`.

use std::collections::BTreeMap;

use super::{Member, Model, Verdict};
use crate::steps::Sends;

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The entry that it begins with.
    pub(crate) start: u64,
    pub(crate) confirmed: u64,
    /// Since when it waits for its client.
    pub(crate) away_since: Option<u64>,
    pub(crate) valid_until: Option<u64>,
    /// The number that its data is.
    pub(crate) data: Option<u32>,
    /// Nobody can come back to it.
    pub(crate) over: bool,
    written: Writing,
}

/// What of it was written last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writing {
    pub(crate) epoch: u64,
    pub(crate) entry: u64,
    pub(crate) as_of: u64,
    pub(crate) confirmed: u64,
    pub(crate) valid_until: Option<u64>,
    pub(crate) at: u64,
}

/// Where a client that comes back goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// After what it has handled.
    Handled,
    /// After this position, though it may have handled more: its offset counts as none.
    Known(u64),
}

impl Member {
    /// It has a connection.
    pub(crate) fn is_here(&self) -> bool {
        self.alive && self.kept.as_ref().is_none_or(|kept| kept.away_since.is_none())
    }

    pub(super) fn is_unconfirmed(&self, out: u64) -> bool {
        self.kept.as_ref().is_some_and(|kept| out > kept.confirmed)
    }
}

impl Model {
    pub(crate) fn kept(&mut self, uid: usize) -> &mut Kept {
        self.members[uid].kept.as_mut().expect("the member has a session")
    }

    pub(crate) fn is_kept(&self, uid: usize) -> bool {
        self.members[uid].kept.as_ref().is_some_and(|kept| !kept.over)
    }

    /// A session is about to begin; its first entry is appended next.
    pub(crate) fn open(&mut self, uid: usize) {
        self.members[uid].kept = Some(Kept::default());
    }

    pub(crate) fn wrote(&mut self, uid: usize, writing: Writing) {
        self.kept(uid).written = writing;
    }

    /// The member's connection is gone, or it has a new one.
    pub(crate) fn attached(&mut self, uid: usize, away_since: Option<u64>) {
        let member = &mut self.members[uid];
        (member.lagging, member.last_cast) = (true, None);
        member.casts_owed.clear();
        self.kept(uid).away_since = away_since;
        self.touch(uid);
    }

    /// The server takes it that the client has everything up to here.
    pub(crate) fn confirm(&mut self, uid: usize, position: u64) -> Verdict {
        self.play(uid, position);
        let member = &mut self.members[uid];
        if let Some(&owed) = member.owed.get(member.got).filter(|&&owed| owed <= position) {
            return Err(format!("the client of member {uid} is taken to have entry {owed}"));
        }
        let kept = self.kept(uid);
        kept.confirmed = kept.confirmed.max(position);
        Ok(())
    }

    /// Whether a client that sends this may come back at `now`, to a shard that has walked everything up to `walked`.
    pub(crate) fn may_return(&mut self, uid: usize, sends: Sends, handled: u64, walked: u64, now: u64) -> Option<u64> {
        self.play(uid, walked);
        // What ends it later meets it on its new connection.
        let ended = self.members[uid].ended && self.members[uid].ended_at <= walked;
        let kept = self.kept(uid);
        let valid = kept.valid_until.is_none_or(|until| until > now);
        let known = kept.start.max(kept.confirmed);
        let from = match sends {
            Sends::Own => known.max(handled),
            Sends::OtherLog => known,
            Sends::Foreign | Sends::Elsewhere => return None,
        };
        (!kept.over && !ended && valid).then_some(from)
    }

    /// The client has its session back.
    pub(crate) fn returned(&mut self, uid: usize, base: Base) {
        if let Base::Known(position) = base {
            self.play(uid, position);
            let member = &mut self.members[uid];
            member.got = member.got.min(member.owed.partition_point(|&owed| owed <= position));
        }
    }

    /// An entry that the member is owed after one position and up to another.
    pub(crate) fn owed_between(&mut self, uid: usize, after: u64, upto: u64) -> Option<u64> {
        self.play(uid, upto);
        let owed = &self.members[uid].owed;
        owed.get(owed.partition_point(|&owed| owed <= after)).copied().filter(|&owed| owed <= upto)
    }

    /// Who of a shard is to be forgotten because more than `limit` wait: whose time is over first.
    pub(crate) fn waits_longest(&self, shard: usize, pid: fn(usize) -> String, limit: usize) -> Option<usize> {
        let waiting = |&uid: &usize| self.members[uid].shard == shard && self.is_kept(uid);
        let since = |uid: usize| self.members[uid].kept.as_ref().and_then(|kept| kept.away_since);
        let all = (0..self.members.len()).filter(waiting);
        let all: Vec<_> = all.filter_map(|uid| Some((since(uid)?, pid(uid), uid))).collect();
        if all.len() > limit { all.into_iter().min().map(|(.., uid)| uid) } else { None }
    }

    /// Whether its time without a connection is over.
    pub(crate) fn waits_too_long(&self, uid: usize, now: u64, window: u64) -> bool {
        let away_since = self.members[uid].kept.as_ref().filter(|kept| !kept.over).and_then(|kept| kept.away_since);
        away_since.is_some_and(|since| since + window <= now)
    }

    /// The process has died at `now`; the log goes up to `upto`, and its acts are complete after `held_after`. What is
    /// left are the sessions written since then.
    pub(crate) fn crash(&mut self, upto: u64, held_after: u64, written_since: u64, now: u64) -> Vec<usize> {
        self.casts.iter_mut().for_each(|cast| cast.on_its_way.clear());
        self.promised = BTreeMap::new();
        let mut left = Vec::new();
        for uid in 0..self.members.len() {
            self.play(uid, upto);
            let member = &mut self.members[uid];
            let ended = member.ended;
            let alive = member.kept.as_mut().filter(|kept| !kept.over).is_some_and(|kept| {
                let Writing { epoch, entry, as_of, confirmed, valid_until, at } = kept.written;
                kept.confirmed = confirmed.max(kept.start);
                kept.valid_until = valid_until;
                kept.away_since = Some(now);
                let lost = epoch != self.epoch || entry <= held_after || as_of < held_after || at < written_since;
                kept.over = ended || lost;
                !kept.over
            });
            (member.alive, member.lagging, member.last_cast) = (alive, true, None);
            member.casts_owed.clear();
            left.extend(alive.then_some(uid));
        }
        self.awake.clear();
        for member in self.members.iter().filter(|member| member.alive) {
            let rooms = super::bits(member.rooms).map(Some).chain([None]).chain(member.out_at.keys().copied());
            self.awake.extend(rooms.map(|room| (member.shard, member.ns, room)));
        }
        left
    }
}
