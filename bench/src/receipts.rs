//! What one receiver has of one sender's numbered messages, and the sum of what was wrong over a whole run. Whether the
//! content is right is `payload`'s.

use serde::{Deserialize, Serialize};

/// The numbers one receiver has seen of one sender.
#[derive(Debug, Default)]
pub struct Receipts {
    next: u64,
    /// Numbers below `next` that have not come; empty unless something is wrong.
    missing: Vec<u64>,
}

/// What a number that came says about the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It was not there before, and nothing later was.
    InOrder,
    /// It was not there before, but something later was.
    Late,
    /// It was there before.
    Repeated,
}

impl Receipts {
    /// Notes that `number` came.
    pub fn note(&mut self, number: u64) -> Receipt {
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
            return Receipt::InOrder;
        }
        match self.missing.iter().position(|missing| *missing == number) {
            Some(at) => {
                self.missing.swap_remove(at);
                Receipt::Late
            }
            None => Receipt::Repeated,
        }
    }

    /// How many of the first `sent` numbers have not come.
    #[must_use]
    pub fn lost(&self, sent: u64) -> u64 {
        self.missing.len() as u64 + sent.saturating_sub(self.next)
    }
}

/// What was wrong in a run; all zero for a server that works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    /// Deliveries that never came.
    pub lost: u64,
    /// Deliveries that came again.
    pub repeated: u64,
    /// Deliveries that came after a later one of the same sender.
    pub reordered: u64,
    /// Packets that nobody sent like that.
    pub altered: u64,
    /// Deliveries that came to somebody they were not for.
    pub misrouted: u64,
    /// Connections that ended by themselves or were refused.
    pub closed: u64,
}

impl Noticed {
    /// Counts what `receipt` says, and tells whether it is a delivery that was owed.
    pub fn count(&mut self, receipt: Receipt) -> bool {
        match receipt {
            Receipt::InOrder => true,
            Receipt::Late => {
                self.reordered += 1;
                true
            }
            Receipt::Repeated => {
                self.repeated += 1;
                false
            }
        }
    }

    /// Whether anything was wrong.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_lost_until_they_are_filled_late() {
        let mut receipts = Receipts::default();
        let seen: Vec<Receipt> = [0, 2, 1, 1, 4].map(|number| receipts.note(number)).to_vec();
        use Receipt::{InOrder, Late, Repeated};
        assert_eq!(seen, [InOrder, InOrder, Late, Repeated, InOrder]);
        assert_eq!(receipts.lost(5), 1);
        assert_eq!(receipts.lost(7), 3);
    }
}
