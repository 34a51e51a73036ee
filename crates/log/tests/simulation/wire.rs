//! The connections of one shard: what they were given, how much their wires take, and what had to be put back. It is the
//! least that the machine can be used with.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use trunkline_delivery::{Cast, CastKind, ConnKey, Delivery, Entry, MemberKey, Position, Room, Sink};

use crate::model::{Model, Verdict};
use crate::world::Seen;

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) seats: Vec<Seat>,
    /// So many items more are taken.
    pub(crate) room: u32,
    pub(crate) blocked: bool,
    pending: Vec<(usize, Piece)>,
}

#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) uid: usize,
    pub(crate) key: MemberKey,
    /// Casts that wait until the member has passed a position.
    held: VecDeque<(Position, usize)>,
    /// The member goes when everything up to here is written.
    pub(crate) farewell: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Entry(Position),
    Cast(usize, bool),
}

#[derive(Debug, Default)]
pub(crate) struct Wires {
    pub(crate) conns: BTreeMap<u32, Conn>,
    pub(crate) uids: BTreeMap<MemberKey, usize>,
    next_conn: u32,
    pub(crate) seen: Seen,
}

impl Wires {
    pub(crate) fn open(&mut self, room: u32) -> u32 {
        self.next_conn += 1;
        let conn = Conn { seats: Vec::new(), room, blocked: false, pending: Vec::new() };
        self.conns.insert(self.next_conn, conn);
        self.next_conn
    }

    pub(crate) fn sit(&mut self, conn: u32, uid: usize, key: MemberKey) {
        let conn = self.conns.get_mut(&conn).expect("the connection is there");
        conn.seats.push(Seat { uid, key, held: VecDeque::new(), farewell: None });
        self.uids.insert(key, uid);
    }

    pub(crate) fn touched(&self) -> Option<u32> {
        self.conns.iter().find(|(_, conn)| !conn.pending.is_empty()).map(|(&key, _)| key)
    }

    pub(crate) fn seat(&mut self, uid: usize) -> Option<(u32, &mut Seat)> {
        let all = self.conns.iter_mut().flat_map(|(&key, conn)| conn.seats.iter_mut().map(move |seat| (key, seat)));
        all.into_iter().find(|(_, seat)| seat.uid == uid)
    }

    /// Writes what is pending; what is not taken is put back.
    pub(crate) fn write(&mut self, key: u32, delivery: &mut Delivery, model: &mut Model) -> Verdict {
        let Some(conn) = self.conns.get_mut(&key) else { return Ok(()) };
        let pieces = std::mem::take(&mut conn.pending);
        if pieces.is_empty() {
            return Ok(());
        }
        let taken = pieces.len().min(conn.room as usize);
        conn.room -= if conn.room == u32::MAX { 0 } else { taken as u32 };
        for &(uid, piece) in &pieces[..taken] {
            match piece {
                Piece::Entry(position) => model.got(uid, position.number())?,
                Piece::Cast(number, _) => {
                    self.seen.casts += 1;
                    model.got_cast(uid, number)?;
                }
            }
        }
        if taken < pieces.len() {
            self.seen.put_back += 1;
            conn.put_back(&pieces[taken..], delivery, model);
        }
        Ok(())
    }

    /// The wire takes so many items from now on.
    pub(crate) fn unblock(&mut self, key: u32, room: u32, delivery: &mut Delivery, model: &mut Model) {
        let Some(conn) = self.conns.get_mut(&key) else { return };
        conn.room = room;
        if conn.room == 0 || !conn.blocked {
            return;
        }
        conn.blocked = false;
        for at in 0..conn.seats.len() {
            if delivery.writable(conn.seats[at].key) {
                model.members[conn.seats[at].uid].lagging = false;
                conn.release(at, Position::MAX);
            }
        }
    }

    /// Takes out the members whose farewell is due; their clients must have everything.
    pub(crate) fn bury(&mut self, delivery: &mut Delivery, model: &mut Model) -> Verdict {
        for conn in self.conns.values_mut().filter(|conn| conn.pending.is_empty()) {
            let due = |seat: &mut Seat| {
                seat.farewell.is_some_and(|at| at <= delivery.position()) && !delivery.is_lagging(seat.key)
            };
            for seat in conn.seats.extract_if(.., due).collect::<Vec<_>>() {
                model.complete(seat.uid, delivery.position().number())?;
                model.forget(seat.uid);
                self.uids.remove(&seat.key);
                delivery.remove(seat.key);
            }
        }
        Ok(())
    }

    /// The connection is gone, and with it all that was pending.
    pub(crate) fn close(&mut self, key: u32, delivery: &mut Delivery, model: &mut Model, twice: bool) {
        let Some(conn) = self.conns.remove(&key) else { return };
        for seat in conn.seats {
            model.forget(seat.uid);
            self.uids.remove(&seat.key);
            delivery.remove(seat.key);
            if twice {
                delivery.remove(seat.key);
            }
        }
    }
}

impl Conn {
    fn put_back(&mut self, left: &[(usize, Piece)], delivery: &mut Delivery, model: &mut Model) {
        self.blocked = true;
        for seat in &mut self.seats {
            let own = || left.iter().filter(|(uid, _)| *uid == seat.uid).map(|(_, piece)| *piece);
            let first = own().find_map(|piece| match piece {
                Piece::Entry(position) => Some(position),
                Piece::Cast(..) => None,
            });
            // Where the first entry that is left stands, everything before it was taken.
            match first {
                Some(first) => delivery.lag(seat.key, first.before()),
                None => delivery.stall(seat.key),
            }
            model.members[seat.uid].lagging = true;
            let mut after = Position::ZERO;
            let mut back = VecDeque::new();
            for piece in own() {
                match piece {
                    Piece::Entry(position) => after = position,
                    Piece::Cast(number, keep) if keep => back.push_back((after, number)),
                    Piece::Cast(..) => {}
                }
            }
            back.append(&mut seat.held);
            seat.held = back;
        }
    }

    /// Says the casts of a member that stand before `until`.
    fn release(&mut self, at: usize, until: Position) {
        let seat = &mut self.seats[at];
        while let Some(&(after, number)) = seat.held.front()
            && after < until
        {
            seat.held.pop_front();
            self.pending.push((seat.uid, Piece::Cast(number, true)));
        }
    }
}

/// Hears what the machine of one shard says.
pub(crate) struct Ear<'a> {
    pub(crate) shard: usize,
    pub(crate) wires: &'a mut Wires,
    pub(crate) model: &'a mut Model,
    /// Rooms that entries made members join.
    pub(crate) joined: Vec<(usize, Room)>,
    /// Entries that were given, and whether by a sweep.
    pub(crate) delivered: u64,
    pub(crate) swept: bool,
    pub(crate) verdict: Verdict,
}

impl Ear<'_> {
    fn judge(&mut self, verdict: Verdict) {
        if self.verdict.is_ok() {
            self.verdict = verdict;
        }
    }

    /// The connection, and which of its seats is meant.
    fn find(&mut self, ConnKey(conn): ConnKey, key: MemberKey) -> Result<(&mut Conn, usize), String> {
        let gone = || format!("shard {} still reaches {key:?} on connection {conn}, which is gone", self.shard);
        let uid = *self.wires.uids.get(&key).ok_or_else(gone)?;
        let conn = self.wires.conns.get_mut(&conn).ok_or_else(|| format!("member {uid} has a wrong connection"))?;
        let at = conn.seats.iter().position(|seat| seat.uid == uid);
        Ok((conn, at.ok_or_else(|| format!("member {uid} is not of its connection"))?))
    }

    fn try_deliver(&mut self, conn: ConnKey, key: MemberKey, position: Position) -> Verdict {
        let (conn, at) = self.find(conn, key)?;
        let uid = conn.seats[at].uid;
        if conn.blocked {
            return Err(format!("member {uid} is given entry {position}, though its wire is full"));
        }
        conn.release(at, position);
        conn.pending.push((uid, Piece::Entry(position)));
        Ok(())
    }

    fn try_cast(&mut self, conn: ConnKey, key: MemberKey, cast: &Cast, behind: Option<Position>) -> Verdict {
        let number: usize = cast.event.name.parse().expect("a cast's name is its number");
        let (conn, at) = self.find(conn, key)?;
        let (uid, blocked) = (conn.seats[at].uid, conn.blocked);
        let keep = cast.kind != CastKind::Volatile;
        let seat = &mut conn.seats[at];
        if behind.is_some() || !seat.held.is_empty() {
            if keep {
                seat.held.push_back((behind.unwrap_or_default(), number));
            }
        } else if blocked {
            return Err(format!("member {uid} is not behind, though its wire is full"));
        } else {
            conn.pending.push((uid, Piece::Cast(number, keep)));
        }
        self.model.offer_cast(uid, number, behind.is_some())
    }

    fn try_caught_up(&mut self, conn: ConnKey, key: MemberKey) -> Verdict {
        let (conn, at) = self.find(conn, key)?;
        conn.release(at, Position::MAX);
        let uid = conn.seats[at].uid;
        match std::mem::replace(&mut self.model.members[uid].lagging, false) {
            true => Ok(()),
            false => Err(format!("member {uid} caught up without having been behind")),
        }
    }
}

impl Sink for Ear<'_> {
    fn deliver(&mut self, conn: ConnKey, member: MemberKey, entry: &Arc<Entry>) {
        self.delivered += 1;
        let verdict = self.try_deliver(conn, member, entry.position);
        self.judge(verdict);
    }

    fn cast(&mut self, conn: ConnKey, member: MemberKey, cast: &Arc<Cast>, behind: Option<Position>) {
        let verdict = self.try_cast(conn, member, cast, behind);
        self.judge(verdict);
    }

    fn cast_done(&mut self, cast: &Arc<Cast>) {
        let number = cast.event.name.parse().expect("a cast's name is its number");
        let verdict = self.model.cast_done(self.shard, number);
        self.judge(verdict);
    }

    fn caught_up(&mut self, conn: ConnKey, member: MemberKey) {
        let verdict = self.try_caught_up(conn, member);
        self.judge(verdict);
    }

    fn joined(&mut self, member: MemberKey, room: &Room) {
        match self.wires.uids.get(&member) {
            Some(&uid) => self.joined.push((uid, room.clone())),
            None => self.judge(Err(format!("{member:?}, which is gone, joined {room}"))),
        }
    }

    fn left(&mut self, member: MemberKey, room: &Room) {
        if !self.wires.uids.contains_key(&member) {
            self.judge(Err(format!("{member:?}, which is gone, left {room}")));
        }
    }

    fn disconnect(&mut self, conn: ConnKey, member: MemberKey, position: Position, _close: bool) {
        let verdict = self.find(conn, member).map(|(conn, at)| conn.seats[at].farewell = Some(position));
        self.judge(verdict);
    }
}
