//! What every way of emitting has in common: the event with its checked name, and flags for one client.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use trunkline_proto::{Args, Event, is_reserved};

use crate::{AckError, Commit, EmitError, Socket};

/// An event that the application may emit.
pub(crate) fn event_of(name: &str, args: Result<Args, EmitError>) -> Result<Event, EmitError> {
    if is_reserved(name) {
        return Err(EmitError::ReservedEvent(name.to_owned()));
    }
    Ok(Event::new(name.to_owned(), args?))
}

/// An emit that came to nothing before it took a place: the commit says so, and so does the log.
pub(crate) fn refused(error: EmitError) -> Commit {
    tracing::error!(%error, "an event was not emitted");
    Commit::known(Err(error))
}

/// Emits to one client with flags. Each call returns a new value; the flags stay with it.
#[derive(Clone, Debug)]
pub struct SocketEmitter {
    socket: Socket,
    volatile: bool,
    compress: bool,
    timeout: Option<Duration>,
}

impl SocketEmitter {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, volatile: false, compress: true, timeout: None }
    }

    /// Drops the event unless the client can take it at once.
    #[must_use]
    pub fn volatile(self) -> Self {
        Self { volatile: true, ..self }
    }

    /// Whether per-message deflate may be used.
    #[must_use]
    pub fn compress(self, compress: bool) -> Self {
        Self { compress, ..self }
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        Self { timeout: Some(limit), ..self }
    }

    /// As [`Socket::emit`].
    pub fn emit<T: Serialize>(&self, event: &str, data: T) -> Commit {
        let args = Args::serialize(&data).map_err(|error| EmitError::Serialize(error.to_string()));
        match event_of(event, args) {
            Ok(event) if self.volatile => {
                self.socket.told_outgoing(&event);
                self.socket.send_volatile(event, self.compress);
                Commit::known(Ok(self.socket.server().hub().distributed()))
            }
            Ok(event) => self.socket.emit_event(event, self.compress),
            Err(error) => refused(error),
        }
    }

    /// As [`Socket::emit_with_ack`], within the timeout.
    ///
    /// # Errors
    ///
    /// [`AckError::Timeout`] when the answer did not come in time; one that comes later is ignored.
    pub async fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, data: impl Serialize) -> Result<T, AckError> {
        let args = Args::serialize(&data).map_err(|error| AckError::Emit(EmitError::Serialize(error.to_string())))?;
        let answer = self.socket.ask_flagged(event, args, self.timeout, self.compress).await?;
        answer.extract().map_err(|error| AckError::Decode(error.to_string()))
    }
}
