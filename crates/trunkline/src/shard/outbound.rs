//! The way out: what a walk or sweep says, and what handlers send to one connection, put into the order of the log and
//! written, once a connection and turn.

use std::io;
use std::sync::Arc;

use slab::Slab;
use trunkline_delivery::{Cast, CastKind, ConnKey, Delivery, Entry, MemberKey, Names, Position, Room, Sink};
use trunkline_proto::EnginePacket;

use crate::DisconnectReason;
use crate::mailbox::Reply;
use crate::shard::conn::{Conn, Outlet, Private, Segment};
use crate::shard::frames::{Frames, List, Source};

/// Packets that one polling answer holds at most. python-engineio refuses more than 16 in its default settings.
const PACKETS_PER_POLL: usize = 16;
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
    scratch: Vec<u8>,
    /// Connections closed because the log had passed their cursor, or they took no private items.
    pub(crate) cut: u64,
}

/// One frame or item in the output of a connection, and where it ends in the bytes.
struct Part {
    end: usize,
    what: What,
}

enum What {
    Source(Source),
    Private(Position, Private),
}

impl What {
    /// Of a polling answer, one part that may be compressed lets all of it be, as in the reference.
    fn may_be_compressed(&self) -> bool {
        match self {
            Self::Source(source) => source.compress(),
            Self::Private(..) => true,
        }
    }

    fn put_packets(&self, codec: trunkline_proto::Codec, packets: &mut Vec<EnginePacket>) {
        match self {
            Self::Source(source) => packets.extend(source.messages(codec).into_iter().map(EnginePacket::Message)),
            Self::Private(
                _,
                Private::Messages(messages) | Private::Volatile(messages) | Private::Farewell { messages, .. },
            ) => {
                packets.extend(messages.iter().cloned().map(EnginePacket::Message));
            }
            Self::Private(_, Private::Engine(packet) | Private::Tracked(packet, _)) => packets.push(packet.clone()),
            Self::Private(_, Private::Frame(_)) => {}
            Self::Private(_, Private::Finish) => packets.push(EnginePacket::Close),
        }
    }
}

impl Outbound {
    fn touch(&mut self, key: u32) {
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
        if conn.is_clear() && after <= delivery.position() {
            self.say(key, after, item);
        } else if !matches!(item, Private::Volatile(_)) || !conn.blocked {
            // A volatile item may wait for the entries of its own turn, not for the wire.
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

    /// Puts a private item into this turn's output.
    fn say(&mut self, key: u32, after: Position, item: Private) {
        let conn = &mut self.conns[key as usize];
        if let Private::Farewell { member, .. } = item {
            conn.set_left(member, true);
        }
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

    /// Writes what this turn has for the connection.
    pub(crate) fn write(&mut self, key: u32, delivery: &mut Delivery) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.touched = false;
        if conn.pending.is_empty() && !conn.ping_owed {
            return;
        }
        match &conn.outlet {
            Outlet::WebSocket { .. } => self.write_websocket(key, delivery),
            Outlet::Polling { .. } => self.answer_poll(key, delivery),
            Outlet::Gone => conn.pending.clear(),
        }
    }

    fn write_websocket(&mut self, key: u32, delivery: &mut Delivery) {
        let conn = &mut self.conns[key as usize];
        if let [Segment::List(list)] = conn.pending[..]
            && !conn.ping_owed
        {
            let buffer = self.frames.buffer(list, conn.kind);
            match try_write(&conn.outlet, &buffer) {
                Ok(written) if written == buffer.len() => conn.pending.clear(),
                Ok(written) => self.keep_rest(key, &buffer, written, delivery),
                Err(_) => {
                    conn.pending.clear();
                    conn.close(DisconnectReason::TransportClose);
                }
            }
            return;
        }
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        self.put_all(key, &mut bytes);
        let conn = &mut self.conns[key as usize];
        match try_write(&conn.outlet, &bytes) {
            Ok(written) if written == bytes.len() => {
                conn.ping_owed = false;
                for part in std::mem::take(&mut conn.pending) {
                    match part {
                        Segment::Private(_, Private::Finish) => conn.close(DisconnectReason::ForcedServerClose),
                        Segment::Private(_, item) => taken(conn, &mut self.farewells, item),
                        Segment::List(_) => {}
                    }
                }
            }
            Ok(written) => self.keep_rest(key, &bytes, written, delivery),
            Err(_) => {
                conn.pending.clear();
                conn.close(DisconnectReason::TransportClose);
            }
        }
        self.scratch = bytes;
    }

    fn put_all(&mut self, key: u32, out: &mut Vec<u8>) {
        let conn = &self.conns[key as usize];
        if conn.ping_owed {
            EnginePacket::Ping(Default::default()).put_ws(conn.version, out);
        }
        for segment in &conn.pending {
            match segment {
                Segment::List(list) => out.extend_from_slice(&self.frames.buffer(*list, conn.kind)),
                Segment::Private(_, item) => put_private(item, conn, &mut self.frames, out),
            }
        }
    }

    /// The kernel took only part: keeps the rest of the frame that was begun; what is behind it is put back.
    fn keep_rest(&mut self, key: u32, bytes: &[u8], written: usize, delivery: &mut Delivery) {
        let parts = self.parts(key);
        let conn = &mut self.conns[key as usize];
        let ping = if conn.ping_owed { ping_len(conn.version) } else { 0 };
        let ends = std::iter::once(ping).chain(parts.iter().map(|part| part.end));
        // The frame in which the kernel stopped is kept whole.
        let kept = if written == 0 { 0 } else { ends.into_iter().find(|&end| end >= written).unwrap_or(written) };
        if kept >= ping {
            conn.ping_owed = false;
        }
        if let Outlet::WebSocket { unsent, .. } = &mut conn.outlet {
            unsent.extend_from_slice(&bytes[written..kept]);
        }
        let parts = parts.into_iter().map(|part| (part.end <= kept, part.what)).collect();
        self.put_back(key, parts, delivery);
    }

    /// The wire takes no more: of the parts, each with whether it was taken, private items wait again and the members
    /// lag at the last entry that was taken.
    fn put_back(&mut self, key: u32, parts: Vec<(bool, What)>, delivery: &mut Delivery) {
        let conn = &mut self.conns[key as usize];
        let (mut cursor, mut first_left) = (None, None::<Position>);
        let mut before = delivery.position();
        let mut back = Vec::new();
        for (taken, what) in parts {
            match what {
                What::Private(_, Private::Finish) if taken => conn.finishing = true,
                What::Source(Source::Entry(entry)) => {
                    before = entry.position;
                    if taken {
                        cursor = Some(entry.position);
                    } else {
                        first_left.get_or_insert(entry.position);
                    }
                }
                What::Private(_, item) if taken => self::taken(conn, &mut self.farewells, item),
                What::Source(Source::Cast(_)) if taken => {}
                What::Source(Source::Cast(cast)) if cast.kind == CastKind::Volatile => {}
                What::Source(source @ Source::Cast(_)) => {
                    back.push((before, Private::Messages(source.messages(conn.kind.codec))));
                }
                What::Private(_, Private::Volatile(_)) => {}
                What::Private(after, item) => {
                    // Its member is needed once more, for the entries before its farewell.
                    if let Private::Farewell { member, .. } = item {
                        conn.set_left(member, false);
                    }
                    back.push((after, item));
                }
            }
        }
        for item in back.into_iter().rev() {
            conn.passing.push_front(item);
        }
        conn.pending.clear();
        conn.blocked = true;
        conn.catching_up = true;
        for seat in &conn.seats {
            match first_left {
                Some(left) => delivery.lag(seat.member, cursor.unwrap_or(left.before())),
                None => delivery.stall(seat.member),
            }
        }
        conn.waker.wake_by_ref();
    }

    /// The wire takes no more, with nothing written: the members lag where they stand.
    pub(crate) fn block(&mut self, key: u32, delivery: &mut Delivery) {
        if self.conns[key as usize].blocked {
            return;
        }
        let parts = self.poll_parts(key).into_iter().map(|what| (false, what)).collect();
        self.put_back(key, parts, delivery);
    }

    fn parts(&mut self, key: u32) -> Vec<Part> {
        let conn = &mut self.conns[key as usize];
        let kind = conn.kind;
        let mut end = if conn.ping_owed { ping_len(conn.version) } else { 0 };
        let mut parts = Vec::new();
        for segment in std::mem::take(&mut conn.pending) {
            match segment {
                Segment::List(list) => {
                    for (source, frame) in self.frames.parts(list, kind) {
                        end += frame.len();
                        parts.push(Part { end, what: What::Source(source) });
                    }
                }
                Segment::Private(after, item) => {
                    let mut bytes = Vec::new();
                    put_private(&item, &self.conns[key as usize], &mut self.frames, &mut bytes);
                    end += bytes.len();
                    parts.push(Part { end, what: What::Private(after, item) });
                }
            }
        }
        parts
    }

    /// Answers the parked GET with what this turn has, as much as one answer may hold. The members lag until the next.
    fn answer_poll(&mut self, key: u32, delivery: &mut Delivery) {
        let parts = self.poll_parts(key);
        let conn = &mut self.conns[key as usize];
        let Outlet::Polling { parked, b64, .. } = &mut conn.outlet else { return };
        let (reply, b64) = (parked.take(), *b64);
        let mut packets = Vec::new();
        if reply.is_some() && std::mem::take(&mut conn.ping_owed) {
            packets.push(EnginePacket::Ping(Default::default()));
        }
        let mut full = reply.is_none();
        let (mut finish, mut compress) = (false, false);
        let mut sorted = Vec::new();
        for what in parts {
            // The client hands messages over a tick later than a close packet beside them: never both in one answer.
            let ends = matches!(what, What::Private(_, Private::Finish));
            full |= packets.len() >= PACKETS_PER_POLL || finish || (ends && !packets.is_empty());
            if !full {
                compress |= what.may_be_compressed();
                what.put_packets(conn.kind.codec, &mut packets);
                finish |= ends;
            }
            sorted.push((!full, what));
        }
        if packets.is_empty()
            && let Outlet::Polling { parked, .. } = &mut conn.outlet
            && reply.is_some()
        {
            // Nothing for the client in it (the end of a socket that knows): the GET waits on.
            *parked = reply;
            for (_, what) in sorted {
                if let What::Private(_, item) = what {
                    taken(conn, &mut self.farewells, item);
                }
            }
            return;
        }
        if let Some(reply) = reply
            && reply.send(Reply::Packets { packets, b64, compress }).is_err()
        {
            // Nothing of it was taken.
            sorted.clear();
            conn.close(DisconnectReason::TransportError);
        }
        self.put_back(key, sorted, delivery);
        if finish {
            self.conns[key as usize].close(DisconnectReason::ForcedServerClose);
        }
    }

    fn poll_parts(&mut self, key: u32) -> Vec<What> {
        let mut parts = Vec::new();
        for segment in std::mem::take(&mut self.conns[key as usize].pending) {
            match segment {
                Segment::List(list) => {
                    let sources = self.frames.sources(list).into_iter();
                    parts.extend(sources.map(What::Source));
                }
                Segment::Private(after, item) => parts.push(What::Private(after, item)),
            }
        }
        parts
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

/// The wire has taken this item.
fn taken(conn: &mut Conn, farewells: &mut Vec<MemberKey>, item: Private) {
    match item {
        Private::Farewell { member, .. } => farewells.push(member),
        Private::Tracked(_, receipt) => conn.handed_over(receipt),
        Private::Messages(_) | Private::Volatile(_) | Private::Frame(_) | Private::Engine(_) | Private::Finish => {}
    }
}

fn ping_len(version: trunkline_proto::Version) -> usize {
    let mut ping = Vec::new();
    EnginePacket::Ping(Default::default()).put_ws(version, &mut ping);
    ping.len()
}

fn put_private(item: &Private, conn: &Conn, frames: &mut Frames, out: &mut Vec<u8>) {
    match item {
        Private::Messages(messages) | Private::Volatile(messages) | Private::Farewell { messages, .. } => {
            for message in messages {
                frames.put(message.clone(), conn.kind, out);
            }
        }
        Private::Frame(frame) => out.extend_from_slice(frame),
        Private::Engine(packet) | Private::Tracked(packet, _) => packet.put_ws(conn.version, out),
        Private::Finish => trunkline_proto::ws::put_close(out, None, ""),
    }
}

fn try_write(outlet: &Outlet, bytes: &[u8]) -> io::Result<usize> {
    let Outlet::WebSocket { writer, .. } = outlet else { return Ok(bytes.len()) };
    match writer.try_write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
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
        let Some(found) = self.conns.get(key as usize) else { return };
        if found.seats.len() == 1 && !found.seats[0].left || found.seat_of(member).is_some_and(|seat| !seat.left) {
            self.append(key, &Source::Entry(entry.clone()));
        }
    }

    fn cast(&mut self, conn: ConnKey, member: MemberKey, cast: &Arc<Cast>, behind: Option<Position>) {
        let ConnKey(key) = conn;
        let Some(found) = self.conns.get_mut(key as usize) else { return };
        let Some(seat) = found.seat_of(member).filter(|seat| !seat.left) else { return };
        if let CastKind::Ack(id) = cast.kind {
            seat.socket.namespace_core().expect_answer(id, seat.socket.id());
        }
        if !found.blocked && !found.catching_up && behind.is_none() {
            // What waits for later entries waits behind the cast as well.
            let until = self.cast_at.next();
            self.say_passed(key, until);
            self.append(key, &Source::Cast(cast.clone()));
        } else if cast.kind != CastKind::Volatile {
            let messages = Source::Cast(cast.clone()).messages(found.kind.codec);
            let at = behind.unwrap_or(self.cast_at);
            let behind_it = found.passing.iter().position(|(after, _)| *after > at);
            found.passing.insert(behind_it.unwrap_or(found.passing.len()), (at, Private::Messages(messages)));
        }
    }

    fn cast_begins(&mut self, position: Position) {
        self.cast_at = position;
    }

    fn cast_done(&mut self, cast: &Arc<Cast>) {
        self.casts_done.push(cast.clone());
    }

    fn caught_up(&mut self, conn: ConnKey, _member: MemberKey) {
        self.waiting.push(conn.0);
    }

    fn joined(&mut self, member: MemberKey, room: &Room) {
        self.room_events.push(RoomChanged { member, room: room.clone(), joined: true });
    }

    fn left(&mut self, member: MemberKey, room: &Room) {
        self.room_events.push(RoomChanged { member, room: room.clone(), joined: false });
    }

    fn ending(&mut self, _member: MemberKey, rooms: Names) {
        self.ending = rooms;
    }

    fn disconnect(&mut self, conn: ConnKey, member: MemberKey, position: Position, close: bool) {
        let rooms = std::mem::take(&mut self.ending);
        self.evictions.push(Eviction { conn: conn.0, member, position, close, rooms });
    }
}
