//! What a connection is to say: what a walk or sweep brings, and what handlers send to one connection, put into the
//! order of the log. Writing it is the part of `writing`.

use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;
use trunkline_delivery::{Cast, CastKind, ConnKey, Delivery, Entry, MemberKey, Names, Position, Room, Sink, To};
use trunkline_log::Pin;

use trunkline_proto::EnginePacket;

use crate::DisconnectReason;
use crate::shard::conn::{Conn, Private, Segment, VolatileEvent};
use crate::shard::frames::{Frames, List, Source};
use crate::socket::Socket;

/// Private items that may wait for a connection that does not take them; beyond that the peer is closed as too slow.
const PASSING_MAX: usize = 16 * 1024;

/// A change of rooms that an entry brought.
#[derive(Debug)]
pub(crate) struct RoomChanged {
    pub(crate) member: MemberKey,
    pub(crate) room: Room,
    pub(crate) joined: bool,
}

/// An entry that ends a member.
#[derive(Debug)]
pub(crate) struct Eviction {
    pub(crate) conn: u32,
    pub(crate) member: MemberKey,
    pub(crate) position: Position,
    pub(crate) close: bool,
    /// The rooms it was in.
    pub(crate) rooms: Names,
}

/// Everything about the connections of a shard that has to do with output.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    pub(crate) conns: Slab<Conn>,
    pub(crate) frames: Frames,
    /// Connections with output of this turn.
    pub(crate) touched: std::collections::VecDeque<u32>,
    /// Members whose farewell was written.
    pub(crate) farewells: Vec<MemberKey>,
    pub(crate) room_events: Vec<RoomChanged>,
    pub(crate) evictions: Vec<Eviction>,
    /// The rooms of the member that the next eviction is about.
    ending: Names,
    /// Connections whose private items wait for the walk to pass.
    pub(crate) waiting: Vec<u32>,
    pub(crate) casts_done: Vec<Arc<Cast>>,
    /// Where the cast that is walked stands.
    cast_at: Position,
    /// Entries come from a sweep, not from the walk.
    pub(crate) sweeping: bool,
    pub(super) scratch: Vec<u8>,
    /// There are listeners for what goes out.
    pub(crate) telling: bool,
    /// What outgoing catch-all listeners are to be told.
    pub(crate) told: Vec<(Socket, Source)>,
    /// Connections closed because the log had passed their cursor, or they took no private items.
    pub(crate) cut: u64,
    /// Entries put into the output of members.
    pub(crate) delivered: u64,
    /// Sessions that began, and where.
    pub(crate) began: Vec<(MemberKey, Position)>,
    /// Members without a connection that an entry ended.
    pub(crate) ended_away: Vec<MemberKey>,
    /// What keeps the log readable for members that came back, until they have caught up.
    pub(crate) pins: HashMap<MemberKey, Pin>,
}

impl Outbound {
    pub(super) fn touch(&mut self, key: u32) {
        let conn = &mut self.conns[key as usize];
        if !conn.touched {
            conn.touched = true;
            self.touched.push_back(key);
        }
    }

    /// Sends something to one connection after `after`: at once if nothing is in its way, else when that has passed.
    pub(crate) fn private(&mut self, key: u32, after: Position, item: Private, delivery: &Delivery) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if conn.closed.is_some() {
            return;
        }
        // A member that is behind has not been given everything that stands before the item.
        let behind = conn.catching_up && conn.seats.iter().any(|seat| delivery.given(seat.member) < after);
        let heartbeat = matches!(item, Private::Engine(EnginePacket::Pong(_)) | Private::Frame(_));
        let in_turn = conn.passing.is_empty() && !behind && after <= delivery.position();
        if !conn.blocked && (in_turn || heartbeat) {
            self.say(key, after, item);
        } else if !matches!(item, Private::Volatile(_)) || !(conn.blocked || conn.catching_up) {
            // A volatile item may wait for the entries of its own turn, not for the wire or for what is behind.
            conn.passing.push_back((after, item));
            if !conn.blocked {
                self.waiting.push(key);
            }
            if conn.passing.len() > PASSING_MAX {
                self.cut += 1;
                conn.close(DisconnectReason::TransportError);
            }
        }
    }

    /// Sends CONNECT to a client that comes back, before everything after `after`: also what waits for the sockets of
    /// other namespaces until later does not hold it up.
    pub(crate) fn greet(&mut self, key: u32, after: Position, hello: Private, delivery: &Delivery) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let at = conn.passing.iter().position(|(other, _)| *other > after);
        match at {
            Some(at) if conn.closed.is_none() => conn.passing.insert(at, (after, hello)),
            _ => self.private(key, after, hello, delivery),
        }
    }

    /// Puts a private item into this turn's output.
    fn say(&mut self, key: u32, after: Position, item: Private) {
        let conn = &mut self.conns[key as usize];
        if let Private::Farewell { member, .. } = item {
            conn.set_left(member, true);
        }
        let item = match item {
            // Its offset must be neither before what the client was given nor after what it may still lack.
            Private::Volatile(volatile) => {
                let VolatileEvent { ns, event, compress } = *volatile;
                let Some(seat) = conn.seats.iter().find(|seat| !seat.left && *seat.socket.namespace_name() == ns)
                else {
                    return;
                };
                let messages = conn.kind.event(&ns, None, &event, seat.offset);
                Private::Event { messages, compress, volatile: true }
            }
            other => other,
        };
        conn.pending.push(Segment::Private(after, item));
        self.touch(key);
    }

    /// Says the private items that stand before `until`, as far as they are at the front.
    fn say_passed(&mut self, key: u32, until: Position) {
        while let Some(conn) = self.conns.get_mut(key as usize)
            && let Some(&(after, _)) = conn.passing.front()
            && after < until
            && let Some((after, item)) = conn.passing.pop_front()
        {
            self.say(key, after, item);
        }
    }

    /// After members have caught up: says what waited for that.
    pub(crate) fn release(&mut self, key: u32, delivery: &Delivery) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if conn.blocked || conn.seats.iter().any(|seat| delivery.is_lagging(seat.member)) {
            return;
        }
        conn.catching_up = false;
        self.say_passed(key, delivery.position().next());
        // What came while the wire was blocked may wait for a position that the walk has not reached.
        if self.conns.get(key as usize).is_some_and(|conn| !conn.passing.is_empty())
            && self.waiting.last() != Some(&key)
        {
            self.waiting.push(key);
        }
    }

    /// Remembers a broadcast for the listeners of a socket that it goes out to. What is emitted to a single socket they
    /// are told by who emits it.
    fn tell(&mut self, key: u32, member: MemberKey, source: &Source) {
        if !self.telling {
            return;
        }
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        let Some(seat) = conn.seats.iter_mut().find(|seat| seat.member == member) else { return };
        if let Source::Entry(entry) = source {
            if matches!(entry.target.to, To::Socket(_)) || entry.position <= seat.told {
                return;
            }
            seat.told = entry.position;
        }
        self.told.push((seat.socket.clone(), source.clone()));
    }

    fn append(&mut self, key: u32, source: &Source) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        match conn.pending.last_mut() {
            Some(Segment::List(list)) => *list = self.frames.extend(*list, source),
            _ => {
                let list = self.frames.extend(List::EMPTY, source);
                conn.pending.push(Segment::List(list));
            }
        }
        self.touch(key);
    }

    /// A ping is due: it goes before everything else as soon as the wire takes it.
    pub(crate) fn ping(&mut self, key: u32) {
        self.conns[key as usize].ping_owed = true;
        if !self.conns[key as usize].blocked {
            self.touch(key);
        }
    }

    /// The wire takes bytes again (or a GET is parked): the members are served from where they stand.
    pub(crate) fn unblock(&mut self, key: u32, delivery: &mut Delivery) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.blocked = false;
        if conn.finishing {
            conn.close(DisconnectReason::ForcedServerClose);
            return;
        }
        let mut at_head = true;
        for seat in &conn.seats {
            at_head &= delivery.writable(seat.member);
        }
        if conn.ping_owed {
            self.touch(key);
        }
        if at_head {
            self.release(key, delivery);
        }
    }
}

impl Sink for Outbound {
    fn deliver(&mut self, conn: ConnKey, member: MemberKey, entry: &Arc<Entry>) {
        let ConnKey(key) = conn;
        let Some(found) = self.conns.get(key as usize) else { return };
        // While one socket of a connection is behind, what waits for it does not leave with the entries of another.
        if !found.passing.is_empty() && (self.sweeping || !found.catching_up) {
            self.say_passed(key, entry.position);
        }
        let Some(found) = self.conns.get_mut(key as usize) else { return };
        let only = found.seats.len() == 1;
        let seat = found.seats.iter_mut().find(|seat| only || seat.member == member).filter(|seat| !seat.left);
        if let Some(seat) = seat {
            seat.offset = entry.position;
            self.delivered += 1;
            let source = Source::Entry(entry.clone());
            self.tell(key, member, &source);
            self.append(key, &source);
        }
    }

    fn cast(&mut self, conn: ConnKey, member: MemberKey, cast: &Arc<Cast>, behind: Option<Position>) {
        let ConnKey(key) = conn;
        let Some(found) = self.conns.get_mut(key as usize) else { return };
        let Some(seat) = found.seat_of(member).filter(|seat| !seat.left) else { return };
        if let CastKind::Ack(id) = cast.kind {
            seat.socket.namespace_core().expect_answer(id, seat.socket.id());
        }
        let (kind, at) = (found.kind, behind.unwrap_or(self.cast_at));
        let at_once = !found.blocked && !found.catching_up && behind.is_none();
        if !at_once && cast.kind == CastKind::Volatile {
            return;
        }
        let source = Source::Cast(cast.clone(), at);
        self.tell(key, member, &source);
        if at_once {
            // What waits for later entries waits behind the cast as well.
            let until = self.cast_at.next();
            self.say_passed(key, until);
            self.append(key, &source);
        } else if let Some(found) = self.conns.get_mut(key as usize) {
            let item = source.into_private(kind);
            let behind_it = found.passing.iter().position(|(after, _)| *after > at);
            found.passing.insert(behind_it.unwrap_or(found.passing.len()), (at, item));
        }
    }

    fn cast_begins(&mut self, position: Position) {
        self.cast_at = position;
    }

    fn cast_done(&mut self, cast: &Arc<Cast>) {
        self.casts_done.push(cast.clone());
    }

    fn caught_up(&mut self, conn: ConnKey, member: MemberKey) {
        self.pins.remove(&member);
        self.waiting.push(conn.0);
    }

    fn joined(&mut self, member: MemberKey, room: &Room) {
        self.room_events.push(RoomChanged { member, room: room.clone(), joined: true });
    }

    fn left(&mut self, member: MemberKey, room: &Room) {
        self.room_events.push(RoomChanged { member, room: room.clone(), joined: false });
    }

    fn began(&mut self, member: MemberKey, position: Position) {
        self.began.push((member, position));
    }

    fn ended_away(&mut self, member: MemberKey) {
        self.ended_away.push(member);
    }

    fn ending(&mut self, _member: MemberKey, rooms: Names) {
        self.ending = rooms;
    }

    fn disconnect(&mut self, conn: ConnKey, member: MemberKey, position: Position, close: bool) {
        let rooms = std::mem::take(&mut self.ending);
        self.evictions.push(Eviction { conn: conn.0, member, position, close, rooms });
    }
}
