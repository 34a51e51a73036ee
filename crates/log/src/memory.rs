//! The ring: a log in the memory of this process, bounded by entries and bytes. Appends are done in place, on the
//! caller's thread; nothing survives the process.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use trunkline_delivery::{Act, Entry, Position, To};

use crate::adapter::{Adapter, AppendError, BoxFuture, HistoryQuery, NewEntry, Page, PageLimit, ReadError};

/// How much of the past the ring keeps. What is over is let go, oldest first; the newest entry always stays.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Entries, 1,000,000 by default.
    pub entries: usize,
    /// Bytes by [`Entry::size`], 64 MiB by default.
    pub bytes: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 64 << 20 }
    }
}

/// The log in memory.
#[derive(Debug)]
pub struct Memory {
    limits: MemoryLimits,
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Positions are consecutive: the entry at `i` has position `first + i`.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    committed: Position,
    /// What [`Adapter::tail`] has shown; nothing after it is let go.
    shown: Position,
    closed: bool,
    waiting: Vec<Waker>,
}

impl Memory {
    /// An empty ring.
    #[must_use]
    pub fn new(limits: MemoryLimits) -> Self {
        Self { limits, ring: Arc::default() }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        lock(&self.ring)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(MemoryLimits::default())
    }
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    // Nothing under this lock panics half way through a change.
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ring {
    fn push(&mut self, new: NewEntry) -> Position {
        let position = self.committed.next();
        let entry = Arc::new(Entry { position, target: new.target, act: new.act });
        self.bytes += entry.size();
        self.entries.push_back(entry);
        self.committed = position;
        position
    }

    fn trim(&mut self, limits: MemoryLimits) {
        while self.entries.len() > 1 && (self.entries.len() > limits.entries || self.bytes > limits.bytes) {
            if self.entries.front().is_some_and(|entry| entry.position > self.shown) {
                break;
            }
            self.bytes -= self.entries.pop_front().map_or(0, |entry| entry.size());
        }
    }

    /// The place in `entries` of the first one after `after`, or that it is gone.
    fn index_after(&self, after: Position) -> Result<usize, ReadError> {
        let Some(first) = self.entries.front() else { return Ok(0) };
        let wanted = after.next().number();
        match wanted.checked_sub(first.position.number()) {
            Some(index) => Ok(usize::try_from(index).unwrap_or(usize::MAX).min(self.entries.len())),
            None => Err(ReadError::Gone { oldest: first.position }),
        }
    }

    fn page(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let start = self.index_after(after)?;
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in self.entries.range(start..) {
            bytes += entry.size();
            if !entries.is_empty() && (entries.len() >= limit.entries || bytes > limit.bytes) {
                break;
            }
            entries.push(entry.clone());
        }
        let upto = entries.last().map_or(after, |entry: &Arc<Entry>| entry.position);
        Ok(Page { entries, upto })
    }
}

impl Adapter for Memory {
    fn append(&self, batch: Vec<NewEntry>) -> BoxFuture<Result<Vec<Position>, AppendError>> {
        let mut ring = self.ring();
        if ring.closed {
            return Box::pin(ready(Err(AppendError::Closed)));
        }
        let positions = batch.into_iter().map(|new| ring.push(new)).collect();
        ring.trim(self.limits);
        let waiting = std::mem::take(&mut ring.waiting);
        drop(ring);
        waiting.into_iter().for_each(Waker::wake);
        Box::pin(ready(Ok(positions)))
    }

    fn committed(&self) -> Position {
        self.ring().committed
    }

    fn tail(&self, after: Position) -> Page {
        let mut ring = self.ring();
        let start = ring.index_after(after).unwrap_or(0);
        let page = Page { entries: ring.entries.range(start..).cloned().collect(), upto: ring.committed };
        ring.shown = ring.committed;
        ring.trim(self.limits);
        page
    }

    fn changed(&self, after: Position) -> BoxFuture<()> {
        let ring = self.ring.clone();
        Box::pin(std::future::poll_fn(move |cx| {
            let mut ring = lock(&ring);
            if ring.committed > after || ring.closed {
                return Poll::Ready(());
            }
            if !ring.waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
                ring.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        }))
    }

    fn read(&self, after: Position, limit: PageLimit) -> BoxFuture<Result<Page, ReadError>> {
        Box::pin(ready(self.ring().page(after, limit)))
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>> {
        let ring = self.ring();
        let newest_first = ring.entries.iter().rev().take_while(|entry| entry.position > query.after);
        let mut found: Vec<_> =
            newest_first.filter(|entry| is_event_of(entry, &query)).take(query.limit).cloned().collect();
        found.reverse();
        Box::pin(ready(Ok(found)))
    }

    fn close(&self) -> BoxFuture<()> {
        let mut ring = self.ring();
        ring.closed = true;
        let waiting = std::mem::take(&mut ring.waiting);
        drop(ring);
        waiting.into_iter().for_each(Waker::wake);
        Box::pin(ready(()))
    }
}

fn is_event_of(entry: &Entry, query: &HistoryQuery) -> bool {
    let aimed = match &entry.target.to {
        To::Rooms(rooms) => rooms.contains(&query.room),
        To::Everyone | To::Socket(_) => false,
    };
    aimed && entry.target.ns == query.ns && matches!(entry.act, Act::Emit { .. })
}
