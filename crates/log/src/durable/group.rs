//! What one write holds: which batches of the queue go into it, as which records, and what each of them is answered once it
//! is committed. Writing it is the writer's part.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use trunkline_delivery::{Entry, Position};

use super::codec::{put_entry, put_key};
use super::promise::Promise;
use super::record::{ACTS, BODY_MAX, CARRIED, Header, KEYED, put_record};
use super::shared::Job;
use crate::keys::{Carried, Keys};
use crate::{AppendError, Appended, Batch};

/// Bytes after which no further batch goes into a write.
const GROUP_BYTES: usize = 4 << 20;

/// A write that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: Vec<Written>,
    /// Keys that are new with it.
    pub(crate) keys: Vec<(Bytes, Bytes)>,
    /// Keys that are written once more.
    pub(crate) carried: Vec<Bytes>,
    pub(crate) owed: Vec<Owed>,
}

/// What a batch is answered.
#[derive(Debug)]
pub(crate) struct Owed {
    promise: Promise<Result<Appended, AppendError>>,
    result: Result<Appended, AppendError>,
    /// Only if the write succeeds.
    depends: bool,
}

impl Owed {
    /// Answers, after the write went well or did not.
    pub(crate) fn settle(self, written: Result<(), &AppendError>) {
        self.promise.keep(match written {
            Err(error) if self.depends => Err(error.clone()),
            _ => self.result,
        });
    }
}

/// A record of it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) header: Header,
    pub(crate) entries: Vec<Arc<Entry>>,
}

/// Where the log stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) ms: u64,
    pub(crate) next: Position,
}

/// What the keys say of a batch.
enum Judged {
    Goes,
    Known(Bytes),
    /// A batch before it in this group has the key.
    Behind(Bytes),
    NoRoom,
}

impl Group {
    /// Takes batches off the queue, in order, until the write is large enough.
    pub(crate) fn fill(&mut self, jobs: &mut VecDeque<Job>, keys: &Keys, keys_max: usize, mut now: Now) {
        let mut new = HashMap::new();
        let mut keys_bytes = keys.bytes();
        while self.bytes.len() < GROUP_BYTES {
            let Some(Job { batch, promise }) = jobs.pop_front() else { break };
            let judged = judge(&batch, keys, &new, keys_bytes, keys_max);
            let depends = !matches!(judged, Judged::Known(_));
            let result = match judged {
                Judged::Known(answer) | Judged::Behind(answer) => Ok(Appended::Known(answer)),
                Judged::NoRoom => {
                    let why = format!("the keys of publishes and their answers take more than {keys_max} bytes");
                    Err(AppendError::Unavailable(why))
                }
                Judged::Goes if batch.entries.is_empty() && batch.keyed.is_none() => Ok(Appended::New(Vec::new())),
                Judged::Goes => {
                    let keyed = batch.keyed.as_ref().map(|keyed| (keyed.key.clone(), keyed.answer.clone()));
                    let result = self.put(batch, &mut now);
                    if let (Ok(_), Some((key, answer))) = (&result, keyed) {
                        keys_bytes += Keys::size(&key, &answer);
                        new.insert(key.clone(), answer.clone());
                        self.keys.push((key, answer));
                    }
                    result
                }
            };
            self.owed.push(Owed { promise, result, depends });
        }
    }

    fn put(&mut self, batch: Batch, now: &mut Now) -> Result<Appended, AppendError> {
        let count = u32::try_from(batch.entries.len());
        let count = count.map_err(|_| AppendError::Unavailable("a batch has too many entries".to_owned()))?;
        let acts = batch.entries.iter().any(|entry| !entry.act.is_emit());
        let bits = if acts { ACTS } else { 0 } | if batch.keyed.is_some() { KEYED } else { 0 };
        let header = self.header(bits, count, *now);
        let written = put_record(&mut self.bytes, header, |out| {
            if let Some(keyed) = &batch.keyed {
                put_key(out, &keyed.key, &keyed.answer, None);
            }
            batch.entries.iter().for_each(|entry| put_entry(out, &entry.target, &entry.act));
        });
        let Some(header) = written else {
            return Err(AppendError::Unavailable(format!("a batch is larger than {BODY_MAX} bytes")));
        };
        let mut entries = Vec::with_capacity(batch.entries.len());
        for new in batch.entries {
            entries.push(Arc::new(Entry { position: now.next, target: new.target, act: new.act }));
            now.next = now.next.next();
        }
        let positions = entries.iter().map(|entry| entry.position).collect();
        self.records.push(Written { header, entries });
        Ok(Appended::New(positions))
    }

    /// Adds a key that an older segment holds.
    pub(crate) fn carry(&mut self, carried: Carried, now: Now) {
        let header = self.header(KEYED | CARRIED, 0, now);
        let put = |out: &mut Vec<u8>| put_key(out, &carried.key, &carried.answer, Some(carried.at));
        if let Some(header) = put_record(&mut self.bytes, header, put) {
            self.records.push(Written { header, entries: Vec::new() });
            self.carried.push(carried.key);
        }
    }

    /// Adds a record that says nothing: it shows whether the disk takes one again.
    pub(crate) fn probe(&mut self, now: Now) {
        let header = self.header(0, 0, now);
        if let Some(header) = put_record(&mut self.bytes, header, |_| ()) {
            self.records.push(Written { header, entries: Vec::new() });
        }
    }

    fn header(&self, bits: u8, count: u32, now: Now) -> Header {
        let back = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        Header { body_crc: 0, len: 0, bits, back, count, position: now.next, time_ms: now.ms }
    }
}

fn judge(batch: &Batch, keys: &Keys, new: &HashMap<Bytes, Bytes>, keys_bytes: usize, keys_max: usize) -> Judged {
    let Some(keyed) = &batch.keyed else { return Judged::Goes };
    if let Some(answer) = keys.get(&keyed.key) {
        return Judged::Known(answer.clone());
    }
    match new.get(&keyed.key) {
        Some(answer) => Judged::Behind(answer.clone()),
        None if keys_bytes > keys_max => Judged::NoRoom,
        None => Judged::Goes,
    }
}
