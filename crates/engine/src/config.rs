//! The options of the wire under the reference's names, with its defaults, and the check that they make sense.
//! What a request is answered because of them is left to [`crate::http`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use trunkline_proto::Message;

use crate::http::Transport;
use crate::http::cookie::is_cookie_octets;
use crate::http::origin::is_origin;
pub use crate::http::{Cookie, Cors, Hooks, SameSite};

/// The longest delay that timers in browsers keep, in milliseconds; a longer one fires at once.
const BROWSER_TIMER_MS_MAX: u128 = 2_147_483_647;

/// The options of the wire.
///
/// Start from [`Config::default`], change fields, and let [`Config::validate`] check the result once before use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The path under which requests are ours. Default `/socket.io`; a trailing slash makes no difference.
    ///
    /// Everything below it is ours too (`/socket.io/anything`), its neighbours are not (`/socket.io-admin`). Change it
    /// when the application needs the path for itself; clients then have to be told.
    pub path: String,
    /// Whether requests need a slash behind the path. Default true.
    ///
    /// Set it to false for proxies or clients that cannot send the slash: `/socket.io?EIO=4` is then ours too.
    pub add_trailing_slash: bool,
    /// The pause between a pong and the next ping. Default 25 s.
    ///
    /// A shorter one finds dead connections sooner and costs a write and a read for each connection and interval.
    pub ping_interval: Duration,
    /// How long a pong may take before the connection counts as dead. Default 20 s.
    ///
    /// Raise it when clients block for long or send large messages over slow lines.
    pub ping_timeout: Duration,
    /// How long an upgrade to WebSocket may take. Default 10 s; the session then stays on polling.
    pub upgrade_timeout: Duration,
    /// How long a connection may be open without having joined a namespace. Default 45 s; it is then closed.
    pub connect_timeout: Duration,
    /// The most bytes that a peer may send in one polling body, one WebSocket message, or all fragments of one.
    /// Default 1,000,000. It is announced to clients as `maxPayload`.
    ///
    /// It bounds what is received, not what is sent, and it is what one connection can make us hold.
    pub max_http_buffer_size: usize,
    /// Whether HTTP long-polling is served. Default true. See [`Config::transports`].
    pub polling: bool,
    /// Whether WebSocket is served. Default true. See [`Config::transports`].
    pub websocket: bool,
    /// Whether polling clients are offered an upgrade. Default true. A client that upgrades unasked is served anyway.
    pub allow_upgrades: bool,
    /// Whether Engine.IO 3, which Socket.IO 2 clients speak, is served. Default false.
    pub allow_eio3: bool,
    /// Compression of WebSocket messages, without context takeover. Default none.
    ///
    /// It saves bytes on the line and costs a deflate for each message (one for a whole broadcast).
    pub per_message_deflate: Option<DeflateOptions>,
    /// Compression of polling answers, by what the client accepts. Default from 1,024 bytes on.
    pub http_compression: Option<CompressionOptions>,
    /// A message sent right behind the open packet, in the same polling answer. Default none.
    pub initial_packet: Option<Message>,
    /// A cookie with the session id, set by the first polling answer. Default none.
    ///
    /// Only needed where a load balancer keeps a session on one machine by a cookie.
    pub cookie: Option<Cookie>,
    /// Cross-origin sharing of our answers. Default none: browsers of other origins read nothing.
    ///
    /// It does not guard WebSocket, which browsers open to any origin: see [`Config::allowed_origins`].
    pub cors: Option<Cors>,
    /// The origins that may open a session, over polling and WebSocket alike. Default none: any origin may.
    ///
    /// A handshake whose `Origin` is not listed is refused with code 4, `Forbidden` (403 over polling, 400 for a
    /// WebSocket); one without that header is no browser's cross-origin request and passes. `null` can be listed.
    pub allowed_origins: Option<Vec<String>>,
    /// How long the head of a request may take, and how long a kept-alive connection may be silent. Default 10 s.
    pub header_timeout: Duration,
    /// How long the body of a request may take. Default 10 s. Raise it with `max_http_buffer_size` for slow lines.
    pub body_timeout: Duration,
    /// Whether the client bundle is served from [`Config::client_dir`]. Default true.
    pub serve_client: bool,
    /// The folder of the client bundle, such as `node_modules/socket.io-client/dist`. Default none: nothing is served.
    ///
    /// Exactly eight names below the path are served, each read once and kept in memory.
    pub client_dir: Option<PathBuf>,
    /// What the application wants to be asked or told.
    pub hooks: Hooks,
}

/// How WebSocket messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateOptions {
    /// Messages of fewer bytes are sent as they are. Default 1,024.
    pub threshold: usize,
}

/// How polling answers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressionOptions {
    /// Answers of fewer bytes are sent as they are. Default 1,024.
    pub threshold: usize,
}

/// An option that cannot be used as it is; the text is one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A transport that does not exist.
    UnknownTransport(String),
    /// No transport is enabled.
    NoTransport,
    /// A path that no request can have.
    Path(String),
    /// A duration that must be longer than nothing; the option's name.
    ZeroDuration(&'static str),
    /// Heartbeats that timers in browsers cannot keep.
    LongHeartbeat,
    /// A payload limit of zero.
    ZeroPayload,
    /// A part of the cookie that cannot stand in a header; the part's name.
    Cookie(&'static str),
    /// An entry of `allowed_origins` that is no origin.
    Origin(String),
    /// `cors` allows every origin and credentials at once.
    CorsCredentials,
    /// The folder of the client bundle is not there.
    ClientDir(PathBuf),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/socket.io".to_owned(),
            add_trailing_slash: true,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            max_http_buffer_size: 1_000_000,
            polling: true,
            websocket: true,
            allow_upgrades: true,
            allow_eio3: false,
            per_message_deflate: None,
            http_compression: Some(CompressionOptions::default()),
            initial_packet: None,
            cookie: None,
            cors: None,
            allowed_origins: None,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            serve_client: true,
            client_dir: None,
            hooks: Hooks::default(),
        }
    }
}

impl Config {
    /// Enables exactly the named transports, of `polling` and `websocket`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownTransport`] for any other name, [`ConfigError::NoTransport`] for none at all. Nothing is
    /// changed then.
    pub fn transports(&mut self, names: &[&str]) -> Result<&mut Self, ConfigError> {
        let unknown = names.iter().find(|name| Transport::from_name(name).is_none());
        if let Some(name) = unknown {
            return Err(ConfigError::UnknownTransport((*name).to_owned()));
        }
        if names.is_empty() {
            return Err(ConfigError::NoTransport);
        }
        self.polling = names.contains(&Transport::Polling.name());
        self.websocket = names.contains(&Transport::WebSocket.name());
        Ok(self)
    }

    /// Returns whether `transport` is enabled.
    #[must_use]
    pub fn serves(&self, transport: Transport) -> bool {
        match transport {
            Transport::Polling => self.polling,
            Transport::WebSocket => self.websocket,
        }
    }

    /// Returns the transports that the open packet offers to a client that came over `from`.
    #[must_use]
    pub fn upgrades(&self, from: Transport) -> &'static [&'static str] {
        match from {
            Transport::Polling if self.allow_upgrades && self.websocket => &["websocket"],
            Transport::Polling | Transport::WebSocket => &[],
        }
    }

    /// Checks that the options can be used together.
    ///
    /// # Errors
    ///
    /// The first option that cannot.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !self.polling && !self.websocket {
            return Err(ConfigError::NoTransport);
        }
        if !is_path(&self.path) {
            return Err(ConfigError::Path(self.path.clone()));
        }
        if self.max_http_buffer_size == 0 {
            return Err(ConfigError::ZeroPayload);
        }
        self.validate_durations()?;
        self.validate_origins()?;
        self.cookie.as_ref().map_or(Ok(()), validate_cookie)?;
        match &self.client_dir {
            Some(dir) if self.serve_client && !dir.is_dir() => Err(ConfigError::ClientDir(dir.clone())),
            _ => Ok(()),
        }
    }

    fn validate_durations(&self) -> Result<(), ConfigError> {
        let durations = [
            ("ping_interval", self.ping_interval),
            ("ping_timeout", self.ping_timeout),
            ("upgrade_timeout", self.upgrade_timeout),
            ("connect_timeout", self.connect_timeout),
            ("header_timeout", self.header_timeout),
            ("body_timeout", self.body_timeout),
        ];
        if let Some((name, _)) = durations.iter().find(|(_, duration)| duration.is_zero()) {
            return Err(ConfigError::ZeroDuration(name));
        }
        // Clients wait for interval plus timeout.
        if self.ping_interval.as_millis() + self.ping_timeout.as_millis() > BROWSER_TIMER_MS_MAX {
            return Err(ConfigError::LongHeartbeat);
        }
        Ok(())
    }

    fn validate_origins(&self) -> Result<(), ConfigError> {
        let mut origins = self.allowed_origins.iter().flatten();
        if let Some(origin) = origins.find(|origin| !is_origin(origin)) {
            return Err(ConfigError::Origin(origin.clone()));
        }
        match &self.cors {
            Some(cors) if cors.is_any_with_credentials() => Err(ConfigError::CorsCredentials),
            _ => Ok(()),
        }
    }
}

impl Default for DeflateOptions {
    fn default() -> Self {
        Self { threshold: 1024 }
    }
}

impl Default for CompressionOptions {
    fn default() -> Self {
        Self { threshold: 1024 }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTransport(name) => {
                write!(f, "transport {name:?} is not known, only polling and websocket are")
            }
            Self::NoTransport => f.write_str("at least one of polling and websocket must be enabled"),
            Self::Path(path) => {
                write!(f, "path {path:?} must begin with a slash and hold only characters that a URL's path may hold")
            }
            Self::ZeroDuration(name) => write!(f, "{name} must be longer than zero"),
            Self::LongHeartbeat => {
                write!(f, "ping_interval and ping_timeout must not exceed {BROWSER_TIMER_MS_MAX} ms together")
            }
            Self::ZeroPayload => f.write_str("max_http_buffer_size must be at least one byte"),
            Self::Cookie(part) => write!(f, "the {part} of the cookie holds characters that a cookie cannot"),
            Self::Origin(origin) => {
                write!(f, "allowed origin {origin:?} must be null or scheme://host[:port] without a path")
            }
            Self::CorsCredentials => {
                f.write_str("cors cannot allow any origin and credentials at once, name the origins")
            }
            Self::ClientDir(dir) => write!(f, "client_dir {} is not a folder", dir.display()),
        }
    }
}

impl std::error::Error for ConfigError {}

fn is_path(path: &str) -> bool {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    plain && (path.is_empty() || path.starts_with('/'))
}

fn validate_cookie(cookie: &Cookie) -> Result<(), ConfigError> {
    let parts = [("name", Some(&cookie.name)), ("path", cookie.path.as_ref()), ("domain", cookie.domain.as_ref())];
    let wrong = parts.iter().find(|(_, value)| value.is_some_and(|value| !is_cookie_octets(value)));
    match wrong {
        Some((part, _)) => Err(ConfigError::Cookie(part)),
        None if cookie.name.is_empty() || cookie.name.contains('=') => Err(ConfigError::Cookie("name")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl FnOnce(&mut Config)) -> Option<ConfigError> {
        let mut config = Config::default();
        change(&mut config);
        config.validate().err()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(error(|_| ()), None);
    }

    #[test]
    fn each_bad_option_is_named() {
        assert_eq!(error(|c| c.path = "socket.io".into()), Some(ConfigError::Path("socket.io".into())));
        assert_eq!(error(|c| c.path = "/a?b".into()), Some(ConfigError::Path("/a?b".into())));
        assert_eq!(error(|c| c.path = String::new()), None);
        assert_eq!(error(|c| c.ping_timeout = Duration::ZERO), Some(ConfigError::ZeroDuration("ping_timeout")));
        assert_eq!(error(|c| c.ping_interval = Duration::from_millis(2_147_483_647)), Some(ConfigError::LongHeartbeat));
        assert_eq!(error(|c| c.max_http_buffer_size = 0), Some(ConfigError::ZeroPayload));
        assert_eq!(error(|c| (c.polling, c.websocket) = (false, false)), Some(ConfigError::NoTransport));
        assert_eq!(
            error(|c| c.client_dir = Some("/nowhere/at/all".into())),
            Some(ConfigError::ClientDir("/nowhere/at/all".into()))
        );
        assert_eq!(error(|c| c.cors = Some(Cors::any().credentials(true))), Some(ConfigError::CorsCredentials));
        for origin in ["example.com", "https://a.b/", "https://a b", "https://"] {
            assert_eq!(
                error(|c| c.allowed_origins = Some(vec![origin.into()])),
                Some(ConfigError::Origin(origin.into()))
            );
        }
        for origin in ["https://example.com", "http://localhost:3000", "null", "http://[::1]:80"] {
            assert_eq!(error(|c| c.allowed_origins = Some(vec![origin.into()])), None);
        }
    }

    #[test]
    fn a_cookie_that_would_break_its_header_is_refused() {
        let with = |change: fn(&mut Cookie)| {
            error(|c| {
                let mut cookie = Cookie::default();
                change(&mut cookie);
                c.cookie = Some(cookie);
            })
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(with(|c| c.name = "a=b".into()), Some(ConfigError::Cookie("name")));
        assert_eq!(with(|c| c.name = String::new()), Some(ConfigError::Cookie("name")));
        assert_eq!(with(|c| c.path = Some("/;x".into())), Some(ConfigError::Cookie("path")));
        assert_eq!(with(|c| c.domain = Some("a\r\nb".into())), Some(ConfigError::Cookie("domain")));
    }

    #[test]
    fn transports_are_set_by_name() {
        let mut config = Config::default();
        config.transports(&["websocket"]).unwrap();
        assert!(config.websocket && !config.polling);
        assert_eq!(config.upgrades(Transport::Polling), ["websocket"]);
        config.transports(&["polling"]).unwrap();
        assert!(config.upgrades(Transport::Polling).is_empty());
        let error = config.transports(&["carrier-pigeon"]).unwrap_err();
        assert_eq!(error.to_string(), "transport \"carrier-pigeon\" is not known, only polling and websocket are");
        assert_eq!(config.transports(&[]).unwrap_err(), ConfigError::NoTransport);
        assert!(config.polling);
    }
}
