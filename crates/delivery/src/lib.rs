//! Who gets which entry: positions, rooms with their history, cursors and the walk, as values without I/O.
//!
//! A namespace is an order and a socket is a cursor on it. This crate holds the part of one shard that decides about
//! delivery ([`Delivery`]) and the table that says which shards an entry concerns ([`Interest`]). It knows no
//! connection, clock, lock or runtime: what it is told are facts (a join at a position, an entry handed over, a wire
//! that took only part), and what it gives are calls on a [`Sink`], in log order.
//!
//! ```text
//!   hand_over ─► queue ─► walk ──────────────► Sink::deliver   members at the head
//!                          │ lagging members are passed over
//!   pages of the ring ────► sweep ───────────► Sink::deliver   members behind, until they reach the shard's position
//! ```
//!
//! What it leaves to others: bytes, frames and sockets (the shard's loop in `trunkline`), positions and storage
//! (`trunkline-log`).

mod away;
mod delivery;
mod entry;
mod interest;
mod members;
mod mutant;
mod offset;
mod place;
mod position;
mod restore;
mod session;
mod sessions;
mod sweep;
mod target;
mod walk;

pub use delivery::{Delivery, Sink};
pub use entry::{Act, Cast, CastKind, Entry, Item};
pub use interest::{Interest, MAX_SHARDS, ShardSet};
pub use members::{ConnKey, MemberKey};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use offset::Offset;
pub use place::{id_with_place, shard_of};
pub use position::Position;
pub use restore::{Restored, Wanted};
pub use session::{Session, Stay};
pub use sessions::{Ask, Claim, Kept, Refused, Sessions};
pub use target::{Names, Room, SocketId, Target, To};
