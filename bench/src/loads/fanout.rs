//! Fan-out: rooms of equal size with one publisher each, and so many of its messages outstanding. One room of all is
//! the broadcast, which goes to the namespace. A message is done when every member of the room has it, the publisher
//! included, and then the next one goes.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Steady, Tally, between};
use crate::crowd::{Load, Outbox};
use crate::payload::Origin;
use crate::receipts::Receipts;

/// The load; see the module.
#[derive(Debug)]
pub struct Fanout {
    rooms: Vec<Room>,
    members_per_room: usize,
    /// By connection.
    receipts: Vec<Receipts>,
    window: usize,
    settled: usize,
    stopped: bool,
    tally: Tally,
}

#[derive(Debug)]
struct Room {
    /// What precedes the payload of its messages.
    opening: Vec<u8>,
    published: u64,
    /// The messages under way; the last of them is number `published - 1`.
    pending: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    receivers_left: usize,
    sent_at: Instant,
}

impl Fanout {
    /// Broadcasts to the whole namespace of `connections`, `window` outstanding.
    #[must_use]
    pub fn broadcast(connections: usize, window: usize) -> Self {
        Self::new(vec![b"42[\"pub\",\"".to_vec()], connections, window)
    }

    /// `rooms` rooms of `members_per_room`, `window` outstanding in each.
    #[must_use]
    pub fn rooms(rooms: usize, members_per_room: usize, window: usize) -> Self {
        let openings = (0..rooms).map(|room| format!("42[\"pubroom\",\"r{room}\",\"").into_bytes()).collect();
        Self::new(openings, members_per_room, window)
    }

    fn new(openings: Vec<Vec<u8>>, members_per_room: usize, window: usize) -> Self {
        let rooms: Vec<Room> =
            openings.into_iter().map(|opening| Room { opening, published: 0, pending: VecDeque::new() }).collect();
        let receipts = (0..rooms.len() * members_per_room).map(|_| Receipts::default()).collect();
        Self { rooms, members_per_room, receipts, window, settled: 0, stopped: false, tally: Tally::default() }
    }

    /// How many connections it wants.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.receipts.len()
    }

    fn publish(&mut self, room: usize, out: &mut Outbox) {
        let publisher = room * self.members_per_room;
        let Room { opening, published, pending } = &mut self.rooms[room];
        let payload = Origin { sender: room, number: *published }.payload();
        *published += 1;
        pending.push_back(Pending { receivers_left: self.members_per_room, sent_at: Instant::now() });
        out.text(publisher, &[opening, &payload, b"\"]"]);
    }

    /// Marks one receiver of a message, and publishes for each message that is done with that.
    fn arrived(&mut self, origin: Origin, now: Instant, out: &mut Outbox) {
        let room = &mut self.rooms[origin.sender];
        let first = room.published - room.pending.len() as u64;
        let Some(pending) = origin.number.checked_sub(first).and_then(|at| room.pending.get_mut(at as usize)) else {
            return;
        };
        pending.receivers_left -= 1;
        self.tally.units += 1;
        self.tally.latencies.record(now - pending.sent_at);
        while self.rooms[origin.sender].pending.front().is_some_and(|pending| pending.receivers_left == 0) {
            self.rooms[origin.sender].pending.pop_front();
            if !self.stopped {
                self.publish(origin.sender, out);
            }
        }
    }
}

impl Load for Fanout {
    fn joined(&mut self, who: usize, out: &mut Outbox) {
        if self.rooms.len() == 1 {
            self.settled += 1;
        } else {
            let room = format!("420[\"join\",\"r{}\"]", who / self.members_per_room);
            out.text(who, &[room.as_bytes()]);
        }
    }

    fn packet(&mut self, who: usize, packet: &[u8], now: Instant, out: &mut Outbox) {
        if packet == b"30[\"ok\"]" && self.rooms.len() > 1 {
            self.settled += 1;
            return;
        }
        let origin = between(packet, b"2[\"msg\",\"", b"\"]").map(without_offset).and_then(Origin::of);
        let Some(origin) = origin.filter(|origin| is_sent(&self.rooms, *origin)) else {
            self.tally.noticed.altered += 1;
            return;
        };
        if origin.sender != who / self.members_per_room {
            self.tally.noticed.misrouted += 1;
        } else if self.tally.noticed.count(self.receipts[who].note(origin.number)) {
            self.arrived(origin, now, out);
        }
    }

    fn closed(&mut self, _who: usize, _now: Instant, _out: &mut Outbox) {
        self.tally.noticed.closed += 1;
    }
}

fn is_sent(rooms: &[Room], origin: Origin) -> bool {
    rooms.get(origin.sender).is_some_and(|room| origin.number < room.published)
}

impl Steady for Fanout {
    const UNIT: &'static str = "delivery";

    fn settled(&self) -> usize {
        self.settled
    }

    fn start(&mut self, out: &mut Outbox) {
        for room in 0..self.rooms.len() {
            for _ in 0..self.window {
                self.publish(room, out);
            }
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn outstanding(&self) -> u64 {
        self.rooms.iter().map(|room| room.pending.len() as u64).sum()
    }

    fn count_lost(&mut self) {
        for (who, receipts) in self.receipts.iter().enumerate() {
            self.tally.noticed.lost += receipts.lost(self.rooms[who / self.members_per_room].published);
        }
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}
/// The payload without the offset that a server with recovery sends behind it, as one more argument.
fn without_offset(payload: &[u8]) -> &[u8] {
    payload.windows(3).position(|part| part == b"\",\"").map_or(payload, |end| &payload[..end])
}
