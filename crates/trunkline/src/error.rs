//! The errors of the public API, by whose fault they are: what a handler answers its client ([`Error`]), what became of
//! an emit ([`EmitError`]), and how a server could not be built ([`BuildError`]).

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use trunkline_log::{AppendError, OpenError};

/// What a handler answers its client instead of a value.
///
/// The client gets one argument, `{"error":{"code":..,"message":..}}`, with `data` beside them if it was set. Any
/// [`std::error::Error`] becomes one through `?`: the client then sees code `internal` and no detail, and the log has
/// the cause.
///
/// | code | meaning |
/// |---|---|
/// | `invalid_argument` | an argument was missing or of another type |
/// | `internal` | the handler failed, panicked, or its cause is not for the client |
/// | `no_answer` | the handler dropped the acknowledgement unanswered |
/// | `not_handled` | nobody listens to this event (only with [`crate::Unhandled::Reject`]) |
/// | `unavailable` | the log took no entries when the handler emitted |
/// | yours | whatever [`Error::new`] was given |
#[derive(Debug)]
pub struct Error {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    data: Option<serde_json::Value>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a code for programs and a message for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), message: message.into(), data: None, source: None }
    }

    /// Adds data for the client. A value that is no JSON is left out.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::to_value(data).ok();
        self
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The data, if there is any.
    #[must_use]
    pub fn data(&self) -> Option<&serde_json::Value> {
        self.data.as_ref()
    }

    /// The cause that the client does not see.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }

    pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid_argument", message)
    }

    pub(crate) fn internal() -> Self {
        Self::new("internal", "internal error")
    }

    pub(crate) fn answer(&self) -> serde_json::Value {
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        serde_json::json!({ "error": error })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        Self { source: Some(Box::new(source)), ..Self::internal() }
    }
}

/// Why a connection to a namespace is refused: what the client finds in its `connect_error`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectError {
    pub(crate) message: String,
    pub(crate) data: Option<serde_json::Value>,
}

impl ConnectError {
    /// A refusal with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// Adds data, which the client finds in `err.data`. A value that is no JSON is left out.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::to_value(data).ok();
        self
    }
}

impl<S: Into<String>> From<S> for ConnectError {
    fn from(message: S) -> Self {
        Self::new(message)
    }
}

/// Why an emit came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmitError {
    /// The name belongs to Socket.IO itself (`connect`, `disconnect`, ...).
    ReservedEvent(String),
    /// The arguments could not be written as JSON.
    Serialize(String),
    /// The log did not take it; nobody gets it.
    Append(AppendError),
    /// The server was closed.
    Closed,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedEvent(name) => write!(f, "{name:?} is a reserved event name"),
            Self::Serialize(why) => write!(f, "the arguments are no JSON: {why}"),
            Self::Append(why) => why.fmt(f),
            Self::Closed => f.write_str("the server is closed"),
        }
    }
}

impl std::error::Error for EmitError {}

/// Why an acknowledgement did not come.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AckError {
    /// The time given with `timeout` passed. For a broadcast, the answers that came in time.
    Timeout(Vec<crate::Args>),
    /// Some of those a broadcast asked ended before they answered; the answers of the others.
    Left(Vec<crate::Args>),
    /// The socket ended before it answered.
    Disconnected,
    /// The question could not be sent.
    Emit(EmitError),
    /// The answer is not of the type asked for.
    Decode(String),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(_) => f.write_str("operation has timed out"),
            Self::Left(_) => f.write_str("some of those asked ended before they answered"),
            Self::Disconnected => f.write_str("socket has been disconnected"),
            Self::Emit(why) => why.fmt(f),
            Self::Decode(why) => write!(f, "the answer is of another type: {why}"),
        }
    }
}

impl std::error::Error for AckError {}

/// Why a server could not be built: one sentence for the person who configured it.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// An option is out of its range or contradicts another.
    Config(String),
    /// The log cannot be opened; the text says what to do.
    Log(OpenError),
    /// The system refused something, such as a thread.
    Io(std::io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(why) => f.write_str(why),
            Self::Log(why) => why.fmt(f),
            Self::Io(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

impl From<std::io::Error> for BuildError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
