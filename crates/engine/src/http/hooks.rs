//! What the application is asked and told while requests are checked and answered, each hook optional. When each is
//! called is left to the functions that take the [`Config`](crate::config::Config).

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Decides whether a handshake is let in; an error's text replaces the message `Forbidden`.
pub type AllowRequest = Arc<dyn Fn(&Parts) -> BoxFuture<Result<(), Option<String>>> + Send + Sync>;

/// Makes the id of a new session; an error's text is told to `connection_error` only.
pub type GenerateId = Arc<dyn Fn(&Parts) -> BoxFuture<Result<String, String>> + Send + Sync>;

/// Adds or changes headers of an answer to this request.
pub type EditHeaders = Arc<dyn Fn(&mut HeaderMap, &Parts) + Send + Sync>;

/// Is told of a refused request.
pub type OnConnectionError = Arc<dyn Fn(&ConnectionError<'_>) + Send + Sync>;

/// What the application wants to be asked or told. Hooks run where the request is handled and should be short; the two
/// that return futures may wait.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Hooks {
    /// Asked once for each handshake, polling and WebSocket alike, never for requests of a session that exists.
    pub allow_request: Option<AllowRequest>,
    /// Makes session ids. They must be unique among all nodes and hard to guess: who knows one can take the session.
    /// Default 12 random bytes and a counter. A failure refuses the handshake with code 3.
    pub generate_id: Option<GenerateId>,
    /// Called for the first answer of each session, before `headers`.
    pub initial_headers: Option<EditHeaders>,
    /// Called for every answer of a session, the 101 of a WebSocket included; for a waiting GET when it arrives. It
    /// sees only what hooks have set, and what it sets wins over the engine's own headers, save the length.
    pub headers: Option<EditHeaders>,
    /// Told of every refused request.
    pub connection_error: Option<OnConnectionError>,
}

/// A refused request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionError<'a> {
    /// The code as clients see it, 0 to 5.
    pub code: u8,
    /// The message as clients see it.
    pub message: &'a str,
    /// The reason's name, such as `TRANSPORT_MISMATCH`.
    pub context: &'static str,
    /// What was wrong: the transport, the id, the origin, the method or the version that came.
    pub detail: Option<&'a str>,
    /// The head of the request.
    pub request: &'a Parts,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("allow_request", &self.allow_request.is_some())
            .field("generate_id", &self.generate_id.is_some())
            .field("initial_headers", &self.initial_headers.is_some())
            .field("headers", &self.headers.is_some())
            .field("connection_error", &self.connection_error.is_some())
            .finish()
    }
}
