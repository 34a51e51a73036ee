//! What one thread takes from others, in order: a bounded queue that can be closed. What is in it when it is closed is still
//! taken.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    filled: Condvar,
    /// The sum of weights beyond which nothing is taken in.
    weight_max: usize,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    weight: usize,
    closed: bool,
}

/// Why something was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    Full,
}

impl<T> Inbox<T> {
    pub(crate) fn new(weight_max: usize) -> Self {
        let queue = Queue { items: VecDeque::new(), weight: 0, closed: false };
        Self { queue: Mutex::new(queue), filled: Condvar::new(), weight_max }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes something in, unless it is closed or what waits weighs too much.
    pub(crate) fn push(&self, item: T, weight: usize) -> Result<(), Refused> {
        let was_empty = {
            let mut queue = self.lock();
            if queue.closed {
                return Err(Refused::Closed);
            }
            if queue.weight > self.weight_max {
                return Err(Refused::Full);
            }
            queue.weight += weight;
            queue.items.push_back(item);
            queue.items.len() == 1
        };
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// What waits.
    pub(crate) fn weight(&self) -> usize {
        self.lock().weight
    }

    /// Everything that is there, waiting for something at most this long. `false` when it is closed.
    pub(crate) fn take_all(&self, into: &mut VecDeque<T>, wait: Duration) -> bool {
        let mut queue = self.lock();
        if queue.items.is_empty() && !queue.closed && !wait.is_zero() {
            let idle = |queue: &mut Queue<T>| queue.items.is_empty() && !queue.closed;
            queue = match self.filled.wait_timeout_while(queue, wait, idle) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        queue.weight = 0;
        std::mem::swap(&mut queue.items, into);
        !queue.closed
    }

    /// The next thing, as soon as there is one; `None` when it is closed and empty.
    pub(crate) fn take(&self, weight: impl Fn(&T) -> usize) -> Option<T> {
        let mut queue = self.lock();
        loop {
            if let Some(item) = queue.items.pop_front() {
                queue.weight = queue.weight.saturating_sub(weight(&item));
                return Some(item);
            }
            if queue.closed {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Refuses what comes from now on.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Drops what waits.
    pub(crate) fn clear(&self) {
        let items = std::mem::take(&mut self.lock().items);
        drop(items);
    }
}
