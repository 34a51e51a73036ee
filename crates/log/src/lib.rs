//! The ordered log behind everything that is delivered: the [`Adapter`] trait, which is the one seam of the system, and two
//! that follow it: [`Memory`], and [`Durable`] on this machine's disk.
//!
//! An adapter gives positions and keeps entries for as long as it can. It knows no connection, no shard and no room's
//! members; who gets an entry is decided in `trunkline-delivery`.
//!
//! ```text
//!   append(batch) ─► positions          one atomic step a batch; the order of the log is the order of delivery
//!   tail(after)   ─► committed entries  in order, own ones included: what is distributed to the shards
//!   read(after)   ─► a page, or gone    for cursors that are behind, and for history
//! ```

mod adapter;
pub mod durable;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod keys;
#[cfg(feature = "kit")]
pub mod kit;
mod memory;
mod ring;

pub use adapter::{
    Adapter, AppendError, Appended, Batch, BoxFuture, HistoryQuery, Keep, Keyed, NewEntry, Page, PageLimit, Pin,
    PinGuard, ReadError, Take,
};
pub use durable::{Durable, DurableOptions, OpenError};
pub use memory::{Memory, MemoryLimits};
pub use trunkline_delivery::{Act, Entry, Names, Position, Session, Stay, Target, To};
