//! A machine for tests: a disk that forgets what was not synced, tears writes, fills up and fails, a clock that is set, and a
//! process that can be killed at any of its operations. What the store makes of it is the tests' matter.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use trunkline_log::durable::storage::{LockGuard, Storage, StoredFile};

use crate::rng::Rng;

const SECTOR: usize = 512;

/// When, relative to an operation that changes something, the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    Within,
    After,
}

#[derive(Debug)]
struct World {
    names: BTreeMap<String, usize>,
    names_on_disk: BTreeMap<String, usize>,
    /// Changes of names that are not on the disk.
    pending: Vec<(String, Option<usize>)>,
    files: Vec<Content>,
    locked: bool,
    /// Handles of an earlier process do nothing.
    process: u64,
    boot: u64,
    now_ms: u64,
    changes: usize,
    kill: Option<(usize, When)>,
    dead: bool,
    capacity: Option<usize>,
    fails_to_sync: bool,
    fails_to_write: bool,
    reads: usize,
    rng: Rng,
}

#[derive(Clone, Debug, Default)]
struct Content {
    live: Vec<u8>,
    disk: Vec<u8>,
    /// Writes that are not on the disk; `None` is a truncation to the offset.
    pending: Vec<(usize, Option<Vec<u8>>)>,
}

/// The machine; a clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct Machine(Arc<Mutex<World>>);

/// The machine as one process sees it.
#[derive(Debug)]
struct Process {
    machine: Machine,
    number: u64,
}

impl Machine {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            names: BTreeMap::new(),
            names_on_disk: BTreeMap::new(),
            pending: Vec::new(),
            files: Vec::new(),
            locked: false,
            process: 0,
            boot: 1,
            now_ms: 1_000_000_000_000,
            changes: 0,
            kill: None,
            dead: false,
            capacity: None,
            fails_to_sync: false,
            fails_to_write: false,
            reads: 0,
            rng: Rng::new(seed),
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("no test panics under this lock")
    }

    /// A new process, after the death of the one before.
    pub(crate) fn process(&self) -> Arc<dyn Storage> {
        let mut world = self.world();
        world.process += 1;
        (world.locked, world.dead, world.kill) = (false, false, None);
        Arc::new(Process { machine: self.clone(), number: world.process })
    }

    /// Another process, beside the one that is there.
    pub(crate) fn beside(&self) -> Arc<dyn Storage> {
        Arc::new(Process { machine: self.clone(), number: self.world().process })
    }

    /// Kills the process at the change numbered so from now.
    pub(crate) fn kill_at(&self, change: usize, when: When) {
        let mut world = self.world();
        world.kill = Some((world.changes + change, when));
    }

    pub(crate) fn changes(&self) -> usize {
        self.world().changes
    }

    pub(crate) fn reads(&self) -> usize {
        self.world().reads
    }

    pub(crate) fn set_capacity(&self, bytes: Option<usize>) {
        self.world().capacity = bytes;
    }

    pub(crate) fn used(&self) -> usize {
        self.world().used()
    }

    pub(crate) fn fail_to_sync(&self, fails: bool) {
        self.world().fails_to_sync = fails;
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.world().now_ms += ms;
    }

    /// The machine is started again in order: all of it is on the disk.
    pub(crate) fn reboot(&self) {
        self.world().boot += 1;
    }

    /// The machine loses power: of what was not synced, any part is on the disk.
    pub(crate) fn lose_power(&self) {
        let mut world = self.world();
        let world = &mut *world;
        world.boot += 1;
        let kept = world.rng.below(world.pending.len() + 1);
        for (name, file) in world.pending.drain(..).take(kept) {
            match file {
                Some(file) => drop(world.names_on_disk.insert(name, file)),
                None => drop(world.names_on_disk.remove(&name)),
            }
        }
        world.names = world.names_on_disk.clone();
        for file in &mut world.files {
            for (offset, bytes) in std::mem::take(&mut file.pending) {
                match bytes {
                    Some(bytes) => file.scatter(offset, &bytes, &mut world.rng),
                    None if world.rng.below(2) == 0 => file.disk.truncate(offset),
                    None => {}
                }
            }
            file.live = file.disk.clone();
        }
    }

    /// A part of a file changes by itself.
    pub(crate) fn with_file<T>(&self, name: &str, change: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut world = self.world();
        let file = world.names[name];
        let changed = change(&mut world.files[file].live);
        let live = world.files[file].live.clone();
        (world.files[file].disk, world.files[file].pending) = (live, Vec::new());
        changed
    }

    pub(crate) fn forget(&self, name: &str) {
        let mut world = self.world();
        world.names.remove(name);
        world.names_on_disk.remove(name);
    }

    pub(crate) fn files(&self) -> Vec<String> {
        self.world().names.keys().cloned().collect()
    }

    /// Everything as it is now, as another machine.
    pub(crate) fn copy(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        {
            let (from, mut to) = (self.world(), copy.world());
            (to.names, to.names_on_disk) = (from.names.clone(), from.names_on_disk.clone());
            (to.pending, to.files) = (from.pending.clone(), from.files.clone());
            (to.boot, to.now_ms) = (from.boot, from.now_ms);
        }
        copy
    }
}

impl World {
    fn used(&self) -> usize {
        self.names.values().map(|&file| self.files[file].live.len()).sum()
    }

    /// Does a change, unless the process is dead or dies with it. `part` does a part of it.
    fn change<T>(
        &mut self,
        process: u64,
        whole: impl FnOnce(&mut Self) -> io::Result<T>,
        part: impl FnOnce(&mut Self),
    ) -> io::Result<T> {
        self.check(process)?;
        self.changes += 1;
        match self.kill {
            Some((at, when)) if at < self.changes => {
                self.dead = true;
                match when {
                    When::Before => {}
                    When::Within => part(self),
                    When::After => drop(whole(self)),
                }
                Err(io::Error::other("killed"))
            }
            _ => whole(self),
        }
    }

    fn check(&self, process: u64) -> io::Result<()> {
        if self.dead || process != self.process { Err(io::Error::other("killed")) } else { Ok(()) }
    }

    fn write(&mut self, file: usize, bytes: &[u8], offset: usize) -> io::Result<()> {
        if self.fails_to_write {
            return Err(io::Error::other("the disk is gone"));
        }
        let grows = (offset + bytes.len()).saturating_sub(self.files[file].live.len());
        let room = self.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(self.used()));
        let fits = bytes.len() - grows.saturating_sub(room).min(bytes.len());
        self.files[file].write(offset, &bytes[..fits]);
        if fits < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.live, offset, bytes);
        self.pending.push((offset, Some(bytes.to_vec())));
    }

    /// Each sector of a write gets to the disk or does not.
    fn scatter(&mut self, offset: usize, bytes: &[u8], rng: &mut Rng) {
        let mut at = 0;
        while at < bytes.len() {
            let end = (at + SECTOR - (offset + at) % SECTOR).min(bytes.len());
            if rng.below(2) == 0 {
                put(&mut self.disk, offset + at, &bytes[at..end]);
            }
            at = end;
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if to.len() < offset + bytes.len() {
        to.resize(offset + bytes.len(), 0);
    }
    to[offset..offset + bytes.len()].copy_from_slice(bytes);
}

#[derive(Debug)]
struct Locked {
    machine: Machine,
    process: u64,
}

impl LockGuard for Locked {}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut world = self.machine.world();
        if world.process == self.process {
            world.locked = false;
        }
    }
}

impl Process {
    fn change<T>(&self, whole: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        self.machine.world().change(self.number, whole, |_| ())
    }
}

impl Storage for Process {
    fn lock(&self) -> io::Result<Option<Box<dyn LockGuard>>> {
        let mut world = self.machine.world();
        world.check(self.number)?;
        if std::mem::replace(&mut world.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(Locked { machine: self.machine.clone(), process: self.number })))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.machine.world();
        world.check(self.number)?;
        Ok(world.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = self.change(|world| {
            world.files.push(Content::default());
            let file = world.files.len() - 1;
            world.names.insert(name.to_owned(), file);
            world.pending.push((name.to_owned(), Some(file)));
            Ok(file)
        })?;
        Ok(Arc::new(Handle { machine: self.machine.clone(), process: self.number, file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let world = self.machine.world();
        world.check(self.number)?;
        let file = *world.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Handle { machine: self.machine.clone(), process: self.number, file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|world| {
            let file = world.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            world.names.insert(to.to_owned(), file);
            world.pending.extend([(to.to_owned(), Some(file)), (from.to_owned(), None)]);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|world| {
            world.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
            world.pending.push((name.to_owned(), None));
            Ok(())
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.change(|world| {
            if world.fails_to_sync {
                return Err(io::Error::other("the disk has an error"));
            }
            world.names_on_disk = world.names.clone();
            world.pending.clear();
            Ok(())
        })
    }

    fn now_ms(&self) -> u64 {
        self.machine.world().now_ms
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot-{}", self.machine.world().boot))
    }
}

#[derive(Debug)]
struct Handle {
    machine: Machine,
    process: u64,
    file: usize,
}

impl StoredFile for Handle {
    fn size(&self) -> io::Result<u64> {
        let world = self.machine.world();
        world.check(self.process)?;
        Ok(world.files[self.file].live.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut world = self.machine.world();
        world.check(self.process)?;
        world.reads += 1;
        let start = usize::try_from(offset).expect("a small file");
        let live = &world.files[self.file].live;
        let bytes = live.get(start..start + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).expect("a small file");
        self.machine.world().change(
            self.process,
            |world| world.write(self.file, bytes, offset),
            |world| {
                let torn = world.rng.below(bytes.len() + 1);
                let _killed = world.write(self.file, &bytes[..torn], offset);
            },
        )
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).expect("a small file");
        let whole = |world: &mut World| {
            world.files[self.file].live.resize(len, 0);
            world.files[self.file].pending.push((len, None));
            Ok(())
        };
        self.machine.world().change(self.process, whole, |_| ())
    }

    fn sync(&self) -> io::Result<()> {
        let whole = |world: &mut World| {
            if world.fails_to_sync {
                return Err(io::Error::other("the disk has an error"));
            }
            let file = &mut world.files[self.file];
            file.disk = file.live.clone();
            file.pending.clear();
            Ok(())
        };
        self.machine.world().change(self.process, whole, |_| ())
    }
}
