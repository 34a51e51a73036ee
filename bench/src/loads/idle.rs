//! Many quiet connections in one room: what one costs in memory once it has settled, and again after it has had one
//! large message each way and gone quiet. When to look at the memory is `stretch`'s.

use std::time::Instant;

use crate::crowd::{Load, Outbox};
use crate::receipts::Noticed;

/// Bytes of the text in the large message.
const LARGE_BYTES: usize = 16 * 1024;

/// The load; see the module.
#[derive(Debug)]
pub struct Idle {
    connections: usize,
    settled: usize,
    asked: usize,
    answered: usize,
    question: Vec<u8>,
    answer: Vec<u8>,
    noticed: Noticed,
}

impl Idle {
    /// A load of so many connections.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        let text = "y".repeat(LARGE_BYTES);
        Self {
            connections,
            settled: 0,
            asked: 0,
            answered: 0,
            question: format!("421[\"echo\",\"{text}\"]").into_bytes(),
            answer: format!("31[\"{text}\"]").into_bytes(),
            noticed: Noticed::default(),
        }
    }

    /// How many are in the room.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// How many have had their large message.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered
    }

    /// What was wrong.
    #[must_use]
    pub fn noticed(&self) -> Noticed {
        self.noticed
    }

    /// Sends the large message to the next connection that has not had one, if there is one.
    pub fn ask_next(&mut self, out: &mut Outbox) {
        if self.asked < self.connections {
            out.text(self.asked, &[&self.question]);
            self.asked += 1;
        }
    }
}

impl Load for Idle {
    fn joined(&mut self, who: usize, out: &mut Outbox) {
        out.text(who, &[b"420[\"join\",\"quiet\"]"]);
    }

    fn packet(&mut self, _who: usize, packet: &[u8], _now: Instant, out: &mut Outbox) {
        if packet == b"30[\"ok\"]" {
            self.settled += 1;
        } else if packet == self.answer {
            self.answered += 1;
            self.ask_next(out);
        } else {
            self.noticed.altered += 1;
        }
    }

    fn closed(&mut self, _who: usize, _now: Instant, _out: &mut Outbox) {
        self.noticed.closed += 1;
    }
}
