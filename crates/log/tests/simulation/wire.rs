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
    /// What the wire has taken and its clients have not handled yet: whose it is, of which session, and what.
    pub(crate) flight: VecDeque<(usize, usize, Piece)>,
    /// The clients are gone; the server does not know.
    pub(crate) dead: bool,
    ping_owed: bool,
    /// Pings that were not answered yet, and answers on their way.
    pub(crate) pings: u32,
    pub(crate) pongs: u32,
}

#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) uid: usize,
    pub(crate) client: usize,
    pub(crate) key: MemberKey,
    /// What waits until the member has passed a position.
    held: VecDeque<(Position, Piece)>,
    /// The member goes when everything up to here is written.
    pub(crate) farewell: Option<Position>,
    /// The last entry that its wire took.
    pub(crate) written: Position,
    /// What the next pong confirms.
    pub(crate) pinged: Option<Position>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Entry(Position),
    /// Its number, whether it is kept for a member that is behind, and the offset that it carries.
    Cast(usize, bool, Position),
    /// CONNECT, and after which position everything comes behind it if the client knows the session.
    Connect(Position),
    /// DISCONNECT.
    Farewell,
    Ping,
}

#[derive(Debug, Default)]
pub(crate) struct Wires {
    pub(crate) conns: BTreeMap<u32, Conn>,
    pub(crate) uids: BTreeMap<MemberKey, usize>,
    next_conn: u32,
    /// Clients handle what comes in their own time, and can come back.
    recovery: bool,
    /// Where the cast that is walked stands.
    cast_at: Position,
    pub(crate) seen: Seen,
}

impl Wires {
    pub(crate) fn new(recovery: bool) -> Self {
        Self { recovery, ..Self::default() }
    }

    pub(crate) fn open(&mut self, room: u32) -> u32 {
        self.next_conn += 1;
        let conn = Conn {
            seats: Vec::new(),
            room,
            blocked: false,
            pending: Vec::new(),
            flight: VecDeque::new(),
            dead: false,
            ping_owed: false,
            pings: 0,
            pongs: 0,
        };
        self.conns.insert(self.next_conn, conn);
        self.next_conn
    }

    /// A member that is owed what is after `from` has this connection.
    pub(crate) fn sit(&mut self, conn: u32, client: usize, uid: usize, key: MemberKey, from: Position) {
        let conn = self.conns.get_mut(&conn).expect("the connection is there");
        conn.seats.push(Seat { uid, client, key, held: VecDeque::new(), farewell: None, written: from, pinged: None });
        self.uids.insert(key, uid);
    }

    pub(crate) fn touched(&self) -> Option<u32> {
        let touched = |conn: &Conn| !conn.pending.is_empty() || (conn.ping_owed && !conn.blocked);
        self.conns.iter().find(|(_, conn)| touched(conn)).map(|(&key, _)| key)
    }

    /// The member of a session, with or without a connection.
    pub(crate) fn key_of(&self, uid: usize) -> Option<MemberKey> {
        self.uids.iter().find(|&(_, &other)| other == uid).map(|(&key, _)| key)
    }

    pub(crate) fn seat(&mut self, uid: usize) -> Option<(u32, &mut Seat)> {
        let all = self.conns.iter_mut().flat_map(|(&key, conn)| conn.seats.iter_mut().map(move |seat| (key, seat)));
        all.into_iter().find(|(_, seat)| seat.uid == uid)
    }

    /// Writes what is pending; what is not taken is put back.
    pub(crate) fn write(&mut self, key: u32, delivery: &mut Delivery, model: &mut Model) -> Verdict {
        let Some(conn) = self.conns.get_mut(&key) else { return Ok(()) };
        let pieces = std::mem::take(&mut conn.pending);
        if conn.ping_owed && !conn.blocked && conn.room > 0 {
            conn.ping_owed = false;
            conn.room -= u32::from(conn.room != u32::MAX);
            conn.fly(usize::MAX, usize::MAX, Piece::Ping);
        }
        if pieces.is_empty() && !conn.ping_owed {
            return Ok(());
        }
        let taken = pieces.len().min(conn.room as usize);
        conn.room -= if conn.room == u32::MAX { 0 } else { taken as u32 };
        for &(uid, piece) in &pieces[..taken] {
            match piece {
                _ if self.recovery => conn.fly(conn.client_of(uid), uid, piece),
                Piece::Entry(position) => model.got(uid, position.number())?,
                Piece::Cast(number, ..) => {
                    self.seen.casts += 1;
                    model.got_cast(uid, number)?;
                }
                Piece::Connect(_) | Piece::Farewell | Piece::Ping => {}
            }
        }
        if taken < pieces.len() || conn.ping_owed {
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
                conn.release(at, delivery.position().next());
            }
        }
    }

    /// Says what waited for the walk to pass.
    pub(crate) fn release_passed(&mut self, delivery: &Delivery) {
        for conn in self.conns.values_mut().filter(|conn| !conn.blocked) {
            for at in 0..conn.seats.len() {
                if !conn.seats[at].held.is_empty() && !delivery.is_lagging(conn.seats[at].key) {
                    conn.release(at, delivery.position().next());
                }
            }
        }
    }

    /// CONNECT for a member goes out after a position.
    pub(crate) fn greet(&mut self, key: u32, uid: usize, after: Position, from: Position, delivery: &Delivery) {
        let Some(conn) = self.conns.get_mut(&key) else { return };
        let Some(seat) = conn.seats.iter_mut().find(|seat| seat.uid == uid) else { return };
        if conn.blocked || !seat.held.is_empty() || after > delivery.position() {
            seat.held.push_back((after, Piece::Connect(from)));
        } else {
            conn.pending.push((uid, Piece::Connect(from)));
        }
    }

    /// A ping is due at the beginning of a turn.
    pub(crate) fn ping(&mut self, key: u32, delivery: &mut Delivery) {
        let Some(conn) = self.conns.get_mut(&key) else { return };
        conn.seats.iter().for_each(|seat| delivery.pinged(seat.key));
        conn.pings += u32::from(!conn.ping_owed);
        conn.ping_owed = true;
    }

    /// Takes out the members whose farewell is due; their clients must have everything.
    pub(crate) fn bury(&mut self, delivery: &mut Delivery, model: &mut Model) -> Verdict {
        for conn in self.conns.values_mut().filter(|conn| conn.pending.is_empty()) {
            let due = |seat: &mut Seat| {
                seat.farewell.is_some_and(|at| at <= delivery.position()) && !delivery.is_lagging(seat.key)
            };
            for seat in conn.seats.extract_if(.., due).collect::<Vec<_>>() {
                if self.recovery {
                    conn.fly(seat.client, seat.uid, Piece::Farewell);
                } else {
                    model.complete(seat.uid, delivery.position().number())?;
                }
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
    fn client_of(&self, uid: usize) -> usize {
        self.seats.iter().find(|seat| seat.uid == uid).map_or(usize::MAX, |seat| seat.client)
    }

    /// The wire takes a piece.
    fn fly(&mut self, client: usize, uid: usize, piece: Piece) {
        if let Piece::Entry(position) = piece {
            self.seats.iter_mut().filter(|seat| seat.uid == uid).for_each(|seat| seat.written = position);
        }
        if !self.dead {
            self.flight.push_back((client, uid, piece));
        }
    }

    fn put_back(&mut self, left: &[(usize, Piece)], delivery: &mut Delivery, model: &mut Model) {
        self.blocked = true;
        for seat in &mut self.seats {
            let own = || left.iter().filter(|(uid, _)| *uid == seat.uid).map(|(_, piece)| *piece);
            let first = own().find_map(|piece| match piece {
                Piece::Entry(position) => Some(position),
                _ => None,
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
                    Piece::Cast(_, false, _) => {}
                    piece => back.push_back((after, piece)),
                }
            }
            back.append(&mut seat.held);
            seat.held = back;
        }
    }

    /// Says what a member has waiting before `until`.
    fn release(&mut self, at: usize, until: Position) {
        let seat = &mut self.seats[at];
        while let Some(&(after, piece)) = seat.held.front()
            && after < until
        {
            seat.held.pop_front();
            self.pending.push((seat.uid, piece));
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
    /// Sessions that began, and members that entries ended.
    pub(crate) began: Vec<(MemberKey, Position)>,
    pub(crate) ended: Vec<MemberKey>,
    /// Who stands at the head again.
    pub(crate) caught_up: Vec<MemberKey>,
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
        let cast_at = self.wires.cast_at;
        let (conn, at) = self.find(conn, key)?;
        let (uid, blocked) = (conn.seats[at].uid, conn.blocked);
        let keep = cast.kind != CastKind::Volatile;
        let piece = Piece::Cast(number, keep, behind.unwrap_or(cast_at));
        if let Some(behind) = behind {
            if keep {
                conn.seats[at].held.push_back((behind, piece));
            }
        } else if blocked {
            return Err(format!("member {uid} is not behind, though its wire is full"));
        } else {
            // What waits for later entries waits behind the cast as well.
            conn.release(at, cast_at.next());
            conn.pending.push((uid, piece));
        }
        self.model.offer_cast(uid, number, behind.is_some())
    }

    fn try_caught_up(&mut self, conn: ConnKey, key: MemberKey) -> Verdict {
        let (conn, at) = self.find(conn, key)?;
        let uid = conn.seats[at].uid;
        self.caught_up.push(key);
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

    fn cast_begins(&mut self, position: Position) {
        self.wires.cast_at = position;
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
        self.ended.push(member);
        let verdict = self.find(conn, member).map(|(conn, at)| conn.seats[at].farewell = Some(position));
        self.judge(verdict);
    }

    fn began(&mut self, member: MemberKey, position: Position) {
        self.began.push((member, position));
    }

    fn ended_away(&mut self, member: MemberKey) {
        self.ended.push(member);
    }
}
