//! The state of a shard that is touched by its thread alone: members and their place in the log, connections and their
//! output, and the batch that this turn appends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use trunkline_delivery::{Cast, ConnKey, Delivery, MemberKey, Position, Room, Sessions, SocketId};
use trunkline_engine::wheel::{Millis, Wheel};
use trunkline_log::{Keyed, NewEntry};
use trunkline_proto::EnginePacket;
use trunkline_proto::heartbeat::{Beat, Rhythm};

use crate::commit::{BatchCommit, Commit};
use crate::mailbox::Reply;
use crate::shard::conn::{Conn, ConnRef, Outlet, Private, Seat};
use crate::shard::outbound::Outbound;
use crate::shard::recover::KeptSocket;
use crate::socket::Socket;
use crate::{DisconnectReason, limits};

/// How exact deadlines are kept: a two-hundredth of the shorter part of the heartbeat, and never coarser than this, in
/// milliseconds. Finer means more wake-ups of an idle shard.
const COARSEST: Millis = 25;

/// Entries that take their place together, and what has to stay behind them.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<NewEntry>,
    /// How many entries it gave to the log.
    pub(crate) given: usize,
    /// Its key; such a batch takes nothing else in.
    pub(crate) keyed: Option<Keyed>,
    /// When its append began, if it was not done at once.
    pub(crate) since: Option<Instant>,
    pub(crate) commit: Arc<BatchCommit>,
    /// Items for one connection, each after so many of the entries.
    pub(crate) privates: Vec<(usize, ConnRef, Private)>,
    /// Casts behind all entries. A later entry begins a new batch.
    pub(crate) casts: Vec<CastOut>,
    /// Items for one connection behind the casts.
    pub(crate) late: Vec<(ConnRef, Private)>,
}

/// A cast on its way to the shards.
pub(crate) struct CastOut {
    pub(crate) cast: Arc<Cast>,
    /// Told how many shards will answer for it.
    pub(crate) on_route: Box<dyn FnOnce(usize) + Send>,
}

impl std::fmt::Debug for CastOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.cast.fmt(f)
    }
}

/// The state of a shard.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) out: Outbound,
    pub(crate) delivery: Delivery,
    /// Connections by their Engine.IO id.
    pub(crate) sessions: HashMap<Arc<str>, u32>,
    /// Connections that have moved to another shard, which answers for them.
    pub(crate) moved: HashMap<Arc<str>, usize>,
    /// Sessions that clients can come back to.
    pub(crate) kept: Sessions,
    pub(crate) kept_sockets: HashMap<MemberKey, KeptSocket>,
    /// What the log is called.
    pub(crate) epoch: u64,
    /// Batches that this turn will append.
    pub(crate) batches: VecDeque<Batch>,
    /// Batches whose append is under way, oldest first.
    pub(crate) in_flight: VecDeque<Batch>,
    /// The last position that an append of this shard got.
    pub(crate) last_own: Position,
    wheel: Wheel,
    due: Vec<(u32, u32)>,
    rhythm: Rhythm,
    generation: u32,
    pub(crate) shutting_down: bool,
}

impl Core {
    pub(crate) fn new(rhythm: Rhythm, kept: Sessions, epoch: u64) -> Self {
        Self {
            out: Outbound::default(),
            delivery: Delivery::new(),
            sessions: HashMap::new(),
            moved: HashMap::new(),
            kept,
            kept_sockets: HashMap::new(),
            epoch,
            batches: VecDeque::new(),
            in_flight: VecDeque::new(),
            last_own: Position::ZERO,
            wheel: Wheel::new((rhythm.interval_ms.min(rhythm.timeout_ms) / 200).clamp(1, COARSEST)),
            due: Vec::new(),
            rhythm,
            generation: 0,
            shutting_down: false,
        }
    }

    pub(crate) fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    /// Takes a place for an entry in the open batch.
    pub(crate) fn emit(&mut self, entry: NewEntry) -> Commit {
        if self.batches.back().is_none_or(|batch| !batch.casts.is_empty() || batch.keyed.is_some()) {
            self.batches.push_back(Batch::default());
        }
        let batch = self.batches.back_mut().expect("a batch is open");
        batch.entries.push(entry);
        Commit::in_batch(batch.commit.clone(), batch.entries.len() - 1)
    }

    /// Takes a place for a batch that has a key.
    pub(crate) fn append_keyed(&mut self, entries: Vec<NewEntry>, keyed: Keyed) -> Arc<BatchCommit> {
        let batch = Batch { entries, keyed: Some(keyed), ..Batch::default() };
        let commit = batch.commit.clone();
        self.batches.push_back(batch);
        commit
    }

    /// Lets a cast follow what was emitted before.
    pub(crate) fn cast(&mut self, cast: CastOut) {
        if self.batches.is_empty() {
            self.batches.push_back(Batch::default());
        }
        self.batches.back_mut().expect("a batch is open").casts.push(cast);
    }

    /// Sends something to one connection behind everything that this shard has emitted before.
    pub(crate) fn private(&mut self, conn: ConnRef, item: Private) {
        let waiting = if self.batches.is_empty() { self.in_flight.back_mut() } else { self.batches.back_mut() };
        match waiting {
            Some(batch) if !batch.casts.is_empty() => batch.late.push((conn, item)),
            Some(batch) => batch.privates.push((batch.given + batch.entries.len(), conn, item)),
            None => self.private_after(conn, self.last_own, item),
        }
    }

    /// Sends something to one connection after this position.
    pub(crate) fn private_after(&mut self, conn: ConnRef, after: Position, item: Private) {
        if self.conn(conn).is_some() {
            self.out.private(conn.key, after, item, &self.delivery);
        }
    }

    /// Ends a connection after this position, when everything before is written: nothing more is taken from it, and a
    /// peer that takes nothing has its end in any case.
    pub(crate) fn finish(&mut self, conn: ConnRef, after: Position, now: Millis) {
        let Some(found) = self.conn_mut(conn).filter(|found| !found.finish_asked) else { return };
        found.finish_asked = true;
        found.deadlines.close_by = Some(now + limits::CLOSE_GRACE_MS);
        self.private_after(conn, after, Private::Finish);
        self.schedule(conn.key);
    }

    /// The batch has its positions: what had to stay behind its entries goes on.
    pub(crate) fn committed(&mut self, batch: &mut Batch, positions: &[Position]) {
        let start = self.last_own;
        self.last_own = positions.last().copied().unwrap_or(start);
        for (behind, conn, item) in batch.privates.drain(..) {
            let after = behind.checked_sub(1).and_then(|index| positions.get(index)).copied().unwrap_or(start);
            self.private_after(conn, after, item);
        }
    }

    pub(crate) fn conn(&self, conn: ConnRef) -> Option<&Conn> {
        self.out.conns.get(conn.key as usize).filter(|found| found.generation == conn.generation)
    }

    pub(crate) fn conn_mut(&mut self, conn: ConnRef) -> Option<&mut Conn> {
        self.out.conns.get_mut(conn.key as usize).filter(|found| found.generation == conn.generation)
    }

    pub(crate) fn conn_by_sid(&self, sid: &str) -> Option<ConnRef> {
        let key = *self.sessions.get(sid)?;
        Some(ConnRef { key, generation: self.out.conns.get(key as usize)?.generation })
    }

    pub(crate) fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    pub(crate) fn add_conn(&mut self, conn: Conn) -> ConnRef {
        let (sid, generation) = (conn.sid.clone(), conn.generation);
        let key = u32::try_from(self.out.conns.insert(conn)).expect("a shard holds fewer than 2^32 connections");
        self.sessions.insert(sid, key);
        self.schedule(key);
        ConnRef { key, generation }
    }

    /// Takes a connection out that goes on elsewhere. It has no members.
    pub(crate) fn take_conn(&mut self, conn: ConnRef) -> Option<Conn> {
        self.conn(conn).filter(|found| found.seats.is_empty())?;
        let taken = self.out.conns.remove(conn.key as usize);
        self.sessions.remove(&taken.sid);
        Some(taken)
    }

    /// Forgets a connection with all its members.
    pub(crate) fn remove_conn(&mut self, conn: ConnRef) {
        if self.conn(conn).is_none() {
            return;
        }
        let removed = self.out.conns.remove(conn.key as usize);
        self.sessions.remove(&removed.sid);
        for seat in &removed.seats {
            self.delivery.remove(seat.member);
        }
    }

    /// Adds a socket to a connection; until it joins its namespace only what is aimed at its id reaches it.
    pub(crate) fn seat(&mut self, conn: ConnRef, ns: &Arc<str>, id: SocketId, socket: Socket, at: Position) {
        let member = self.delivery.connect(ns, id, ConnKey(conn.key), at);
        let Some(found) = self.conn_mut(conn) else {
            self.delivery.remove(member);
            return;
        };
        let blocked = found.blocked;
        let told = Position::ZERO;
        found.seats.push(Seat { member, socket, ending: false, left: false, offset: at, told });
        if blocked {
            self.delivery.lag(member, at.max(self.delivery.position()));
        }
    }

    pub(crate) fn member(&self, conn: ConnRef, ns: &str) -> Option<MemberKey> {
        self.conn(conn)?.seat_in(ns).map(|seat| seat.member)
    }

    /// Removes members whose farewell was written.
    fn bury(&mut self) {
        while let Some(member) = self.out.farewells.pop() {
            let Some(ConnKey(key)) = self.delivery.conn_of(member) else { continue };
            if let Some(conn) = self.out.conns.get_mut(key as usize) {
                conn.seats.retain(|seat| seat.member != member);
            }
            self.delivery.remove(member);
        }
    }

    /// Writes what this turn has for a connection.
    pub(crate) fn write(&mut self, key: u32) {
        self.out.write(key, &mut self.delivery);
        self.bury();
    }

    pub(crate) fn unblock(&mut self, key: u32) {
        self.out.unblock(key, &mut self.delivery);
    }

    /// Answers the poll that waits, if one does, with this packet alone.
    pub(crate) fn release_poll(&mut self, conn: ConnRef, packet: EnginePacket) {
        let Some(found) = self.conn_mut(conn) else { return };
        if let Outlet::Polling { parked, b64, .. } = &mut found.outlet
            && let Some(reply) = parked.take()
        {
            let _ = reply.send(Reply::Packets { packets: vec![packet], b64: *b64, compress: false });
            self.out.block(conn.key, &mut self.delivery);
        }
    }

    /// Lets the wheel know of the connection's earliest deadline, unless it will ask before that anyway.
    pub(crate) fn schedule(&mut self, key: u32) {
        let Some(conn) = self.out.conns.get_mut(key as usize) else { return };
        let next = conn.deadlines.next();
        let tick = self.wheel.tick_of(next);
        let sooner = |scheduled: u32| tick.wrapping_sub(scheduled) > u32::MAX / 2;
        if conn.deadlines.scheduled.is_none_or(sooner) {
            conn.deadlines.scheduled = Some(self.wheel.schedule(key, next));
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.wheel.next_at().into_iter().chain(self.kept.next_expiry()).min()
    }

    /// It is `now`: sees to every connection whose deadline came.
    pub(crate) fn tick(&mut self, now: Millis) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.take_due(now, &mut due);
        for (key, tick) in due.drain(..) {
            let conn = self.out.conns.get_mut(key as usize);
            if let Some(conn) = conn.filter(|conn| conn.deadlines.scheduled == Some(tick)) {
                conn.deadlines.scheduled = None;
                self.deadline(key, now);
                self.schedule(key);
            }
        }
        self.due = due;
    }

    fn deadline(&mut self, key: u32, now: Millis) {
        let rhythm = self.rhythm;
        let Some(conn) = self.out.conns.get_mut(key as usize) else { return };
        let passed = |by: Option<Millis>| by.is_some_and(|by| by <= now);
        if passed(conn.deadlines.join_by) || passed(conn.deadlines.close_by) {
            conn.deadlines.join_by = None;
            conn.deadlines.close_by = None;
            conn.close(DisconnectReason::ForcedServerClose);
        }
        if passed(conn.deadlines.upgrade_by) {
            conn.deadlines.upgrade_by = None;
            conn.upgrade_timed_out = true;
            conn.waker.wake_by_ref();
        }
        let heart = &mut conn.deadlines.heart;
        let beat = if conn.paused { heart.tick_unread(rhythm, now) } else { heart.tick(rhythm, now) };
        match beat {
            Beat::Wait => {}
            Beat::Dead => {
                conn.deadlines.heart.resume(rhythm, now);
                conn.close(DisconnectReason::PingTimeout);
            }
            Beat::Ping => {
                // Nothing of a turn is waiting to be written when one begins: this is what the client has before it.
                conn.seats.iter().for_each(|seat| self.delivery.pinged(seat.member));
                // One that is still to be written is written for both.
                conn.pings_open += u32::from(!conn.ping_owed);
                self.out.ping(key);
            }
        }
    }

    /// The names of the rooms that a socket is in.
    pub(crate) fn rooms_of(&self, member: MemberKey) -> Vec<Room> {
        self.delivery.rooms_of(member).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use trunkline_proto::{Codec, Parser, Version};

    use super::*;
    use crate::shard::conn::Deadlines;
    use crate::shard::frames::FrameKind;

    const RHYTHM: Rhythm = Rhythm { interval_ms: 25_000, timeout_ms: 20_000 };

    /// A session over polling that nobody polls, opened at 0.
    fn polling(core: &mut Core) -> ConnRef {
        let outlet = Outlet::Polling { parked: None, b64: true, posting: false, seen: Default::default() };
        let codec = Codec { parser: Parser::Default, version: Version::V4 };
        let heart = trunkline_proto::heartbeat::Heartbeat::new(Version::V4, RHYTHM, 0);
        let deadlines = Deadlines { heart, join_by: None, upgrade_by: None, close_by: None, scheduled: None };
        let generation = core.next_generation();
        core.add_conn(Conn::new(
            generation,
            "sid".into(),
            FrameKind { codec, deflate: None, log: None },
            outlet,
            deadlines,
        ))
    }

    #[test]
    fn a_closing_session_that_nobody_polls_ends_after_30_seconds() {
        let mut core = Core::new(RHYTHM, Sessions::new(0, 0), 0);
        let conn = polling(&mut core);
        core.finish(conn, Position::ZERO, 1000);
        core.finish(conn, Position::ZERO, 20_000);
        core.tick(30_999);
        assert_eq!(core.conn(conn).map(|found| found.closed), Some(None));
        core.tick(31_000 + COARSEST);
        let closed = Some(Some(DisconnectReason::ForcedServerClose));
        assert_eq!(core.conn(conn).map(|found| found.closed), closed);
    }
}
