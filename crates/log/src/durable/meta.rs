//! The file `meta`: the name of the log, and whether it can be trusted after a crash of the machine.
//! When a new name is taken is decided at the start.

use std::hash::{BuildHasher, RandomState};
use std::io;

use super::error::OpenError;
use super::record::{u32_at, u64_at};
use super::storage::Storage;

pub(crate) const NAME: &str = "meta";
const UNFINISHED: &str = "meta.new";
const MAGIC: &[u8; 8] = b"TRKLMETA";
const VERSION: u32 = 1;
const LEN: usize = 64;
const SYNCED: u32 = 1;
const BOOT_LEN: usize = 36;

/// What is known of the log as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// What was acknowledged is on the disk itself.
    pub(crate) synced: bool,
    /// Zero in a backup.
    pub(crate) epoch: u64,
    pub(crate) boot_id: Option<String>,
}

impl Meta {
    /// Reads the file, if there is one.
    pub(crate) fn read(storage: &dyn Storage) -> Result<Option<Self>, OpenError> {
        let file = match storage.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(OpenError::io("cannot open meta"))?,
        };
        let mut bytes = [0; LEN];
        match file.read_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(OpenError::damaged(NAME, 0, "it is too short"));
            }
            read => read.map_err(OpenError::io("cannot read meta"))?,
        }
        Self::parse(&bytes).map(Some)
    }

    fn parse(bytes: &[u8; LEN]) -> Result<Self, OpenError> {
        if crc32fast::hash(&bytes[..60]) != u32_at(bytes, 60) || !bytes.starts_with(MAGIC) {
            return Err(OpenError::damaged(NAME, 0, "its checksum is wrong"));
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(OpenError::Newer { file: NAME.to_owned(), version });
        }
        let boot = bytes[24..60].split(|&byte| byte == 0).next().unwrap_or_default();
        let boot_id = Some(String::from_utf8_lossy(boot).into_owned()).filter(|id| !id.is_empty());
        Ok(Self { synced: u32_at(bytes, 12) & SYNCED != 0, epoch: u64_at(bytes, 16), boot_id })
    }

    pub(crate) fn to_bytes(&self) -> [u8; LEN] {
        let mut to = [0; LEN];
        to[..8].copy_from_slice(MAGIC);
        to[8..12].copy_from_slice(&VERSION.to_le_bytes());
        to[12..16].copy_from_slice(&(u32::from(self.synced) * SYNCED).to_le_bytes());
        to[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        let boot = self.boot_id.as_deref().unwrap_or_default().as_bytes();
        let boot = &boot[..boot.len().min(BOOT_LEN)];
        to[24..24 + boot.len()].copy_from_slice(boot);
        let crc = crc32fast::hash(&to[..60]);
        to[60..].copy_from_slice(&crc.to_le_bytes());
        to
    }

    /// Replaces the file, so that either the old or the new one is there after any crash.
    pub(crate) fn write(&self, storage: &dyn Storage) -> io::Result<()> {
        let file = storage.create(UNFINISHED)?;
        file.write_at(&self.to_bytes(), 0)?;
        file.sync()?;
        storage.rename(UNFINISHED, NAME)?;
        storage.sync_names()
    }
}

/// A name that no other log has, not zero.
pub(crate) fn new_epoch(now_ms: u64) -> u64 {
    RandomState::new().hash_one(now_ms).max(1)
}

/// Boot ids are compared as the file keeps them.
pub(crate) fn boot_id(storage: &dyn Storage) -> Option<String> {
    let mut id = storage.boot_id()?;
    while id.len() > BOOT_LEN {
        id.pop();
    }
    Some(id)
}
