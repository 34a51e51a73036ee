//! What the store needs of a machine, behind two traits: files of one directory, a lock, a clock and the machine's boot.
//! The real machine is in `files`; tests bring one that forgets, tears, fills up and fails.

use std::fmt;
use std::io;
use std::sync::Arc;

/// A directory on a machine.
///
/// Names are plain file names. What is created, renamed or removed survives a crash of the machine after
/// [`sync_names`](Self::sync_names); what is written into a file after [`StoredFile::sync`].
pub trait Storage: Send + Sync + fmt::Debug {
    /// Takes the directory for this process, until the guard is dropped; `None` if another one has it.
    ///
    /// # Errors
    ///
    /// The lock cannot be asked for.
    fn lock(&self) -> io::Result<Option<Box<dyn LockGuard>>>;

    /// The names of the files in the directory, in any order.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file, whether or not there was one of this name.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    ///
    /// It does not exist or cannot be opened.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;

    /// Gives a file another name, in place of the one that had it.
    ///
    /// # Errors
    ///
    /// It cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Who has it open may go on reading.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Waits until the names of the files are on the disk.
    ///
    /// # Errors
    ///
    /// They may not be.
    fn sync_names(&self) -> io::Result<()>;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;

    /// What names the time since the machine was started, if it is known.
    fn boot_id(&self) -> Option<String>;
}

/// Keeps a directory locked until it is dropped.
pub trait LockGuard: Send + fmt::Debug {}

/// An open file.
pub trait StoredFile: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    ///
    /// It is not known.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with what stands from `offset` on.
    ///
    /// # Errors
    ///
    /// It cannot be read, or the file ends before: [`io::ErrorKind::UnexpectedEof`].
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` from `offset` on.
    ///
    /// # Errors
    ///
    /// It could not; a part of the bytes, from their beginning, may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    ///
    /// It could not.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    ///
    /// It may not be, and asking again would not tell.
    fn sync(&self) -> io::Result<()>;
}
