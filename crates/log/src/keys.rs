//! Keys that were committed and their answers, for as long as they are promised. Where they are stored is the
//! adapter's business.

use std::collections::VecDeque;

use bytes::Bytes;
use hashbrown::HashMap;

/// Bytes that a key is charged for beside its own and those of its answer.
const OVERHEAD: usize = 160;

/// The keys that are remembered, bounded by bytes. Times are milliseconds of the caller's clock.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    answers: HashMap<Bytes, Bytes>,
    by_age: VecDeque<(u64, Bytes)>,
    bytes: usize,
}

impl Keys {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.answers.get(key)
    }

    /// Bytes that the keys and answers take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Remembers a key that is not known yet.
    pub(crate) fn insert(&mut self, at: u64, key: Bytes, answer: Bytes) {
        let size = OVERHEAD + key.len() + answer.len();
        if self.answers.insert(key.clone(), answer).is_none() {
            self.bytes += size;
            self.by_age.push_back((at, key));
        }
    }

    /// Forgets the keys that were committed before `before`.
    pub(crate) fn expire(&mut self, before: u64) {
        while self.by_age.front().is_some_and(|(at, _)| *at < before) {
            let Some((_, key)) = self.by_age.pop_front() else { return };
            if let Some(answer) = self.answers.remove(&key) {
                self.bytes -= OVERHEAD + key.len() + answer.len();
            }
        }
    }
}
