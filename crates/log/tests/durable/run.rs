//! What all tests of the store need: waiting for futures, folders, batches, and reading everything back.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use trunkline_delivery::{Act, Entry, Names, Position, Target};
pub(crate) use trunkline_log::kit::finish;
use trunkline_log::{
    Adapter, AppendError, Appended, Batch, Durable, DurableOptions, Keyed, NewEntry, OpenError, PageLimit, ReadError,
};
use trunkline_proto::{Args, Event};

use crate::disk::Machine;

pub(crate) const EVERYTHING: PageLimit = PageLimit { entries: usize::MAX, bytes: usize::MAX };

/// A folder that is removed with all that is in it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// A folder that no other test has, empty.
pub(crate) fn folder() -> Folder {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("durable-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    Folder(folder)
}

pub(crate) fn open(machine: &Machine, options: DurableOptions) -> Result<Durable, OpenError> {
    Durable::open_on(machine.process(), options)
}

/// An event of a room, named by a number.
pub(crate) fn event(room: &str, name: &str) -> NewEntry {
    let target = Target::rooms("/".into(), Names::from_elem(room.into(), 1));
    let args = Args::serialize(&("some text", 1)).expect("arguments");
    NewEntry { target, act: Act::Emit { event: Event::new(name, args), compress: true } }
}

pub(crate) fn events(names: &[&str]) -> Batch {
    Batch { entries: names.iter().map(|name| event("r", name)).collect(), keyed: None }
}

pub(crate) fn keyed(key: &str, answer: &str, names: &[&str]) -> Batch {
    let (key, answer) = (key.to_owned().into(), answer.to_owned().into());
    Batch { keyed: Some(Keyed { key, answer }), ..events(names) }
}

pub(crate) fn append(log: &Durable, batch: Batch) -> Result<Appended, AppendError> {
    finish(log.append(batch))
}

/// The names of all events that are kept, in order, read in pages; with every position checked.
pub(crate) fn names(log: &Durable) -> Result<Vec<String>, ReadError> {
    let mut upto = match finish(log.read(Position::ZERO, EVERYTHING)) {
        Err(ReadError::Gone { oldest }) => oldest.before(),
        _ => Position::ZERO,
    };
    let mut names = Vec::new();
    while upto < log.committed() {
        let page = finish(log.read(upto, PageLimit { entries: 7, bytes: 1 << 20 }))?;
        for entry in &page.entries {
            assert_eq!(entry.position, upto.next(), "positions are consecutive");
            upto = entry.position;
            names.push(name(entry));
        }
        assert_eq!(upto, page.upto);
    }
    Ok(names)
}

pub(crate) fn name(entry: &Entry) -> String {
    match &entry.act {
        Act::Emit { event, .. } => event.name.to_string(),
        act => format!("{act:?}"),
    }
}
