//! Coming and going: connect, upgrade, join the namespace, one echo, leave, close, end of stream; so many at once. A
//! unit is such a cycle.

use std::time::Instant;

use super::{Steady, Tally, between};
use crate::crowd::{Load, Outbox};
use crate::payload::Origin;

/// The load; see the module.
#[derive(Debug)]
pub struct Churn {
    slots: Vec<Slot>,
    stopped: bool,
    tally: Tally,
}

#[derive(Debug, Clone)]
struct Slot {
    cycles: u64,
    since: Option<Instant>,
    echoed: bool,
}

impl Churn {
    /// A load with so many connections at once.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self {
            slots: vec![Slot { cycles: 0, since: None, echoed: false }; at_once],
            stopped: false,
            tally: Tally::default(),
        }
    }

    fn begin(&mut self, who: usize, out: &mut Outbox) {
        let slot = &mut self.slots[who];
        slot.since = Some(Instant::now());
        slot.echoed = false;
        out.connect(who);
    }
}

impl Load for Churn {
    fn joined(&mut self, who: usize, out: &mut Outbox) {
        let payload = Origin { sender: who, number: self.slots[who].cycles }.payload();
        out.text(who, &[b"420[\"echo\",\"", &payload, b"\"]"]);
    }

    fn packet(&mut self, who: usize, packet: &[u8], _now: Instant, out: &mut Outbox) {
        let slot = &mut self.slots[who];
        let noticed = &mut self.tally.noticed;
        match between(packet, b"30[\"", b"\"]").and_then(Origin::of) {
            Some(Origin { sender, .. }) if sender != who => noticed.misrouted += 1,
            Some(_) if slot.echoed => noticed.repeated += 1,
            Some(Origin { number, .. }) if number == slot.cycles => {
                slot.echoed = true;
                out.leave(who);
            }
            _ => noticed.altered += 1,
        }
    }

    fn closed(&mut self, who: usize, now: Instant, out: &mut Outbox) {
        let slot = &mut self.slots[who];
        slot.cycles += 1;
        let since = slot.since.take();
        match since.filter(|_| slot.echoed) {
            Some(since) => {
                self.tally.units += 1;
                self.tally.latencies.record(now - since);
            }
            None => self.tally.noticed.closed += 1,
        }
        if !self.stopped {
            self.begin(who, out);
        }
    }
}

impl Steady for Churn {
    const UNIT: &'static str = "cycle";

    /// Nobody needs to be connected beforehand.
    fn settled(&self) -> usize {
        self.slots.len()
    }

    fn start(&mut self, out: &mut Outbox) {
        for who in 0..self.slots.len() {
            self.begin(who, out);
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn outstanding(&self) -> u64 {
        self.slots.iter().filter(|slot| slot.since.is_some()).count() as u64
    }

    /// A cycle that never ended.
    fn count_lost(&mut self) {
        self.tally.noticed.lost += self.outstanding();
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}
