//! A log on this machine's disk: a ring in front, segments behind, one thread that writes. What is acknowledged survives the
//! death of the process, with [`DurableOptions::fsync`] loss of power too. The format is in `docs/log-format.md`.
//!
//! ```text
//!   append ─► queue ─► writer: one group, one write [, one sync] ─► ring, index, keys ─► answers, tail
//!                        │ sealed and old segments ─► janitor: sync, remove
//!   read, history ─► ring │ or ─► reader: blocks of segments, a small cache
//! ```

mod block;
mod codec;
mod error;
mod files;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod group;
mod inbox;
mod janitor;
mod meta;
mod open;
mod options;
mod promise;
mod reader;
mod record;
mod recover;
mod repair;
mod retention;
mod segment;
mod shared;
mod start;
pub mod storage;
pub mod tools;
mod window;
mod wire;
mod writer;

use std::future::ready;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use trunkline_delivery::{Entry, Position};

pub use error::{Damage, OpenError};
pub use files::Files;
pub use options::DurableOptions;

use crate::adapter::{
    Adapter, AppendError, Appended, Batch, BoxFuture, HistoryQuery, Keep, Page, PageLimit, Pin, PinGuard, ReadError,
    Take,
};
use crate::ring::{Pins, Ring};
use inbox::{Inbox, Refused};
use promise::{Promise, promise};
use reader::Asked;
use shared::{Job, Shared, State};
use start::{Started, start};
use storage::Storage;
use writer::{Parts, Writer, ring_limits};

/// The log on this machine's disk.
///
/// Dropping it writes what was appended before, closes the files and waits for that.
#[derive(Debug)]
pub struct Durable {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How a store stands, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DurableStats {
    /// Segments on the disk.
    pub segments: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// The oldest entry that can be read, or the next one to come.
    pub oldest: Position,
    /// Bytes of recent entries in memory.
    pub ring_bytes: usize,
    /// Bytes of keys and their answers.
    pub keys_bytes: usize,
    /// Bytes of appends that wait for the writer.
    pub queued_bytes: usize,
    /// Writes that succeeded; each held all that waited.
    pub writes: u64,
    /// Blocks of segments that were read for those behind the ring, and were in no cache.
    pub blocks_read: u64,
}

impl Durable {
    /// Opens the log in a directory, which is made if it is not there, and repairs what a crash has torn.
    ///
    /// Takes as long as it takes to read the newest segment: about 0.1 s for 64 MiB.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; its text says what to do.
    pub fn open(dir: impl AsRef<Path>, options: DurableOptions) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let files = Files::create_dir(dir).map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => OpenError::NotADirectory(dir.to_owned()),
            _ => OpenError::io(format!("cannot make {}", dir.display()))(error),
        })?;
        Self::open_on(Arc::new(files), options)
    }

    /// Opens the log on a machine of the caller's.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open_on(storage: Arc<dyn Storage>, options: DurableOptions) -> Result<Self, OpenError> {
        let Started { lock, meta, segments, synced, keys } = start(&*storage, &options)?;
        let Some(open) = segments.back().cloned() else { return Err(OpenError::damaged("the log", 0, "no segment")) };
        let state = State {
            ring: Ring::new(open.index.next.before()),
            bytes: segments.iter().map(|segment| segment.size).sum(),
            segments,
            synced,
            keep: options.keep,
            pins: Pins::default(),
            trouble: None,
        };
        let shared = Arc::new(Shared::new(options, meta.epoch, state, keys));
        let spawned = Self::spawn(shared, storage, (meta, lock, open));
        spawned.map_err(OpenError::io("cannot start a thread"))
    }

    /// How the store stands.
    #[must_use]
    pub fn stats(&self) -> DurableStats {
        let keys_bytes = self.shared.keys().bytes();
        let state = self.shared.state();
        DurableStats {
            segments: state.segments.len(),
            bytes: state.bytes,
            oldest: state.oldest(),
            ring_bytes: state.ring.bytes(),
            keys_bytes,
            queued_bytes: self.shared.jobs.weight(),
            writes: self.shared.writes.load(Ordering::Relaxed),
            blocks_read: self.shared.blocks_read.load(Ordering::Relaxed),
        }
    }

    fn spawn(
        shared: Arc<Shared>,
        storage: Arc<dyn Storage>,
        (meta, lock, open): (meta::Meta, Box<dyn storage::LockGuard>, segment::Segment),
    ) -> io::Result<Self> {
        let chores = Arc::new(Inbox::new(janitor::CHORES_MAX));
        let janitor = {
            let (chores, shared, storage) = (chores.clone(), shared.clone(), storage.clone());
            named("log-janitor", move || janitor::run(&chores, &shared, &*storage))?
        };
        let reader = {
            let shared = shared.clone();
            named("log-reader", move || reader::run(&shared)).inspect_err(|_| chores.close())?
        };
        let parts = Parts { shared: shared.clone(), storage, chores: chores.clone(), janitor, meta, lock, open };
        let writer = named("log-writer", move || Writer::new(parts).run()).inspect_err(|_| {
            chores.close();
            shared.reads.close();
        })?;
        Ok(Self { shared, threads: vec![writer, reader] })
    }

    /// Puts a question to the reader.
    fn ask<T: Send + 'static>(
        &self,
        asked: impl FnOnce(Promise<Result<T, ReadError>>) -> Asked,
    ) -> BoxFuture<Result<T, ReadError>> {
        let (promise, promised) = promise();
        match self.shared.reads.push(asked(promise), 1) {
            Ok(()) => Box::pin(async move {
                let closed = || ReadError::Unavailable("the log was closed".to_owned());
                promised.await.unwrap_or_else(|| Err(closed()))
            }),
            Err(Refused::Closed) => failed("the log was closed"),
            Err(Refused::Full) => failed("too many reads wait for the disk"),
        }
    }
}

fn named(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

fn failed<T: Send + 'static>(why: &str) -> BoxFuture<Result<T, ReadError>> {
    Box::pin(ready(Err(ReadError::Unavailable(why.to_owned()))))
}

impl Drop for Durable {
    fn drop(&mut self) {
        self.shared.jobs.close();
        // A waker may drop the last handle on one of these threads; it cannot wait for itself.
        let own = thread::current().id();
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != own) {
            let _panicked = thread.join();
        }
    }
}

/// A pin on segments.
#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
    after: Position,
}

impl PinGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.state().pins.remove(self.after);
    }
}

/// Bytes that a batch is charged for while it waits.
fn weight(batch: &Batch) -> usize {
    const EACH: usize = 128;
    let keyed = batch.keyed.as_ref().map_or(0, |keyed| keyed.key.len() + keyed.answer.len());
    EACH + keyed + batch.entries.iter().map(|entry| EACH + entry.act.size()).sum::<usize>()
}

impl Adapter for Durable {
    fn append(&self, batch: Batch) -> BoxFuture<Result<Appended, AppendError>> {
        let weight = weight(&batch);
        let (promise, promised) = promise();
        match self.shared.jobs.push(Job { batch, promise }, weight) {
            Ok(()) => Box::pin(async move { promised.await.unwrap_or(Err(AppendError::Closed)) }),
            Err(Refused::Closed) => Box::pin(ready(Err(AppendError::Closed))),
            Err(Refused::Full) => {
                let why = format!("more than {} bytes of appends wait for the disk", self.shared.options.queue_bytes);
                Box::pin(ready(Err(AppendError::Unavailable(why))))
            }
        }
    }

    fn answer(&self, key: &[u8]) -> BoxFuture<Result<Option<Bytes>, ReadError>> {
        Box::pin(ready(Ok(self.shared.keys().get(key).cloned())))
    }

    fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    fn keep(&self, keep: Keep) {
        self.shared.state().keep = keep;
    }

    fn pin(&self, after: Position) -> Result<Pin, ReadError> {
        let mut state = self.shared.state();
        state.check(after)?;
        state.pins.add(after);
        Ok(Pin::new(Box::new(Held { shared: self.shared.clone(), after })))
    }

    fn acts(&self) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>> {
        self.ask(Asked::Acts)
    }

    fn trouble(&self) -> Option<String> {
        self.shared.state().trouble.clone()
    }

    fn figures(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        let stats = self.stats();
        tell("trunkline_log_segments", stats.segments as u64);
        tell("trunkline_log_disk_bytes", stats.bytes);
        tell("trunkline_log_ring_bytes", stats.ring_bytes as u64);
        tell("trunkline_log_keys_bytes", stats.keys_bytes as u64);
        tell("trunkline_log_queued_bytes", stats.queued_bytes as u64);
        tell("trunkline_log_writes", stats.writes);
        tell("trunkline_log_blocks_read", stats.blocks_read);
    }

    fn committed(&self) -> Position {
        self.shared.state().ring.committed()
    }

    fn tail(&self, after: Position) -> Page {
        let mut state = self.shared.state();
        let page = state.ring.tail(after);
        state.ring.trim(ring_limits(&self.shared), Position::MAX);
        page
    }

    fn changed(&self, after: Position) -> BoxFuture<()> {
        let shared = self.shared.clone();
        Box::pin(std::future::poll_fn(move |cx| shared.state().ring.poll_changed(after, cx)))
    }

    fn read(&self, after: Position, limit: PageLimit) -> BoxFuture<Result<Page, ReadError>> {
        {
            let state = self.shared.state();
            if state.ring.covers(after) {
                return Box::pin(ready(state.ring.page(after, limit)));
            }
            if let Err(gone) = state.check(after) {
                return Box::pin(ready(Err(gone)));
            }
        }
        self.ask(|promise| Asked::Page(after, limit, promise))
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<Arc<Entry>>, ReadError>> {
        {
            let state = self.shared.state();
            let found = state.ring.history(&query);
            let enough = matches!(query.take, Take::Newest(limit) if found.len() >= limit);
            if enough || state.ring.covers(query.after) {
                return Box::pin(ready(Ok(found)));
            }
        }
        self.ask(|promise| Asked::History(query, promise))
    }

    fn close(&self) -> BoxFuture<()> {
        self.shared.jobs.close();
        let shared = self.shared.clone();
        Box::pin(std::future::poll_fn(move |cx| shared.state().ring.poll_changed(Position::MAX, cx)))
    }
}
