//! Keys that were committed and their answers, for as long as they are promised. Where they are stored is the
//! adapter's business.

use std::collections::VecDeque;

use bytes::Bytes;
use hashbrown::HashMap;

/// Bytes that a key is charged for beside its own and those of its answer.
const OVERHEAD: usize = 160;

/// Bytes of keys that are carried in one step.
const CARRIED_BYTES: usize = 256 << 10;

/// The keys that are remembered, bounded by bytes. Times are milliseconds of the caller's clock.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: HashMap<Bytes, Known>,
    by_age: VecDeque<(u64, Bytes)>,
    /// How many have left `by_age`: with it a place in there has a number that stays.
    expired: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Known {
    answer: Bytes,
    home: u64,
}

/// A key that is written once more.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) at: u64,
    pub(crate) key: Bytes,
    pub(crate) answer: Bytes,
}

impl Keys {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.known.get(key).map(|known| &known.answer)
    }

    /// Bytes that the keys and answers take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a key and its answer are charged for.
    pub(crate) fn size(key: &[u8], answer: &[u8]) -> usize {
        OVERHEAD + key.len() + answer.len()
    }

    /// Remembers a key that is not known yet. Keys come in the order of their time. `home` says where it is stored.
    pub(crate) fn insert(&mut self, at: u64, key: Bytes, answer: Bytes, home: u64) {
        let size = Self::size(&key, &answer);
        if self.known.insert(key.clone(), Known { answer, home }).is_none() {
            self.bytes += size;
            self.by_age.push_back((at, key));
        }
    }

    /// Forgets the keys that were committed before `before`.
    pub(crate) fn expire(&mut self, before: u64) {
        while self.by_age.front().is_some_and(|(at, _)| *at < before) {
            let Some((_, key)) = self.by_age.pop_front() else { return };
            self.expired += 1;
            if let Some(known) = self.known.remove(&key) {
                self.bytes -= Self::size(&key, &known.answer);
            }
        }
    }

    /// Looks at up to `looks` keys, from the one numbered `from` on and none committed after `until`, for those that are
    /// stored in `home` or before, until they have [`CARRIED_BYTES`]. Gives them and the number to go on from; `None` when
    /// all were looked at.
    pub(crate) fn stored_in(&self, home: u64, until: u64, from: u64, looks: usize) -> (Vec<Carried>, Option<u64>) {
        let start = usize::try_from(from.saturating_sub(self.expired)).unwrap_or(usize::MAX).min(self.by_age.len());
        let mut found = Vec::new();
        let (mut looked, mut bytes) = (0, 0);
        for (at, key) in self.by_age.range(start..) {
            if *at > until {
                return (found, None);
            }
            if looked == looks || bytes >= CARRIED_BYTES {
                return (found, Some(self.expired + (start + looked) as u64));
            }
            looked += 1;
            if let Some(known) = self.known.get(key).filter(|known| known.home <= home) {
                bytes += Self::size(key, &known.answer);
                found.push(Carried { at: *at, key: key.clone(), answer: known.answer.clone() });
            }
        }
        (found, None)
    }

    /// The key is stored in `home` now.
    pub(crate) fn moved(&mut self, key: &[u8], home: u64) {
        if let Some(known) = self.known.get_mut(key) {
            known.home = home;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_home_are_found_in_steps_while_others_expire() {
        let mut keys = Keys::default();
        for at in 0..10_u64 {
            keys.insert(at, vec![at.to_le_bytes()[0]].into(), Bytes::new(), at % 2);
        }
        let (found, next) = keys.stored_in(0, 7, 0, 5);
        assert_eq!((found.iter().map(|carried| carried.at).collect::<Vec<_>>(), next), (vec![0, 2, 4], Some(5)));
        keys.expire(3);
        let (found, next) = keys.stored_in(0, 7, 5, 5);
        assert_eq!((found.iter().map(|carried| carried.at).collect::<Vec<_>>(), next), (vec![6], None));
        keys.moved(&[6], 3);
        assert!(keys.stored_in(0, 7, 5, 5).0.is_empty());
        keys.expire(100);
        assert_eq!((keys.bytes(), keys.get(&[9])), (0, None));
    }
}
