//! The segment that is written, and the change to the next one. What is written into it is the writer's matter.

use std::io;
use std::sync::Arc;

use trunkline_delivery::Position;

use super::janitor::Chore;
use super::options::millis;
use super::segment::{SEGMENT_HEADER, Segment};
use super::start::{Before, begin, settle};
use super::storage::StoredFile;
use super::writer::Writer;
use crate::AppendError;

/// The open segment, as it is written.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) file: Arc<dyn StoredFile>,
    created_ms: u64,
    pub(super) end: u64,
    pub(super) next: Position,
    /// What stands behind `end` is of a write that failed.
    pub(super) ragged: bool,
}

impl Open {
    pub(super) fn of(segment: &Segment) -> Self {
        Self {
            number: segment.number(),
            file: segment.file.clone(),
            created_ms: segment.header.created_ms,
            end: segment.index.end,
            next: segment.index.next,
            ragged: false,
        }
    }

    /// Cuts off what a write that failed has left.
    pub(super) fn mend(&mut self) -> io::Result<()> {
        if self.ragged {
            self.file.truncate(self.end)?;
            self.ragged = false;
        }
        Ok(())
    }
}

/// The time of the log. It does not go back, and it goes on from where it is when the machine's clock was set back: else
/// nothing would grow old until that has caught up.
#[derive(Debug)]
pub(super) struct Clock {
    machine_ms: u64,
    log_ms: u64,
}

impl Clock {
    pub(super) fn new(log_ms: u64) -> Self {
        Self { machine_ms: u64::MAX, log_ms }
    }

    pub(super) fn at(&mut self, machine_ms: u64) -> u64 {
        let passed = machine_ms.saturating_sub(self.machine_ms);
        self.machine_ms = machine_ms;
        self.log_ms = machine_ms.max(self.log_ms.saturating_add(passed));
        self.log_ms
    }
}

impl Writer {
    /// Begins the next segment if the open one is full or old.
    pub(super) fn roll(&mut self) -> Result<(), AppendError> {
        let now_ms = self.now().ms;
        let options = &self.shared.options;
        let old = now_ms.saturating_sub(self.open.created_ms) >= millis(options.segment_age);
        let due = self.open.end > SEGMENT_HEADER as u64 && (self.open.end >= options.segment_bytes || old);
        if !due || self.failed.is_some() {
            return Ok(());
        }
        self.begin_next(now_ms).inspect_err(|error| self.note_trouble(error))
    }

    fn begin_next(&mut self, now_ms: u64) -> Result<(), AppendError> {
        self.open.mend().map_err(unavailable("a write that failed could not be cut off"))?;
        let (before, synced) = {
            let state = self.shared.state();
            let Some(open) = state.segments.back() else { return Ok(()) };
            (Before::of(open), state.synced)
        };
        let next = begin(&*self.storage, before, synced, now_ms).map_err(unavailable("no segment can be begun"))?;
        if self.shared.options.fsync {
            settle(&*self.storage, &next).map_err(|error| self.fail(&error))?;
        }
        let sealed = std::mem::replace(&mut self.open, Open::of(&next));
        let mut footer = std::mem::take(&mut self.buffer);
        footer.clear();
        if let Some(segment) = self.shared.state().segments.back() {
            segment.index.put_footer(&mut footer);
        }
        let written = sealed.file.write_at(&footer, sealed.end);
        if written.is_err() {
            // A segment without a footer is read as a whole at the next start; that is all.
            let _best_effort = sealed.file.truncate(sealed.end);
        }
        let mut state = self.shared.state();
        let grown = if written.is_ok() { footer.len() as u64 } else { 0 };
        if let Some(segment) = state.segments.back_mut() {
            segment.size += grown;
        }
        state.bytes += grown + next.size;
        state.segments.push_back(next);
        drop(state);
        self.give_back(footer);
        let _only_slower = self.chores.push(Chore::Sync(sealed.number, sealed.file), 1);
        Ok(())
    }
}

pub(super) fn unavailable(what: &'static str) -> impl FnOnce(io::Error) -> AppendError {
    move |error| AppendError::Unavailable(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_log_goes_on_when_a_clock_is_set_back() {
        let mut clock = Clock::new(1000);
        let times = [900, 950, 1100, 500, 600, 2000].map(|machine_ms| clock.at(machine_ms));
        assert_eq!(times, [1000, 1050, 1200, 1200, 1300, 2700]);
    }
}
