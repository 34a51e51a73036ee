//! The contract of a log: what it owes to those who append, to those who distribute, and to cursors that are behind.
//! Implementations are beside it; nothing above this trait knows which one a deployment has.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use trunkline_delivery::{Act, Entry, Position, Room, Target};

/// A boxed future that may be polled on any thread.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An entry that has no position yet.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Whom it is for.
    pub target: Target,
    /// What it says.
    pub act: Act,
}

/// A stretch of the log.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The entries in it, in order.
    pub entries: Vec<Arc<Entry>>,
    /// There is no other entry after the page's start up to and including this position.
    pub upto: Position,
}

/// How much a page may hold. At least one entry is returned however large it is.
#[derive(Clone, Copy, Debug)]
pub struct PageLimit {
    /// Entries.
    pub entries: usize,
    /// Bytes by [`Entry::size`].
    pub bytes: usize,
}

/// Which events of a room are wanted.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// The namespace.
    pub ns: Arc<str>,
    /// The room; an event counts if it was aimed at this room.
    pub room: Room,
    /// Only what stands after this position.
    pub after: Position,
    /// The newest this many of them.
    pub limit: usize,
}

/// Why a batch was not appended. Nothing of it will ever be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// The log cannot take entries at the moment; the text says why.
    Unavailable(String),
    /// The log was closed by this process.
    Closed,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the log is unavailable: {why}"),
            Self::Closed => f.write_str("the log is closed"),
        }
    }
}

impl std::error::Error for AppendError {}

/// Why a page could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// Entries after the position asked for are no longer kept; the oldest that is kept is named.
    Gone {
        /// The oldest entry that can still be read.
        oldest: Position,
    },
    /// The log cannot be read at the moment; the text says why.
    Unavailable(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { oldest } => write!(f, "entries before {oldest} are no longer kept"),
            Self::Unavailable(why) => write!(f, "the log cannot be read: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// The one ordered log of a deployment.
///
/// - **One order.** Positions grow; every reader sees the same entries at the same positions.
/// - **Atomic batches.** A batch is appended whole, its entries one behind the other, or not at all.
/// - **Commit before delivery.** [`Adapter::tail`] and [`Adapter::read`] show an entry only when it is committed, and a
///   committed entry is never taken back.
/// - **No waiting on readers.** A slow reader never delays an append; it may find its place gone.
pub trait Adapter: Send + Sync + fmt::Debug {
    /// Appends the batch and gives the position of each of its entries once they are committed.
    fn append(&self, batch: Vec<NewEntry>) -> BoxFuture<Result<Vec<Position>, AppendError>>;

    /// The newest committed position.
    fn committed(&self) -> Position;

    /// The committed entries after `after` that this process has not been shown yet, without waiting.
    ///
    /// `after` must be a position that an earlier call returned as `upto`; as long as there is one caller, it misses
    /// nothing.
    fn tail(&self, after: Position) -> Page;

    /// Resolves when something after `after` is committed.
    fn changed(&self, after: Position) -> BoxFuture<()>;

    /// A page of the committed entries after `after`.
    fn read(&self, after: Position, limit: PageLimit) -> BoxFuture<Result<Page, ReadError>>;

    /// The newest events of a room, oldest first, as far as they are kept.
    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>>;

    /// Ends the log for this process; later appends are refused as [`AppendError::Closed`].
    fn close(&self) -> BoxFuture<()>;
}
