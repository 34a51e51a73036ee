//! The contract of a log: what it owes to those who append, to those who distribute, and to cursors that are behind.
//! Implementations are beside it; nothing above this trait knows which one a deployment has.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use trunkline_delivery::{Act, Entry, Position, Room, Target};

/// A boxed future that may be polled on any thread.
pub type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// An entry that has no position yet.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Whom it is for.
    pub target: Target,
    /// What it says.
    pub act: Act,
}

/// What is appended in one atomic step.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The entries, in order. Without any, the batch may still keep an answer.
    pub entries: Vec<NewEntry>,
    /// The key that this batch is appended under at most once, and the answer that is kept with it.
    pub keyed: Option<Keyed>,
}

/// A publish that must not happen twice.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// What names it, with everything its scope consists of; compared byte by byte.
    pub key: Bytes,
    /// What every later try is told.
    pub answer: Bytes,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is committed; the position of each of its entries.
    New(Vec<Position>),
    /// Its key was appended before: nothing of it was, and this is the answer that was kept then.
    Known(Bytes),
}

/// How long things are kept at the least, whatever the limits of bytes and age say.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Entries and acts: a session that may still be claimed is built from them.
    pub entries: Duration,
    /// Keys and their answers, counted from their commit.
    pub keys: Duration,
}

/// Keeps everything after a position readable for as long as it lives.
///
/// It is bounded: an adapter whose limit of bytes is exceeded twice over lets go all the same, and the reader finds the
/// place gone.
#[derive(Debug)]
pub struct Pin(Option<Box<dyn PinGuard>>);

/// What an adapter hands out behind a [`Pin`]; dropping it lets go.
pub trait PinGuard: Send + Sync + fmt::Debug {}

impl Pin {
    /// A pin that lets go when `guard` is dropped.
    #[must_use]
    pub fn new(guard: Box<dyn PinGuard>) -> Self {
        Self(Some(guard))
    }

    /// A pin of nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether it keeps anything.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }
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
    /// How many of them at most, and from which end.
    pub take: Take,
}

/// Which end of a history is taken. What is returned is oldest first either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The newest this many.
    Newest(usize),
    /// The oldest this many: a page that is read forward.
    Oldest(usize),
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
/// - **A key once.** Of all batches with one key the first that is committed wins; the others are answered with what it
///   kept, also those that raced it, for at least [`Keep::keys`].
/// - **Commit before delivery.** [`Adapter::tail`] and [`Adapter::read`] show an entry only when it is committed, and a
///   committed entry is never taken back.
/// - **No waiting on readers.** A slow reader never delays an append; it may find its place gone.
pub trait Adapter: Send + Sync + fmt::Debug {
    /// Appends the batch and gives the position of each of its entries once they are committed.
    ///
    /// Appends take their place in the order of the calls of one thread.
    fn append(&self, batch: Batch) -> BoxFuture<Result<Appended, AppendError>>;

    /// The answer kept with a committed key.
    fn answer(&self, key: &[u8]) -> BoxFuture<Result<Option<Bytes>, ReadError>>;

    /// What this log is called: offsets and sessions of a log of another name mean nothing here. A log that may have
    /// lost entries that were committed comes back under a new name.
    fn epoch(&self) -> u64;

    /// What is kept at the least from now on.
    fn keep(&self, keep: Keep);

    /// Keeps what is after `after` readable.
    ///
    /// # Errors
    ///
    /// [`ReadError::Gone`] if it is not.
    fn pin(&self, after: Position) -> Result<Pin, ReadError>;

    /// What is kept and is no event, in order: what sessions are rebuilt from after a start. It reaches back at least
    /// [`Keep::entries`] from the newest entry; what is older may be left out.
    fn acts(&self) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>>;

    /// Why appends are refused at the moment, if they are.
    fn trouble(&self) -> Option<String>;

    /// Tells what there is to know about the log's sizes: names of metrics, which begin with `trunkline_log_`, and their
    /// values now.
    fn figures(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        let _ = tell;
    }

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

    /// Events of a room, oldest first, as far as they are kept.
    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>>;

    /// Ends the log for this process; later appends are refused as [`AppendError::Closed`].
    fn close(&self) -> BoxFuture<()>;
}
