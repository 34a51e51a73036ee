//! Why a store does not open, in sentences that say what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A place in a file that does not hold what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The name of the file.
    pub file: String,
    /// The first byte of what is wrong: a record, or a header.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at byte {} ({})", self.file, self.offset, self.what)
    }
}

impl std::error::Error for Damage {}

/// Why a store could not be opened. Nothing in its directory was changed then, but for a torn end that was cut off.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another store of this one, has the directory.
    InUse,
    /// A file is of a later version of the format.
    Newer {
        /// The name of the file.
        file: String,
        /// Its version.
        version: u32,
    },
    /// Something that was committed is damaged.
    Damaged(Damage),
    /// The path names a file.
    NotADirectory(PathBuf),
    /// The operating system refused.
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }

    pub(crate) fn damaged(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged(Damage { file: file.to_owned(), offset, what: what.into() })
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse => f.write_str(
                "the data directory is in use by another process: stop that one, or name another directory for this one",
            ),
            Self::Newer { file, version } => write!(
                f,
                "{file} has version {version} of the format, this program knows version {} and below: run the program that \
                 wrote it, or a later one",
                super::segment::SEGMENT_VERSION
            ),
            Self::Damaged(damage) if damage.file == super::meta::NAME => write!(
                f,
                "{damage}: restore the directory from a backup, or remove this file (clients that are away then start \
                 afresh)"
            ),
            Self::Damaged(damage) => write!(
                f,
                "{damage}: restore the directory from a backup, or remove this file, the .log files with higher numbers and \
                 the file meta, to go on with what is older (clients that are away then start afresh)"
            ),
            Self::NotADirectory(path) => {
                write!(f, "{} is not a directory: remove it, or name another data directory", path.display())
            }
            Self::Io { what, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "{what}: permission denied: let this user read and write the data directory")
            }
            Self::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged(damage) => Some(damage),
            Self::Io { source, .. } => Some(source),
            Self::InUse | Self::Newer { .. } | Self::NotADirectory(_) => None,
        }
    }
}
