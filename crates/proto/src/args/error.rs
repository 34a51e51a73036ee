//! What can go wrong between arguments and the types of a program.
//! What a peer gets to see of it is left to the library.

use std::fmt;

/// Why arguments could not be written or read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ArgsError {
    /// There is no argument at this place, and the wanted type does not take `null` for it.
    Missing(usize),
    /// The argument is not of the wanted type, or the value cannot be written as JSON.
    Json(serde_json::Error),
    /// More attachments than [`MAX_ATTACHMENTS`](crate::limits::MAX_ATTACHMENTS).
    TooManyAttachments,
    /// The value is nested deeper than [`MAX_DEPTH`](crate::limits::MAX_DEPTH).
    TooDeep,
    /// The text is longer than 4 GiB.
    TooLong,
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(i) => write!(f, "argument {i} is missing"),
            Self::Json(error) => error.fmt(f),
            Self::TooManyAttachments => f.write_str("too many attachments"),
            Self::TooDeep => f.write_str("value nested too deep"),
            Self::TooLong => f.write_str("arguments too long"),
        }
    }
}

impl std::error::Error for ArgsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Missing(_) | Self::TooManyAttachments | Self::TooDeep | Self::TooLong => None,
        }
    }
}

impl From<serde_json::Error> for ArgsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}
