//! Which requests are ours, and what each asks for, checked in the reference's order as far as that needs no session.
//! Whether a handshake is let in is left to `admit`, whether a session exists to the caller.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method};
use trunkline_proto::Version;

use super::client_files;
use super::origin;
use super::query::Query;
use super::refusal::Refusal;
use super::upgrade::{check_upgrade, is_upgrade};
use crate::config::Config;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Another path: the application's.
    NotOurs,
    /// One of the eight files of the client bundle, for [`ClientFiles::respond`](super::ClientFiles::respond).
    ClientFile(&'static str),
    /// A new session. [`admit`](super::admit()) is still to be asked.
    Handshake {
        /// The protocol version.
        version: Version,
        /// WebSocket only for a well-formed upgrade request.
        transport: Transport,
        /// All parameters.
        query: Query,
    },
    /// A request for a session, whose existence is still to be checked.
    Session {
        /// The session's id as the client says.
        sid: String,
        /// The protocol version as this request says.
        version: Version,
        /// The transport as this request says. Without `upgrade` it has to be polling and the session's own, else the
        /// answer is [`Refusal::TRANSPORT_MISMATCH`]; an unknown id comes first.
        transport: Transport,
        /// Whether this is a well-formed upgrade request; its transport then is WebSocket and its method GET.
        upgrade: bool,
        /// What is to be done.
        method: SessionMethod,
        /// All parameters.
        query: Query,
    },
    /// A request that cannot be served, for [`refuse`](super::refuse).
    Refused(Refusal),
}

/// How a session's packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long-polling, JSONP included.
    Polling,
    /// WebSocket.
    WebSocket,
}

/// What a request of a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionMethod {
    /// Waits for packets.
    Get,
    /// Brings packets.
    Post,
    /// Neither; answered by [`method_not_served`](super::method_not_served).
    Other,
}

impl Transport {
    /// The name in queries and in the open packet.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }

    /// The transport of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Polling, Self::WebSocket].into_iter().find(|transport| transport.name() == name)
    }
}

/// Says what a request asks for. Reads the head alone and changes nothing.
#[must_use]
pub fn route(config: &Config, parts: &Parts) -> Route {
    let Some(below) = below_path(config, parts.uri.path()) else {
        return Route::NotOurs;
    };
    if let Some(name) = client_files::name(below).filter(|_| serves_client(config)) {
        return Route::ClientFile(name);
    }
    check(config, parts).unwrap_or_else(Route::Refused)
}

/// Returns whether a request is ours by its path, whatever else is wrong with it.
#[must_use]
pub fn is_ours(config: &Config, parts: &Parts) -> bool {
    below_path(config, parts.uri.path()).is_some()
}

/// Returns whether a body comes as `application/octet-stream`, which only protocol 3 knows.
#[must_use]
pub fn is_octet_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let essence = value.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream")
}

/// What follows our path, without the slash between; none if the path is not ours.
fn below_path<'a>(config: &Config, path: &'a str) -> Option<&'a str> {
    let below = path.strip_prefix(config.path.trim_end_matches('/'))?;
    match below.strip_prefix('/') {
        Some(below) => Some(below),
        None => (below.is_empty() && !config.add_trailing_slash).then_some(below),
    }
}

fn serves_client(config: &Config) -> bool {
    config.serve_client && config.client_dir.is_some()
}

fn check(config: &Config, parts: &Parts) -> Result<Route, Refusal> {
    let query = Query::parse(parts.uri.query());
    let transport = check_transport(config, &query)?;
    origin::check_characters(&parts.headers)?;
    let upgrade = is_upgrade(parts);
    let sid = query.sid.clone();
    if sid.is_none() {
        check_handshake(parts, transport, upgrade)?;
    }
    if upgrade {
        check_upgrade(parts, transport)?;
    }
    let version = query.version();
    let Some(sid) = sid else {
        return Ok(Route::Handshake { version, transport, query });
    };
    let method = match parts.method {
        Method::GET => SessionMethod::Get,
        Method::POST => SessionMethod::Post,
        _ => SessionMethod::Other,
    };
    Ok(Route::Session { sid, version, transport, upgrade, method, query })
}

fn check_transport(config: &Config, query: &Query) -> Result<Transport, Refusal> {
    let name = query.transport.as_deref().unwrap_or_default();
    Transport::from_name(name)
        .filter(|&transport| config.serves(transport))
        .ok_or_else(|| Refusal::TRANSPORT_UNKNOWN.with_detail(name))
}

fn check_handshake(parts: &Parts, transport: Transport, upgrade: bool) -> Result<(), Refusal> {
    if parts.method != Method::GET {
        return Err(Refusal::BAD_METHOD.with_detail(parts.method.as_str()));
    }
    if transport == Transport::WebSocket && !upgrade {
        return Err(Refusal::TRANSPORT_HANDSHAKE_ERROR.with_detail("no upgrade request"));
    }
    Ok(())
}
