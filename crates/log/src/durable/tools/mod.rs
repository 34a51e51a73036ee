//! Looking into a data directory without being its server: what is in it, whether it is sound, its entries, a copy of it.
//! All of it only reads the directory, takes no lock, and may be done while a server writes there.

mod backup;
mod entries;
mod inspect;
mod verify;

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::OpenError;
use super::files::Files;
use super::segment::{self, SEGMENT_HEADER, SegmentHeader};
use super::storage::{Storage, StoredFile};

pub use backup::{Backup, backup};
pub use entries::{Entries, Stored, entries};
pub use inspect::{Inspection, RoomReport, SegmentReport, inspect};
pub use verify::{FileReport, verify};

/// The numbers of the segments in a directory, in order.
fn numbers(files: &Files) -> Result<Vec<u64>, OpenError> {
    let names = files.list().map_err(OpenError::io(format!("cannot list {}", files.dir().display())))?;
    let mut numbers: Vec<_> = names.iter().filter_map(|name| segment::number_in(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn files(dir: &Path) -> Result<Files, OpenError> {
    if dir.is_file() {
        return Err(OpenError::NotADirectory(dir.to_owned()));
    }
    Ok(Files::read_only(dir))
}

/// A segment that is read by others than its server.
struct Opened {
    name: String,
    file: Arc<dyn StoredFile>,
    size: u64,
    /// `None` if it is not there yet, or damaged.
    header: Option<SegmentHeader>,
}

impl Opened {
    /// Opens a segment; `None` if there is none of this number (any more).
    fn open(files: &Files, number: u64) -> Result<Option<Self>, OpenError> {
        let name = segment::name(number);
        let file = match files.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(OpenError::io(format!("cannot open {name}")))?,
        };
        let size = file.size().map_err(reading(&name))?;
        let mut bytes = [0; SEGMENT_HEADER];
        if size < SEGMENT_HEADER as u64 {
            return Ok(Some(Self { name, file, size, header: None }));
        }
        file.read_at(&mut bytes, 0).map_err(reading(&name))?;
        match SegmentHeader::read(&bytes) {
            Err(Some(version)) => Err(OpenError::Newer { file: name, version }),
            header => Ok(Some(Self { name, file, size, header: header.ok() })),
        }
    }

    /// Where the records end, by what the next segment knows; in the newest one where the file does. What a sealed segment
    /// has behind that is its footer, or what a crash left of it.
    fn end(&self, files: &Files, number: u64) -> Result<u64, OpenError> {
        let next = Self::open(files, number + 1)?.and_then(|next| next.header);
        Ok(next.map_or(self.size, |next| next.previous_end.min(self.size)))
    }

    fn refresh(&mut self) -> Result<(), OpenError> {
        self.size = self.file.size().map_err(reading(&self.name))?;
        Ok(())
    }
}

fn reading(name: &str) -> impl FnOnce(io::Error) -> OpenError + use<> {
    OpenError::io(format!("cannot read {name}"))
}
