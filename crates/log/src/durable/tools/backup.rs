//! A copy of a data directory that opens as a log of its own, made while a server writes to the original.
//! When and where it is made, and how many are kept, is the operator's matter.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use trunkline_delivery::Position;

use super::{Opened, files, numbers, reading};
use crate::durable::error::OpenError;
use crate::durable::files::Files;
use crate::durable::meta::Meta;
use crate::durable::repair::{Stop, scan};
use crate::durable::segment;
use crate::durable::storage::StoredFile;
use crate::durable::window::Bad;

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Segments.
    pub segments: usize,
    /// Bytes of them. Sealed ones share the disk with the original where both are on one file system.
    pub bytes: u64,
    /// The newest entry in it.
    pub last: Position,
}

/// Copies a data directory into `to`, which is made, or is empty: sealed segments are hard links where that is possible,
/// the newest one is copied up to its last whole record. All of it is on the disk when this returns.
///
/// Who opens the backup gets a new epoch: clients may have seen what came after it, so they start afresh.
///
/// # Errors
///
/// One of the directories cannot be read or written, or the newest segment is damaged or of a later version.
pub fn backup(dir: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Backup, OpenError> {
    let (from, to) = (files(dir.as_ref())?, to.as_ref());
    let into = Files::create_dir(to).map_err(OpenError::io(format!("cannot make {}", to.display())))?;
    let writing = || OpenError::io(format!("cannot write to {}", to.display()));
    if fs::read_dir(to).map_err(writing())?.next().is_some() {
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "it is not empty");
        return Err(OpenError::Io { what: format!("no backup is made in {}", to.display()), source });
    }
    let mut numbers = numbers(&from)?;
    // One that was only just begun holds nothing. The one before it may still be written to: that is the one to copy.
    while let Some(&number) = numbers.last()
        && Opened::open(&from, number)?.is_none_or(|opened| opened.header.is_none())
    {
        numbers.pop();
    }
    let mut done = Backup { segments: 0, bytes: 0, last: Position::ZERO };
    let Some((&newest, sealed)) = numbers.split_last() else {
        return Err(OpenError::Io { what: "no backup is made".to_owned(), source: io::ErrorKind::NotFound.into() });
    };
    for (i, &number) in sealed.iter().enumerate() {
        match take_sealed(&from, &into, number) {
            Ok(bytes) => (done.segments, done.bytes) = (done.segments + 1, done.bytes + bytes),
            // Retention has removed it, and so all before it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                sealed[..i].iter().for_each(|&number| drop(fs::remove_file(path(&into, number))));
                (done.segments, done.bytes) = (0, 0);
            }
            Err(error) => return Err(writing()(error)),
        }
    }
    if let Some((bytes, last)) = take_newest(&from, &into, newest)? {
        done = Backup { segments: done.segments + 1, bytes: done.bytes + bytes, last };
    }
    let meta = Meta { synced: true, epoch: 0, boot_id: None };
    meta.write(&into).map_err(writing())?;
    Ok(done)
}

fn path(files: &Files, number: u64) -> std::path::PathBuf {
    files.dir().join(segment::name(number))
}

fn take_sealed(from: &Files, into: &Files, number: u64) -> io::Result<u64> {
    let (source, copy) = (path(from, number), path(into, number));
    match fs::hard_link(&source, &copy) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
        Err(_) => drop(fs::copy(&source, &copy)?),
        Ok(()) => {}
    }
    let file = File::open(&copy)?;
    file.sync_data()?;
    Ok(file.metadata()?.len())
}

/// Copies the records of the open segment; `None` if it was only just begun.
fn take_newest(from: &Files, into: &Files, number: u64) -> Result<Option<(u64, Position)>, OpenError> {
    let Some(opened) = Opened::open(from, number)? else { return Ok(None) };
    let Some(header) = opened.header else { return Ok(None) };
    let scanned = scan(&*opened.file, &header, opened.size).map_err(reading(&opened.name))?;
    match scanned.stop {
        // An unfinished record at the end is not committed yet.
        Stop::End | Stop::Footer | Stop::Bad(Bad::Short) => {}
        Stop::Bad(Bad::Wrong(what)) => return Err(OpenError::damaged(&opened.name, scanned.index.end, what)),
        Stop::Bad(Bad::Newer(version)) => {
            return Err(OpenError::Newer { file: opened.name, version: version.into() });
        }
    }
    let copy = || copy_to(&*opened.file, scanned.index.end, &path(into, number));
    copy().map_err(OpenError::io(format!("cannot copy {}", opened.name)))?;
    Ok(Some((scanned.index.end, scanned.index.next.before())))
}

fn copy_to(file: &dyn StoredFile, end: u64, path: &Path) -> io::Result<()> {
    const STEP: u64 = 1 << 20;
    let mut to = File::create_new(path)?;
    let mut at = 0;
    while at < end {
        let step = usize::try_from(STEP.min(end - at)).unwrap_or(0);
        let mut bytes = vec![0; step];
        file.read_at(&mut bytes, at)?;
        to.write_all(&bytes)?;
        at += step as u64;
    }
    to.sync_data()
}
