//! The thread that does to files what may take long and nobody waits for: syncing sealed segments, removing old ones.
//! What is to be done is decided by the writer.

use std::sync::Arc;

use super::inbox::Inbox;
use super::segment;
use super::shared::Shared;
use super::storage::{Storage, StoredFile};

/// Chores that may wait; there is one for each segment that is sealed or removed.
pub(crate) const CHORES_MAX: usize = 10_000;

#[derive(Debug)]
pub(crate) enum Chore {
    /// A segment was sealed.
    Sync(u64, Arc<dyn StoredFile>),
    /// A segment is not needed any more.
    Remove(String),
}

/// Does chores, in order, until there are no more to come.
pub(crate) fn run(chores: &Inbox<Chore>, shared: &Shared, storage: &dyn Storage) {
    while let Some(chore) = chores.take(|_| 1) {
        match chore {
            Chore::Sync(number, file) => sync(number, &*file, shared),
            Chore::Remove(name) => remove(&name, storage),
        }
    }
}

/// What is on the disk itself is known without gaps only: after a failure nothing newer counts.
fn sync(number: u64, file: &dyn StoredFile, shared: &Shared) {
    let follows = shared.state().synced + 1 == number;
    match file.sync() {
        Ok(()) if follows => shared.state().synced = number,
        Ok(()) => {}
        Err(error) => tracing::warn!(file = segment::name(number), %error, "a sealed segment could not be synced"),
    }
}

/// One at a time, with its name gone from the disk before the next: a crash never leaves a gap.
fn remove(name: &str, storage: &dyn Storage) {
    if let Err(error) = storage.remove(name).and_then(|()| storage.sync_names()) {
        tracing::warn!(file = name, %error, "a segment could not be removed");
    }
}
