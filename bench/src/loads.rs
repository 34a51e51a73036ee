//! The loads: who sends what when, and what must come back. Each is a small state machine that is told what came and
//! says what to send; sockets are `crowd`'s and the stretches of time `stretch`'s.

mod churn;
mod echo;
mod fanout;
mod idle;

pub use churn::Churn;
pub use echo::Echo;
pub use fanout::Fanout;
pub use idle::Idle;

use crate::crowd::{Load, Outbox};
use crate::histogram::Histogram;
use crate::receipts::Noticed;

/// What every load counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Deliveries, round trips or cycles, those that were owed and right.
    pub units: u64,
    /// How long each took.
    pub latencies: Histogram,
    /// What was wrong.
    pub noticed: Noticed,
}

/// A load that runs for as long as one likes.
pub trait Steady: Load {
    /// What a unit is, in one word.
    const UNIT: &'static str;

    /// How many clients are where the load wants them before it starts.
    fn settled(&self) -> usize;
    /// Sends the first messages.
    fn start(&mut self, out: &mut Outbox);
    /// Sends no more from now on, only takes what is owed.
    fn stop(&mut self);
    /// How many messages are under way.
    fn outstanding(&self) -> u64;
    /// Counts as lost what has not come. Called once, at the end.
    fn count_lost(&mut self);
    /// What was counted.
    fn tally(&mut self) -> &mut Tally;
}

/// The text between a prefix and a suffix.
fn between<'a>(packet: &'a [u8], prefix: &[u8], suffix: &[u8]) -> Option<&'a [u8]> {
    packet.strip_prefix(prefix)?.strip_suffix(suffix)
}
