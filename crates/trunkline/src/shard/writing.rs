//! Writing what a turn has for a connection: once, as much as its wire takes. What is not taken is put back, and the
//! members lag. What there is to write, and in which order, is the part of `outbound`.

use std::io;

use trunkline_delivery::{CastKind, Delivery, MemberKey, Position};
use trunkline_proto::EnginePacket;

use crate::DisconnectReason;
use crate::mailbox::Reply;
use crate::shard::conn::{Conn, Outlet, Private, Segment};
use crate::shard::frames::{FrameKind, Frames, Source};
use crate::shard::outbound::Outbound;

/// Packets that one polling answer holds at most. python-engineio refuses more than 16 in its default settings.
const PACKETS_PER_POLL: usize = 16;

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
            Self::Private(_, Private::Event { compress, .. }) => *compress,
            Self::Private(..) => true,
        }
    }

    fn put_packets(&self, kind: FrameKind, packets: &mut Vec<EnginePacket>) {
        match self {
            Self::Source(source) => packets.extend(source.messages(kind).into_iter().map(EnginePacket::Message)),
            Self::Private(
                _,
                Private::Messages(messages) | Private::Event { messages, .. } | Private::Farewell { messages, .. },
            ) => {
                packets.extend(messages.iter().cloned().map(EnginePacket::Message));
            }
            Self::Private(_, Private::Engine(packet) | Private::Tracked(packet, _)) => packets.push(packet.clone()),
            Self::Private(_, Private::Frame(_) | Private::Volatile(_)) => {}
            Self::Private(_, Private::Finish) => packets.push(EnginePacket::Close),
        }
    }
}

impl Outbound {
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
                What::Source(Source::Cast(..)) if taken => {}
                What::Source(Source::Cast(cast, _)) if cast.kind == CastKind::Volatile => {}
                What::Source(source @ Source::Cast(..)) => {
                    back.push((before, source.into_private(conn.kind)));
                }
                What::Private(_, Private::Event { volatile: true, .. }) => {}
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
        for seat in &mut conn.seats {
            match first_left {
                Some(left) => delivery.lag(seat.member, cursor.unwrap_or(left.before())),
                None => delivery.stall(seat.member),
            }
            seat.offset = seat.offset.min(delivery.given(seat.member));
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
                what.put_packets(conn.kind, &mut packets);
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
}

/// The wire has taken this item.
fn taken(conn: &mut Conn, farewells: &mut Vec<MemberKey>, item: Private) {
    match item {
        Private::Farewell { member, .. } => farewells.push(member),
        Private::Tracked(_, receipt) => conn.handed_over(receipt),
        _ => {}
    }
}

fn ping_len(version: trunkline_proto::Version) -> usize {
    let mut ping = Vec::new();
    EnginePacket::Ping(Default::default()).put_ws(version, &mut ping);
    ping.len()
}

fn put_private(item: &Private, conn: &Conn, frames: &mut Frames, out: &mut Vec<u8>) {
    match item {
        // It is encoded when it gets its place.
        Private::Volatile(_) => {}
        Private::Messages(messages) | Private::Event { messages, .. } | Private::Farewell { messages, .. } => {
            let compress = !matches!(item, Private::Event { compress: false, .. });
            for message in messages {
                frames.put(message.clone(), conn.kind, compress, out);
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
