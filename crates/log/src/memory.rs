//! A log in the memory of this process: a ring, bounded by entries and bytes. Appends are done in place, on the caller's
//! thread; nothing survives the process.

use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;

use trunkline_delivery::{Entry, Position};

use crate::adapter::{
    Adapter, AppendError, Appended, Batch, BoxFuture, HistoryQuery, Keep, Keyed, NewEntry, Page, PageLimit, Pin,
    PinGuard, ReadError,
};
use crate::keys::Keys;
use crate::ring::{Pins, Ring, RingLimits};

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
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    keys: Keys,
    keep_keys: Duration,
    pins: Pins,
}

impl Memory {
    /// An empty log.
    #[must_use]
    pub fn new(limits: MemoryLimits) -> Self {
        let state = State {
            ring: Ring::new(Position::ZERO),
            keys: Keys::default(),
            keep_keys: Duration::from_secs(3600),
            pins: Pins::default(),
        };
        // Only has to differ from that of an earlier process.
        let epoch = RandomState::new().hash_one(0);
        Self { limits, epoch, started: Instant::now(), state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(MemoryLimits::default())
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing under this lock panics half way through a change.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn push(&mut self, new: NewEntry) -> Position {
        let position = self.ring.committed().next();
        self.ring.push(Arc::new(Entry { position, target: new.target, act: new.act }));
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
        self.keys.insert(now, keyed.key, keyed.answer, 0);
        None
    }

    fn trim(&mut self, limits: MemoryLimits) {
        let limits = RingLimits { entries: limits.entries, bytes: limits.bytes };
        self.ring.trim(limits, self.pins.lowest());
    }
}

/// A pin on the ring.
#[derive(Debug)]
struct Held {
    state: Arc<Mutex<State>>,
    after: Position,
}

impl PinGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.state).pins.remove(self.after);
    }
}

impl Adapter for Memory {
    fn append(&self, batch: Batch) -> BoxFuture<Result<Appended, AppendError>> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut state = self.state();
        if state.ring.is_closed() {
            return Box::pin(ready(Err(AppendError::Closed)));
        }
        if let Some(keyed) = batch.keyed
            && let Some(other) = state.take_key(now, keyed, self.limits)
        {
            return Box::pin(ready(other));
        }
        let positions = batch.entries.into_iter().map(|new| state.push(new)).collect();
        state.trim(self.limits);
        let waiting = state.ring.take_waiting();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        Box::pin(ready(Ok(Appended::New(positions))))
    }

    fn answer(&self, key: &[u8]) -> BoxFuture<Result<Option<Bytes>, ReadError>> {
        Box::pin(ready(Ok(self.state().keys.get(key).cloned())))
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The ring keeps entries by its limits alone; keys as long as it is told.
    fn keep(&self, keep: Keep) {
        self.state().keep_keys = keep.keys;
    }

    fn pin(&self, after: Position) -> Result<Pin, ReadError> {
        let mut state = self.state();
        state.ring.index_after(after)?;
        state.pins.add(after);
        Ok(Pin::new(Box::new(Held { state: self.state.clone(), after })))
    }

    fn acts(&self) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>> {
        let acts = self.state().ring.iter().filter(|entry| !entry.act.is_emit()).cloned().collect();
        Box::pin(ready(Ok(acts)))
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn figures(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        let state = self.state();
        tell("trunkline_log_ring_bytes", state.ring.bytes() as u64);
        tell("trunkline_log_keys_bytes", state.keys.bytes() as u64);
    }

    fn committed(&self) -> Position {
        self.state().ring.committed()
    }

    fn tail(&self, after: Position) -> Page {
        let mut state = self.state();
        let page = state.ring.tail(after);
        state.trim(self.limits);
        page
    }

    fn changed(&self, after: Position) -> BoxFuture<()> {
        let state = self.state.clone();
        Box::pin(std::future::poll_fn(move |cx| lock(&state).ring.poll_changed(after, cx)))
    }

    fn read(&self, after: Position, limit: PageLimit) -> BoxFuture<Result<Page, ReadError>> {
        Box::pin(ready(self.state().ring.page(after, limit)))
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>> {
        Box::pin(ready(Ok(self.state().ring.history(&query))))
    }

    fn close(&self) -> BoxFuture<()> {
        let mut state = self.state();
        state.ring.close();
        let waiting = state.ring.take_waiting();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        Box::pin(ready(()))
    }
}
