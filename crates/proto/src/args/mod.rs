//! The arguments of an event or an ack in their one canonical form.

use std::ops::RangeBounds;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

/// The arguments of an event or an ack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    text: ByteString,
    spans: SmallVec<[(u32, u32); 4]>,
    attachments: Vec<Bytes>,
}

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

#[allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
impl Args {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    #[must_use]
    pub fn raw(&self, i: usize) -> Option<&str> {
        unimplemented!()
    }
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
    pub fn get<T: DeserializeOwned>(&self, i: usize) -> Result<T, ArgsError> {
        unimplemented!()
    }
    pub fn get_all<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        unimplemented!()
    }
    #[must_use]
    pub fn binary(&self, i: usize) -> Option<&Bytes> {
        unimplemented!()
    }
    pub fn serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, ArgsError> {
        unimplemented!()
    }
    pub fn serialize_one<T: Serialize + ?Sized>(value: &T) -> Result<Self, ArgsError> {
        unimplemented!()
    }
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ArgsError> {
        unimplemented!()
    }
    pub fn push_args(&mut self, other: &Self) {
        unimplemented!()
    }
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        unimplemented!()
    }
    #[must_use]
    pub fn spread(&self, i: usize) -> Option<Self> {
        unimplemented!()
    }
    #[must_use]
    pub fn member(&self, i: usize, key: &str) -> Option<Self> {
        unimplemented!()
    }
    #[must_use]
    pub fn first_is_string(&self) -> bool {
        unimplemented!()
    }
    #[must_use]
    pub fn last_is_string(&self) -> bool {
        unimplemented!()
    }
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        unimplemented!()
    }
}

impl std::fmt::Display for ArgsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
            _ => None,
        }
    }
}
