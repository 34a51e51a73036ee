//! The recent entries in memory, in order, and who waits for more of them. Which limits it has, and whether what it lets go
//! is kept elsewhere, is the adapters' business.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use trunkline_delivery::{Entry, Position, To};

use crate::adapter::{HistoryQuery, Page, PageLimit, ReadError, Take};

/// How much a ring keeps. What is over is let go, oldest first; the newest entry always stays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingLimits {
    pub(crate) entries: usize,
    /// By [`Entry::size`].
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Ring {
    /// Positions are consecutive: the entry at `i` has position `first + i`.
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    committed: Position,
    /// What [`tail`](Self::tail) has shown; nothing after it is let go.
    shown: Position,
    closed: bool,
    waiting: Vec<Waker>,
}

impl Ring {
    /// Nothing, of a log whose newest position is `committed`.
    pub(crate) fn new(committed: Position) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, committed, shown: committed, closed: false, waiting: Vec::new() }
    }

    pub(crate) fn committed(&self) -> Position {
        self.committed
    }

    pub(crate) fn shown(&self) -> Position {
        self.shown
    }

    /// By [`Entry::size`].
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Adds the entry that follows.
    pub(crate) fn push(&mut self, entry: Arc<Entry>) {
        debug_assert_eq!(entry.position, self.committed.next(), "positions are consecutive");
        self.committed = entry.position;
        self.bytes += entry.size();
        self.entries.push_back(entry);
    }

    /// Lets go what is over. What comes after `pinned` stays, unless it is twice too much.
    pub(crate) fn trim(&mut self, limits: RingLimits, pinned: Position) {
        let over = |ring: &Self, times: usize| {
            ring.entries.len() > limits.entries.saturating_mul(times) || ring.bytes > limits.bytes.saturating_mul(times)
        };
        while self.entries.len() > 1 && over(self, 1) {
            let Some(front) = self.oldest() else { break };
            if front > self.shown || (front > pinned && !over(self, 2)) {
                break;
            }
            self.bytes -= self.entries.pop_front().map_or(0, |entry| entry.size());
        }
    }

    /// The oldest entry that it holds.
    pub(crate) fn oldest(&self) -> Option<Position> {
        self.entries.front().map(|entry| entry.position)
    }

    /// Whether everything after `after` is here.
    pub(crate) fn covers(&self, after: Position) -> bool {
        after >= self.committed || self.oldest().is_some_and(|oldest| oldest <= after.next())
    }

    /// All of it.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }

    /// The place of the first entry after `after`, or that it is gone.
    pub(crate) fn index_after(&self, after: Position) -> Result<usize, ReadError> {
        let Some(oldest) = self.oldest() else { return Ok(0) };
        match after.next().number().checked_sub(oldest.number()) {
            Some(index) => Ok(usize::try_from(index).unwrap_or(usize::MAX).min(self.entries.len())),
            None => Err(ReadError::Gone { oldest }),
        }
    }

    pub(crate) fn page(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let start = self.index_after(after)?;
        let mut page = Page { entries: Vec::new(), upto: after };
        let mut bytes = 0;
        for entry in self.entries.range(start..) {
            if !page.take(entry, &mut bytes, limit) {
                break;
            }
        }
        Ok(page)
    }

    /// Everything after `after` that is here, which is shown from now on.
    pub(crate) fn tail(&mut self, after: Position) -> Page {
        let start = self.index_after(after).unwrap_or(0);
        self.shown = self.committed;
        Page { entries: self.entries.range(start..).cloned().collect(), upto: self.committed }
    }

    /// The events that are asked for, as far as they are here.
    pub(crate) fn history(&self, query: &HistoryQuery) -> Vec<Arc<Entry>> {
        let start = self.index_after(query.after).unwrap_or(0);
        let wanted = self.entries.range(start..).filter(|entry| is_event_of(entry, query));
        match query.take {
            Take::Oldest(limit) => wanted.take(limit).cloned().collect(),
            Take::Newest(limit) => {
                let mut found: Vec<_> = wanted.rev().take(limit).cloned().collect();
                found.reverse();
                found
            }
        }
    }

    /// Ready when something after `after` is committed, or never will be.
    pub(crate) fn poll_changed(&mut self, after: Position, cx: &mut Context<'_>) -> Poll<()> {
        if self.committed > after || self.closed {
            return Poll::Ready(());
        }
        if !self.waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Those to be woken after a change, once the lock is released.
    #[must_use]
    pub(crate) fn take_waiting(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }
}

impl Page {
    /// Adds an entry unless the page is full; `bytes` is what it holds so far.
    pub(crate) fn take(&mut self, entry: &Arc<Entry>, bytes: &mut usize, limit: PageLimit) -> bool {
        *bytes += entry.size();
        if !self.entries.is_empty() && (self.entries.len() >= limit.entries || *bytes > limit.bytes) {
            return false;
        }
        self.upto = entry.position;
        self.entries.push(entry.clone());
        true
    }
}

/// Whether an entry belongs to a history.
pub(crate) fn is_event_of(entry: &Entry, query: &HistoryQuery) -> bool {
    let aimed = match &entry.target.to {
        To::Rooms(rooms) => rooms.contains(&query.room),
        To::Everyone | To::Socket(_) => false,
    };
    aimed && entry.target.ns == query.ns && entry.act.is_emit()
}

/// How many pins stand at each position.
#[derive(Debug, Default)]
pub(crate) struct Pins(BTreeMap<Position, usize>);

impl Pins {
    pub(crate) fn add(&mut self, after: Position) {
        *self.0.entry(after).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, after: Position) {
        if let Some(count) = self.0.get_mut(&after) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&after);
            }
        }
    }

    /// What is after this is pinned; [`Position::MAX`] if nothing is.
    pub(crate) fn lowest(&self) -> Position {
        self.0.first_key_value().map_or(Position::MAX, |(&after, _)| after)
    }
}
