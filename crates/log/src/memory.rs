//! The ring: a log in the memory of this process, bounded by entries and bytes. Appends are done in place, on the
//! caller's thread; nothing survives the process.

use std::collections::{BTreeMap, VecDeque};
use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;

use trunkline_delivery::{Entry, Position, To};

use crate::adapter::{
    Adapter, AppendError, Appended, Batch, BoxFuture, HistoryQuery, Keep, Keyed, NewEntry, Page, PageLimit, Pin,
    PinGuard, ReadError, Take,
};
use crate::keys::Keys;

/// How much of the past the ring keeps. What is over is let go, oldest first; the newest entry always stays.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Entries, 1,000,000 by default.
    pub entries: usize,
    /// Bytes by [`Entry::size`], 64 MiB by default.
    pub bytes: usize,
    /// Bytes of keys and their answers, 64 MiB by default. A keyed batch that finds no room is refused: a key that is
    /// promised is not forgotten for another.
    pub keys: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 64 << 20, keys: 64 << 20 }
    }
}

/// The log in memory.
#[derive(Debug)]
pub struct Memory {
    limits: MemoryLimits,
    epoch: u64,
    started: Instant,
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug)]
struct Ring {
    /// Positions are consecutive: the entry at `i` has position `first + i`.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    committed: Position,
    /// What [`Adapter::tail`] has shown; nothing after it is let go.
    shown: Position,
    closed: bool,
    waiting: Vec<Waker>,
    keys: Keys,
    keep_keys: Duration,
    /// How many pins stand at a position.
    pins: BTreeMap<Position, usize>,
}

impl Memory {
    /// An empty ring.
    #[must_use]
    pub fn new(limits: MemoryLimits) -> Self {
        let ring = Ring {
            entries: VecDeque::new(),
            bytes: 0,
            committed: Position::ZERO,
            shown: Position::ZERO,
            closed: false,
            waiting: Vec::new(),
            keys: Keys::default(),
            keep_keys: Duration::from_secs(3600),
            pins: BTreeMap::new(),
        };
        // Only has to differ from that of an earlier process.
        let epoch = RandomState::new().hash_one(0);
        Self { limits, epoch, started: Instant::now(), ring: Arc::new(Mutex::new(ring)) }
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

    /// Remembers the key of a batch that goes on, or says what becomes of it instead.
    fn take_key(&mut self, now: u64, keyed: Keyed, limits: MemoryLimits) -> Option<Result<Appended, AppendError>> {
        let kept = u64::try_from(self.keep_keys.as_millis()).unwrap_or(u64::MAX);
        self.keys.expire(now.saturating_sub(kept));
        if let Some(answer) = self.keys.get(&keyed.key) {
            return Some(Ok(Appended::Known(answer.clone())));
        }
        if self.keys.bytes() > limits.keys {
            let why = format!("the keys of publishes and their answers take more than {} bytes", limits.keys);
            return Some(Err(AppendError::Unavailable(why)));
        }
        self.keys.insert(now, keyed.key, keyed.answer);
        None
    }

    fn trim(&mut self, limits: MemoryLimits) {
        let pinned = self.pins.first_key_value().map_or(Position::MAX, |(&after, _)| after);
        let over = |ring: &Self, times: usize| {
            ring.entries.len() > limits.entries.saturating_mul(times) || ring.bytes > limits.bytes.saturating_mul(times)
        };
        while self.entries.len() > 1 && over(self, 1) {
            let Some(front) = self.entries.front().map(|entry| entry.position) else { break };
            if front > self.shown || (front > pinned && !over(self, 2)) {
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

/// A pin on the ring.
#[derive(Debug)]
struct Held {
    ring: Arc<Mutex<Ring>>,
    after: Position,
}

impl PinGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let mut ring = lock(&self.ring);
        if let Some(count) = ring.pins.get_mut(&self.after) {
            *count -= 1;
            if *count == 0 {
                ring.pins.remove(&self.after);
            }
        }
    }
}

impl Adapter for Memory {
    fn append(&self, batch: Batch) -> BoxFuture<Result<Appended, AppendError>> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut ring = self.ring();
        if ring.closed {
            return Box::pin(ready(Err(AppendError::Closed)));
        }
        if let Some(keyed) = batch.keyed
            && let Some(other) = ring.take_key(now, keyed, self.limits)
        {
            return Box::pin(ready(other));
        }
        let positions = batch.entries.into_iter().map(|new| ring.push(new)).collect();
        ring.trim(self.limits);
        let waiting = std::mem::take(&mut ring.waiting);
        drop(ring);
        waiting.into_iter().for_each(Waker::wake);
        Box::pin(ready(Ok(Appended::New(positions))))
    }

    fn answer(&self, key: &[u8]) -> BoxFuture<Result<Option<Bytes>, ReadError>> {
        Box::pin(ready(Ok(self.ring().keys.get(key).cloned())))
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The ring keeps entries by its limits alone; keys as long as it is told.
    fn keep(&self, keep: Keep) {
        self.ring().keep_keys = keep.keys;
    }

    fn pin(&self, after: Position) -> Result<Pin, ReadError> {
        let mut ring = self.ring();
        ring.index_after(after)?;
        *ring.pins.entry(after).or_default() += 1;
        Ok(Pin::new(Box::new(Held { ring: self.ring.clone(), after })))
    }

    fn acts(&self) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>> {
        let acts = self.ring().entries.iter().filter(|entry| !entry.act.is_emit()).cloned().collect();
        Box::pin(ready(Ok(acts)))
    }

    fn trouble(&self) -> Option<String> {
        None
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
        let found: Vec<_> = match query.take {
            Take::Newest(limit) => {
                let mut found: Vec<_> =
                    newest_first.filter(|entry| is_event_of(entry, &query)).take(limit).cloned().collect();
                found.reverse();
                found
            }
            Take::Oldest(limit) => {
                let start = ring.index_after(query.after).unwrap_or(0);
                let oldest_first = ring.entries.range(start..);
                oldest_first.filter(|entry| is_event_of(entry, &query)).take(limit).cloned().collect()
            }
        };
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
    aimed && entry.target.ns == query.ns && entry.act.is_emit()
}
