//! From a directory to a log that can be appended to: the lock, the epoch, the segment to write to, the keys. What a crash
//! left of the segments is `recover`'s.

use std::collections::VecDeque;
use std::io;

use trunkline_delivery::Position;

use super::block::read_records;
use super::error::OpenError;
use super::meta::{self, Meta};
use super::options::{DurableOptions, millis};
use super::record::KEYED;
use super::recover::Finder;
use super::repair::Left;
use super::segment::{self, Index, SEGMENT_HEADER, Segment, SegmentHeader};
use super::storage::{LockGuard, Storage};
use crate::keys::Keys;

/// A log that was opened.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) lock: Box<dyn LockGuard>,
    pub(crate) meta: Meta,
    /// Oldest first, the last one open.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) synced: u64,
    pub(crate) keys: Keys,
}

/// Opens the log in a directory, and repairs what a crash has torn.
pub(crate) fn start(storage: &dyn Storage, options: &DurableOptions) -> Result<Started, OpenError> {
    let lock = storage.lock().map_err(OpenError::io("cannot lock the data directory"))?.ok_or(OpenError::InUse)?;
    let old = Meta::read(storage)?;
    let boot_id = meta::boot_id(storage);
    let left = Left {
        // `meta` is written before anything else: where it is missing somebody has taken it away, not a crash.
        same_boot: old.as_ref().is_none_or(|old| boot_id.is_some() && old.boot_id == boot_id),
        synced: old.as_ref().is_some_and(|old| old.synced),
    };
    let mut found = Finder { storage, old, left, segments: VecDeque::new(), lost: false, ends: false };
    found.find()?;
    let Finder { old, mut segments, lost, ends, .. } = found;
    let is_same = |old: &&Meta| old.epoch != 0 && !lost && !left.is_loose();
    let epoch = old.as_ref().filter(is_same).filter(|_| !segments.is_empty()).map(|old| old.epoch);
    let now_ms = storage.now_ms();
    let meta = Meta { synced: options.fsync, epoch: epoch.unwrap_or_else(|| meta::new_epoch(now_ms)), boot_id };
    let keys = keys_of(&segments, now_ms.saturating_sub(millis(options.keep.keys)))?;
    let mut synced =
        if left.synced { last_sealed(&segments, ends) } else { segments.back().map_or(0, |s| s.header.synced) };
    if options.fsync && !left.synced {
        // From here on `meta` says that it is all on the disk.
        for segment in segments.iter().filter(|segment| segment.number() > synced) {
            segment.file.sync().map_err(OpenError::io("cannot sync what an earlier run has written"))?;
        }
        synced = last_sealed(&segments, ends);
    }
    if ends {
        let before = segments.back().map_or_else(Before::nothing, Before::of);
        let next = begin(storage, before, synced, now_ms);
        let next = next.and_then(|next| if options.fsync { settle(storage, &next).map(|()| next) } else { Ok(next) });
        segments.push_back(next.map_err(OpenError::io("cannot begin a segment"))?);
    }
    meta.write(storage).map_err(OpenError::io("cannot write meta"))?;
    Ok(Started { lock, meta, segments, synced, keys })
}

fn last_sealed(segments: &VecDeque<Segment>, ends: bool) -> u64 {
    let newest = segments.back().map_or(0, Segment::number);
    if ends { newest } else { newest.saturating_sub(1) }
}

/// What the next segment has to know of the one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    number: u64,
    next: Position,
    end: u64,
    last_ms: u64,
}

impl Before {
    pub(crate) fn of(segment: &Segment) -> Self {
        let Index { next, last_ms, end, .. } = segment.index;
        Self { number: segment.number(), next, end, last_ms }
    }

    fn nothing() -> Self {
        Self { number: 0, next: Position::new(1), end: 0, last_ms: 0 }
    }
}

/// Makes the segment that follows. Nothing of it is left if that fails.
pub(crate) fn begin(storage: &dyn Storage, before: Before, synced: u64, now_ms: u64) -> io::Result<Segment> {
    let header = SegmentHeader {
        number: before.number + 1,
        first: before.next,
        created_ms: now_ms.max(before.last_ms),
        previous_end: before.end,
        synced,
    };
    let name = segment::name(header.number);
    let make = || {
        let file = storage.create(&name)?;
        file.write_at(&header.to_bytes(), 0)?;
        Ok(Segment { header, file, index: Index::new(&header), size: SEGMENT_HEADER as u64 })
    };
    make().inspect_err(|_| drop(storage.remove(&name)))
}

/// Waits until a segment that was begun is on the disk.
pub(crate) fn settle(storage: &dyn Storage, segment: &Segment) -> io::Result<()> {
    segment.file.sync()?;
    storage.sync_names()
}

/// The keys that were committed since, from the blocks that hold any.
fn keys_of(segments: &VecDeque<Segment>, since: u64) -> Result<Keys, OpenError> {
    let mut found = Vec::new();
    for segment in segments {
        let blocks = segment.index.blocks.iter().enumerate();
        let recent = blocks.filter(|(_, block)| block.bits & KEYED != 0 && block.last_ms >= since);
        for place in recent.filter_map(|(at, _)| segment.place(at)) {
            let wanted = |header: &super::record::Header| header.has(KEYED);
            let read = read_records(&place, wanted, |header, key, _| {
                found.extend(key.map(|key| (key.committed_ms.unwrap_or(header.time_ms), segment.number(), key)));
            });
            read.map_err(OpenError::Damaged)?;
        }
    }
    found.retain(|(committed_ms, ..)| *committed_ms >= since);
    // Of a key that was carried forward the later place counts, which is removed last.
    found.sort_by_key(|(committed_ms, home, _)| (*committed_ms, std::cmp::Reverse(*home)));
    let mut keys = Keys::default();
    for (committed_ms, home, key) in found {
        if keys.get(&key.key).is_none() {
            keys.insert(committed_ms, key.key, key.answer, home);
        }
    }
    Ok(keys)
}
