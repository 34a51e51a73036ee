//! One timer wheel for all connections of a thread: a deadline costs eight bytes in a slot and no timer of its own.
//! What a deadline means, and whether it still holds, is asked of the owner when it comes due.

/// Milliseconds since the wheel's start, as the owner counts them.
pub type Millis = u64;

const SLOTS: usize = 2048;
const WORDS: usize = SLOTS / 64;

/// A hashed timing wheel. It has no clock: the owner says what time it is.
///
/// Entries are never taken back. The owner remembers, for each key, the tick it last scheduled
/// ([`Wheel::schedule`] returns it) and ignores what comes due at another one.
#[derive(Debug)]
pub struct Wheel {
    slots: Box<[Vec<(u32, u32)>]>,
    /// One bit for each slot that is not empty.
    filled: [u64; WORDS],
    granularity: Millis,
    /// The next tick to look at.
    tick: u64,
    len: usize,
}

impl Wheel {
    /// A wheel whose deadlines are kept to `granularity` milliseconds, rounded up: nothing comes due early.
    #[must_use]
    pub fn new(granularity: Millis) -> Self {
        Self {
            slots: vec![Vec::new(); SLOTS].into_boxed_slice(),
            filled: [0; WORDS],
            granularity: granularity.max(1),
            tick: 0,
            len: 0,
        }
    }

    /// Entries in it, stale ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Lets `key` come due at `at` or up to one granule later, and returns the tick it is kept under.
    pub fn schedule(&mut self, key: u32, at: Millis) -> u32 {
        let tick = at.div_ceil(self.granularity).max(self.tick);
        let slot = slot_of(tick);
        let tick = truncate(tick);
        self.slots[slot].push((key, tick));
        self.filled[slot / 64] |= 1 << (slot % 64);
        self.len += 1;
        tick
    }

    /// The tick under which a deadline at `at` would be kept.
    #[must_use]
    pub fn tick_of(&self, at: Millis) -> u32 {
        truncate(at.div_ceil(self.granularity).max(self.tick))
    }

    /// When to call [`Wheel::take_due`] next: never later than the earliest deadline.
    #[must_use]
    pub fn next_at(&self) -> Option<Millis> {
        if self.len == 0 {
            return None;
        }
        let start = slot_of(self.tick);
        let ahead = (0..=WORDS).find_map(|word| {
            let at = (start / 64 + word) % WORDS;
            let mut bits = self.filled[at];
            if word == 0 {
                bits &= u64::MAX << (start % 64);
            } else if word == WORDS {
                bits &= !(u64::MAX << (start % 64));
            }
            let slot = at * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| (slot + SLOTS - start) % SLOTS)
        })?;
        Some((self.tick + ahead as u64) * self.granularity)
    }

    /// Moves to `now` and appends what came due, as (key, tick).
    pub fn take_due(&mut self, now: Millis, due: &mut Vec<(u32, u32)>) {
        let last = now / self.granularity;
        if self.len == 0 {
            self.tick = self.tick.max(last + 1);
            return;
        }
        // One turn of the wheel visits every slot, however long the caller slept.
        let first = self.tick.max((last + 1).saturating_sub(SLOTS as u64));
        for tick in first..=last {
            let slot = slot_of(tick);
            if self.filled[slot / 64] >> (slot % 64) & 1 == 1 {
                self.take_slot(slot, truncate(last), due);
            }
        }
        self.tick = self.tick.max(last + 1);
    }

    fn take_slot(&mut self, slot: usize, last: u32, due: &mut Vec<(u32, u32)>) {
        let entries = &mut self.slots[slot];
        let before = entries.len();
        // Ticks wrap after 2^32; a deadline lies less than half of that ahead.
        due.extend(entries.extract_if(.., |(_, tick)| last.wrapping_sub(*tick) < u32::MAX / 2));
        self.len -= before - entries.len();
        if entries.is_empty() {
            *entries = Vec::new();
            self.filled[slot / 64] &= !(1 << (slot % 64));
        }
    }
}

fn slot_of(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).unwrap_or(0)
}

fn truncate(tick: u64) -> u32 {
    u32::try_from(tick & u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(wheel: &mut Wheel, now: Millis) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.take_due(now, &mut due);
        due.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn nothing_comes_due_early_and_nothing_is_forgotten() {
        let mut wheel = Wheel::new(16);
        let mut expected: Vec<(Millis, u32)> = Vec::new();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut now = 0;
        for key in 0..5000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = now + seed % 100_000;
            wheel.schedule(key, at);
            expected.push((at, key));
            now += seed >> 32 & 31;
            for got in due(&mut wheel, now) {
                let index = expected.iter().position(|&(_, k)| k == got).expect("scheduled once");
                let (at, _) = expected.swap_remove(index);
                assert!(at <= now, "key {got} at {at} came due at {now}");
            }
            assert!(expected.iter().all(|&(at, _)| at + 16 > now), "something is late at {now}");
        }
        assert_eq!(due(&mut wheel, now + 200_000).len(), expected.len());
        assert!(wheel.is_empty());
    }

    #[test]
    fn the_next_deadline_is_never_missed_by_sleeping_until_next_at() {
        let mut wheel = Wheel::new(10);
        assert_eq!(wheel.next_at(), None);
        wheel.schedule(1, 95);
        assert_eq!(wheel.next_at(), Some(100));
        assert_eq!(due(&mut wheel, 99), Vec::<u32>::new());
        assert_eq!(due(&mut wheel, 100), vec![1]);
        wheel.schedule(2, 25_000);
        wheel.schedule(3, 45_000);
        assert!(wheel.next_at().is_some_and(|at| at <= 25_000));
        assert_eq!(due(&mut wheel, 25_000), vec![2]);
        assert_eq!(due(&mut wheel, 45_000), vec![3]);
    }
}
