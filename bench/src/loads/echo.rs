//! Echo with ack, one outstanding per connection: the server's whole path for one message in and one out. The id of
//! the ack is the number of the message, so that an answer to another question shows.

use std::time::Instant;

use super::{Steady, Tally, between};
use crate::crowd::{Load, Outbox};
use crate::payload::Origin;
use crate::receipts::Receipts;

/// The load; see the module.
#[derive(Debug)]
pub struct Echo {
    clients: Vec<Asking>,
    settled: usize,
    stopped: bool,
    tally: Tally,
}

#[derive(Debug)]
struct Asking {
    asked: u64,
    waiting: bool,
    sent_at: Instant,
    receipts: Receipts,
}

impl Echo {
    /// A load for so many connections.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        let sent_at = Instant::now();
        let clients = (0..connections)
            .map(|_| Asking { asked: 0, waiting: false, sent_at, receipts: Receipts::default() })
            .collect();
        Self { clients, settled: 0, stopped: false, tally: Tally::default() }
    }

    fn ask(&mut self, who: usize, out: &mut Outbox) {
        let client = &mut self.clients[who];
        let payload = Origin { sender: who, number: client.asked }.payload();
        let mut digits = [0; 20];
        let id = decimal(client.asked, &mut digits);
        client.asked += 1;
        client.waiting = true;
        client.sent_at = Instant::now();
        out.text(who, &[b"42", id, b"[\"echo\",\"", &payload, b"\"]"]);
    }
}

impl Load for Echo {
    fn joined(&mut self, _who: usize, _out: &mut Outbox) {
        self.settled += 1;
    }

    fn packet(&mut self, who: usize, packet: &[u8], now: Instant, out: &mut Outbox) {
        let client = &mut self.clients[who];
        let Some(origin) = answer(packet).filter(|origin| origin.number < client.asked) else {
            self.tally.noticed.altered += 1;
            return;
        };
        if origin.sender != who {
            self.tally.noticed.misrouted += 1;
        } else if self.tally.noticed.count(client.receipts.note(origin.number)) {
            client.waiting = false;
            self.tally.units += 1;
            self.tally.latencies.record(now - client.sent_at);
            if !self.stopped {
                self.ask(who, out);
            }
        }
    }

    fn closed(&mut self, _who: usize, _now: Instant, _out: &mut Outbox) {
        self.tally.noticed.closed += 1;
    }
}

impl Steady for Echo {
    const UNIT: &'static str = "round trip";

    fn settled(&self) -> usize {
        self.settled
    }

    fn start(&mut self, out: &mut Outbox) {
        for who in 0..self.clients.len() {
            self.ask(who, out);
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn outstanding(&self) -> u64 {
        self.clients.iter().filter(|client| client.waiting).count() as u64
    }

    fn count_lost(&mut self) {
        self.tally.noticed.lost += self.clients.iter().map(|client| client.receipts.lost(client.asked)).sum::<u64>();
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

/// The origin of `3<id>["payload"]`, when the id and the payload belong together.
fn answer(packet: &[u8]) -> Option<Origin> {
    let rest = packet.strip_prefix(b"3")?;
    let (id, args) = rest.split_at(rest.iter().position(|byte| *byte == b'[')?);
    let origin = Origin::of(between(args, b"[\"", b"\"]")?)?;
    let mut digits = [0; 20];
    (decimal(origin.number, &mut digits) == id).then_some(origin)
}

/// Writes a number without an allocation.
fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &digits[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_the_id_of_its_question() {
        let origin = Origin { sender: 3, number: 120 };
        let payload = String::from_utf8_lossy(&origin.payload()).into_owned();
        assert_eq!(answer(format!("3120[\"{payload}\"]").as_bytes()), Some(origin));
        assert_eq!(answer(format!("3121[\"{payload}\"]").as_bytes()), None);
        assert_eq!(answer(format!("3120[\"{payload}\",1]").as_bytes()), None);
    }
}
