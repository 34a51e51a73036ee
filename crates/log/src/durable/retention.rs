//! Which segments go, and what of them is written once more before they do. It runs on the writer's thread, in small steps;
//! removing the files is the janitor's.

use super::janitor::Chore;
use super::options::millis;
use super::segment::{self, Segment};
use super::shared::{Shared, State};
use super::writer::Writer;

/// Keys that are looked at in one step.
const LOOKS: usize = 4096;

impl Writer {
    /// Lets the oldest segments go as far as the limits say so. `true` if there is more to do.
    pub(super) fn retire(&mut self) -> bool {
        loop {
            let Some((number, last_ms)) = self.candidate() else {
                self.looked = 0;
                return false;
            };
            let (keys, next) = self.shared.keys().stored_in(number, last_ms, self.looked, LOOKS);
            if !keys.is_empty() {
                let now = self.now();
                let mut group = self.group();
                keys.into_iter().for_each(|key| group.carry(key, now));
                if self.commit(group).is_err() {
                    // The segment stays: its keys are nowhere else.
                    return false;
                }
            }
            if let Some(next) = next {
                self.looked = next;
                return true;
            }
            self.looked = 0;
            self.remove(number);
        }
    }

    /// The oldest segment, if it is to go.
    fn candidate(&mut self) -> Option<(u64, u64)> {
        let now_ms = self.now().ms;
        let state = self.shared.state();
        let oldest = state.segments.front().filter(|_| state.segments.len() > 1)?;
        goes(oldest, &state, &self.shared, now_ms).then(|| (oldest.number(), oldest.index.last_ms))
    }

    fn remove(&self, number: u64) {
        {
            let mut state = self.shared.state();
            let Some(removed) = state.segments.pop_front() else { return };
            state.bytes -= removed.size;
        }
        tracing::debug!(segment = number, "a segment is removed");
        // Should the queue be full, the file is found and removed after the next start.
        let _full = self.chores.push(Chore::Remove(segment::name(number)), 1);
    }
}

/// Whether the oldest segment is beyond a limit, and nothing holds it.
fn goes(oldest: &Segment, state: &State, shared: &Shared, now_ms: u64) -> bool {
    let options = &shared.options;
    let age = now_ms.saturating_sub(oldest.index.last_ms);
    let last = oldest.index.next.before();
    let beyond = age > millis(options.max_age) || state.bytes > options.max_bytes;
    let young = age < millis(state.keep.entries);
    let unseen = last > state.ring.shown();
    let pinned = last > state.pins.lowest() && state.bytes <= options.max_bytes.saturating_mul(2);
    beyond && !young && !unseen && !pinned
}
