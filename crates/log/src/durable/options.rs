//! What can be chosen about a durable store, each with its unit, default and price.

use std::time::Duration;

use crate::Keep;

/// How a durable store works. `DurableOptions::default()` suits a server that must survive its own crash.
#[derive(Clone, Debug)]
pub struct DurableOptions {
    /// Whether an append is answered only when the disk itself has it, so that it survives loss of power. Off by default: it
    /// then survives the death of the process, and a crash of the machine gives the log a new epoch. Costs a sync of the disk
    /// for each group of appends, from 0.1 to 10 ms by the disk.
    pub fsync: bool,
    /// Bytes after which a segment is sealed and the next one begun, 64 MiB by default. What retention removes is whole
    /// segments; smaller ones mean more files and less that is kept beyond the limits.
    pub segment_bytes: u64,
    /// Age after which a segment that holds something is sealed, one hour by default, so that a quiet log is let go in
    /// time as well.
    pub segment_age: Duration,
    /// Age beyond which a segment is removed, 24 hours by default.
    pub max_age: Duration,
    /// Bytes of all segments beyond which the oldest are removed, 1 GiB by default. The newest ones, which
    /// [`Keep::entries`] covers, stay however large they are; so does what is pinned, up to twice this.
    pub max_bytes: u64,
    /// Bytes of recent entries (by [`Entry::size`](trunkline_delivery::Entry::size)) in memory, 64 MiB by default. What is
    /// in there is read without touching a file.
    pub ring_bytes: usize,
    /// Bytes of keys and their answers in memory, 64 MiB by default. A keyed batch that finds no room is refused: a key that
    /// is promised is not forgotten for another.
    pub keys_bytes: usize,
    /// Bytes of appends that wait for the disk, 64 MiB by default; what comes on top is refused.
    pub queue_bytes: usize,
    /// Bytes of entries read back from segments that are kept for the next reader at the same place, 16 MiB by default.
    pub cache_bytes: usize,
    /// What is kept at the least until [`Adapter::keep`](crate::Adapter::keep) says otherwise: 12 minutes of entries, an
    /// hour of keys. Keys are read at the start by this; give here what will be given there.
    pub keep: Keep,
}

impl Default for DurableOptions {
    fn default() -> Self {
        Self {
            fsync: false,
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(3600),
            max_age: Duration::from_secs(24 * 3600),
            max_bytes: 1 << 30,
            ring_bytes: 64 << 20,
            keys_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            cache_bytes: 16 << 20,
            keep: Keep { entries: Duration::from_secs(12 * 60), keys: Duration::from_secs(3600) },
        }
    }
}

/// Milliseconds of a duration, as many as fit.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
