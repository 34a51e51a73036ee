//! What the writer, the reader and the callers of a durable store share: the ring, the catalogue of segments, the keys.
//! Its locks are held for moments; files are touched by the threads alone.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trunkline_delivery::Position;

use super::inbox::Inbox;
use super::options::DurableOptions;
use super::promise::Promise;
use super::reader::Asked;
use super::segment::Segment;
use super::storage::StoredFile;
use crate::keys::Keys;
use crate::ring::{Pins, Ring};
use crate::{AppendError, Appended, Batch, Keep, ReadError};

/// A batch that waits for the writer.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) batch: Batch,
    pub(crate) promise: Promise<Result<Appended, AppendError>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: DurableOptions,
    pub(crate) epoch: u64,
    state: Mutex<State>,
    keys: Mutex<Keys>,
    pub(crate) jobs: Inbox<Job>,
    pub(crate) reads: Inbox<Asked>,
    /// How often the disk was written to, and blocks were read from it.
    pub(crate) writes: AtomicU64,
    pub(crate) blocks_read: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ring: Ring,
    /// Oldest first; the last one is open. Never empty.
    pub(crate) segments: VecDeque<Segment>,
    /// Bytes of their files.
    pub(crate) bytes: u64,
    /// The newest sealed segment that is on the disk itself, with all before it.
    pub(crate) synced: u64,
    pub(crate) keep: Keep,
    pub(crate) pins: Pins,
    pub(crate) trouble: Option<String>,
}

/// Where to read: a run of records of one file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) file: Arc<dyn StoredFile>,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The position that its first record has.
    pub(crate) first: Position,
}

impl Shared {
    pub(crate) fn new(options: DurableOptions, epoch: u64, state: State, keys: Keys) -> Self {
        /// Reads that wait. Each is a caller that waits as well, so this is met by thousands of laggards at once only.
        const READS_MAX: usize = 10_000;
        let jobs = Inbox::new(options.queue_bytes);
        Self {
            options,
            epoch,
            state: Mutex::new(state),
            keys: Mutex::new(keys),
            jobs,
            reads: Inbox::new(READS_MAX),
            writes: AtomicU64::new(0),
            blocks_read: AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys have a lock of their own: the writer holds it while it puts a write together, when nobody needs to wait for
    /// it who only wants entries. It is never taken under the other one, nor the other one under it.
    pub(crate) fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The oldest position that can be read, or the next one to come.
    pub(crate) fn oldest(&self) -> Position {
        let stored = self.segments.front().map_or(self.ring.committed().next(), |segment| segment.header.first);
        self.ring.oldest().map_or(stored, |held| held.min(stored))
    }

    /// Whether everything after `after` is kept.
    pub(crate) fn check(&self, after: Position) -> Result<(), ReadError> {
        let oldest = self.oldest();
        if after.next() < oldest { Err(ReadError::Gone { oldest }) } else { Ok(()) }
    }

    /// The block that the entry at `position` is in; `None` if it is not in a segment.
    pub(crate) fn place_of(&self, position: Position) -> Option<Place> {
        let after = self.segments.partition_point(|segment| segment.header.first <= position);
        // Segments without entries share their first position with the next one.
        let segment = self.segments.get(after.checked_sub(1)?)?;
        segment.place(segment.index.block_of(position))
    }
}

impl Segment {
    /// Where a block of it stands.
    pub(crate) fn place(&self, block: usize) -> Option<Place> {
        let (start, end) = self.index.range(block)?;
        let first = self.index.blocks.get(block)?.first;
        Some(Place { segment: self.number(), file: self.file.clone(), start, end, first })
    }
}
