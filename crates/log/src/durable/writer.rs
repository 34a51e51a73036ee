//! The thread that appends: it takes what waits, writes it at once, syncs it if it is told to, and then shows it.
//! Which segments go is decided by `retention`, on this thread as well; `janitor` touches their files.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Duration;

use trunkline_delivery::Position;

use super::group::{Group, Now};
use super::inbox::Inbox;
use super::janitor::Chore;
use super::meta::Meta;
use super::open::{Clock, Open, unavailable};
use super::options::millis;
use super::segment::Segment;
use super::shared::{Job, Shared};
use super::storage::{LockGuard, Storage};
use crate::AppendError;
use crate::ring::RingLimits;

/// How often the writer looks at clocks and limits when nothing comes.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) chores: Arc<Inbox<Chore>>,
    janitor: Option<JoinHandle<()>>,
    meta: Meta,
    lock: Option<Box<dyn LockGuard>>,
    pub(super) open: Open,
    clock: Clock,
    /// A sync failed: what the disk has is unknown, and nothing can be promised any more.
    pub(super) failed: Option<String>,
    /// How far the keys were looked through for those that the oldest segment holds, which is to go.
    pub(super) looked: u64,
    pub(super) buffer: Vec<u8>,
}

/// What a writer works on.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) chores: Arc<Inbox<Chore>>,
    pub(crate) janitor: JoinHandle<()>,
    pub(crate) meta: Meta,
    pub(crate) lock: Box<dyn LockGuard>,
    pub(crate) open: Segment,
}

/// Ends the log for everybody when the writer ends, however it does.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.jobs.close();
        self.0.jobs.clear();
        self.0.reads.close();
        let waiting = {
            let mut state = self.0.state();
            if std::thread::panicking() {
                state.trouble = Some("the thread that writes has panicked; restart the process".to_owned());
            }
            state.ring.close();
            state.ring.take_waiting()
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Writer {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { shared, storage, chores, janitor, meta, lock, open } = parts;
        Self {
            shared,
            storage,
            chores,
            janitor: Some(janitor),
            meta,
            lock: Some(lock),
            clock: Clock::new(open.index.last_ms),
            open: Open::of(&open),
            failed: None,
            looked: 0,
            buffer: Vec::new(),
        }
    }

    /// Appends until the queue is closed, then leaves the log in order.
    pub(crate) fn run(mut self) {
        let _end = End(self.shared.clone());
        let mut jobs = VecDeque::new();
        let mut busy = false;
        loop {
            let open = self.shared.jobs.take_all(&mut jobs, if busy { Duration::ZERO } else { TICK });
            if jobs.is_empty() && !open {
                break;
            }
            let idle = jobs.is_empty();
            while !jobs.is_empty() {
                self.append(&mut jobs);
            }
            busy = self.keep_house(idle);
        }
        self.finish();
    }

    /// Takes the first batches off the queue, writes them and answers them.
    fn append(&mut self, jobs: &mut VecDeque<Job>) {
        let ready = self.roll();
        let now = self.now();
        let mut group = self.group();
        let keys_kept = millis(self.shared.state().keep.keys);
        {
            let mut keys = self.shared.keys();
            keys.expire(now.ms.saturating_sub(keys_kept));
            group.fill(jobs, &keys, self.shared.options.keys_bytes, now);
        }
        let owed = std::mem::take(&mut group.owed);
        let written = ready.and_then(|()| self.commit(group));
        // Before the answers: who has one finds the limits kept.
        self.retire();
        for owed in owed {
            owed.settle(written.as_ref().copied());
        }
    }

    pub(super) fn now(&mut self) -> Now {
        Now { ms: self.clock.at(self.storage.now_ms()), next: self.open.next }
    }

    /// An empty group, in the buffer of the one before.
    pub(super) fn group(&mut self) -> Group {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        Group { bytes, ..Group::default() }
    }

    /// Writes a group and shows what is in it.
    pub(super) fn commit(&mut self, mut group: Group) -> Result<(), AppendError> {
        let bytes = std::mem::take(&mut group.bytes);
        // What needs no write does not show that the disk takes one.
        let written = if bytes.is_empty() { self.check_failed() } else { self.write(&bytes) };
        match &written {
            Ok(()) if bytes.is_empty() => {}
            Ok(()) => self.show(group),
            Err(error) => self.note_trouble(error),
        }
        self.give_back(bytes);
        written
    }

    pub(super) fn give_back(&mut self, bytes: Vec<u8>) {
        /// A buffer that one large write needed is not kept.
        const KEPT: usize = 8 << 20;
        if bytes.capacity() <= KEPT {
            self.buffer = bytes;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AppendError> {
        self.check_failed()?;
        self.open.mend().map_err(unavailable("a write that failed could not be cut off"))?;
        if let Err(error) = self.open.file.write_at(bytes, self.open.end) {
            self.open.ragged = true;
            // At once, so that the file is sound should the process end here; else before the next write.
            let _again_later = self.open.mend();
            return Err(unavailable("the disk did not take a write")(error));
        }
        if self.shared.options.fsync {
            self.open.file.sync().map_err(|error| self.fail(&error))?;
        }
        self.open.end += bytes.len() as u64;
        self.shared.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn check_failed(&self) -> Result<(), AppendError> {
        self.failed.clone().map_or(Ok(()), |why| Err(AppendError::Unavailable(why)))
    }

    /// A sync failed. Asking again could succeed without the data being there: the kernel may have given it up.
    pub(super) fn fail(&mut self, error: &io::Error) -> AppendError {
        let why = format!("a sync of the disk failed ({error}): nothing is written any more, restart the process");
        tracing::error!("{why}");
        self.open.ragged = true;
        let _best_effort = self.open.mend();
        self.failed = Some(why.clone());
        AppendError::Unavailable(why)
    }

    pub(super) fn note_trouble(&self, error: &AppendError) {
        let AppendError::Unavailable(why) = error else { return };
        let before = self.shared.state().trouble.replace(why.clone());
        if before.is_none() {
            tracing::error!("the log takes no entries: {why}");
        }
    }

    /// What was written is committed: everybody sees it.
    fn show(&mut self, group: Group) {
        let number = self.open.number;
        {
            let mut keys = self.shared.keys();
            let now_ms = group.records.first().map_or(0, |written| written.header.time_ms);
            group.keys.into_iter().for_each(|(key, answer)| keys.insert(now_ms, key, answer, number));
            group.carried.iter().for_each(|key| keys.moved(key, number));
        }
        if let Some(last) = group.records.last() {
            self.open.next = last.header.next();
        }
        let mut state = self.shared.state();
        if state.trouble.take().is_some() {
            tracing::info!("the log takes entries again");
        }
        let state_ref = &mut *state;
        let mut grown = 0;
        if let Some(segment) = state_ref.segments.back_mut() {
            for written in group.records {
                segment.index.note_record(&written.header);
                grown += written.header.record_len();
                for entry in written.entries {
                    segment.index.note_entry(&entry.target, &entry.act);
                    state_ref.ring.push(entry);
                }
            }
            segment.size += grown;
        }
        state_ref.bytes += grown;
        state_ref.ring.trim(ring_limits(&self.shared), Position::MAX);
        let waiting = state_ref.ring.take_waiting();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// What is due with time: `true` if there is more of it.
    fn keep_house(&mut self, idle: bool) -> bool {
        if self.failed.is_some() {
            return false;
        }
        if idle {
            let now = self.now();
            let kept = millis(self.shared.state().keep.keys);
            self.shared.keys().expire(now.ms.saturating_sub(kept));
            // What is wrong is noted.
            let _tried = self.roll().and_then(|()| self.probe());
        }
        self.retire()
    }

    /// Tries whether the disk takes a write again, so that readiness does not wait for appends that wait for readiness.
    fn probe(&mut self) -> Result<(), AppendError> {
        if self.shared.state().trouble.is_none() {
            return Ok(());
        }
        let now = self.now();
        let mut group = self.group();
        group.probe(now);
        self.commit(group)
    }

    /// Leaves the log so that a restart of the machine costs nothing.
    fn finish(&mut self) {
        self.chores.close();
        if let Some(janitor) = self.janitor.take() {
            let _panicked = janitor.join();
        }
        if self.failed.is_none()
            && !self.shared.options.fsync
            && let Err(error) = self.sync_all()
        {
            tracing::warn!(%error, "the log could not be synced; after a restart of the machine it takes a new epoch");
        }
        // Before anybody is told that it is closed: it may be opened again at once.
        self.lock = None;
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.open.mend()?;
        let files: Vec<_> = {
            let state = self.shared.state();
            let loose = state.segments.iter().filter(|segment| segment.number() > state.synced);
            loose.map(|segment| segment.file.clone()).collect()
        };
        files.iter().try_for_each(|file| file.sync())?;
        self.storage.sync_names()?;
        self.meta.synced = true;
        self.meta.write(&*self.storage)
    }
}

pub(super) fn ring_limits(shared: &Shared) -> RingLimits {
    RingLimits { entries: usize::MAX, bytes: shared.options.ring_bytes }
}
