//! From an upgrade request to the bare stream under it: the checks of RFC 6455 4.2, the 101, the taking out. Frames are
//! left to proto, the stream's use to the wire.

use std::fmt;

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use trunkline_proto::ws;

use super::bounded::Bounded;
use super::refusal::Refusal;
use super::response::{self, Body};
use super::route::Transport;
use crate::config::Config;

/// A stream that is not plain TCP: TLS, a test's pipe.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug + 'static> Io for T {}

/// The raw stream under an upgraded request.
#[derive(Debug)]
pub enum Taken {
    /// Plain TCP, under no runtime, not blocking, with `TCP_NODELAY` set.
    Tcp(std::net::TcpStream),
    /// Anything else, under the runtime that it was accepted on.
    Other(Box<dyn Io>),
}

/// What the 101 agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// permessage-deflate, without context takeover in both directions: the window of what is sent.
    pub deflate: Option<ws::WindowBits>,
}

/// Returns whether a request asks for a WebSocket, well-formed or not. Upgrades to anything else (`h2c`) are ignored.
#[must_use]
pub fn is_upgrade(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && has_token(&parts.headers, &UPGRADE, "websocket")
        && has_token(&parts.headers, &CONNECTION, "upgrade")
}

/// Makes the 101 for a request that `route` found well-formed, with the headers of hooks; `initial` says whether it
/// opens a session.
#[must_use]
pub fn switching_protocols(config: &Config, parts: &Parts, initial: bool) -> (Response<Body>, Negotiated) {
    let agreed = config.per_message_deflate.and_then(|_| negotiate_deflate(&parts.headers));
    let (extensions, deflate) = agreed.unzip();
    let negotiated = Negotiated { deflate };
    let key = parts.headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let accept = HeaderValue::try_from(ws::accept_key(key.unwrap_or_default())).ok();

    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    let mut extra = HeaderMap::new();
    response::run_header_hooks(config, parts, initial, &mut extra);
    response::merge(headers, &extra);
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let optional = [
        (SEC_WEBSOCKET_ACCEPT, accept),
        (SEC_WEBSOCKET_PROTOCOL, first_subprotocol(&parts.headers)),
        (SEC_WEBSOCKET_EXTENSIONS, extensions),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    (response, negotiated)
}

/// Takes the stream out of an upgraded request, with the bytes that were read ahead, in a buffer of their own.
///
/// Knows plain TCP under [`serve_connection`](super::serve_connection), hyper and `axum::serve`; anything else comes boxed and reads its own bytes first. A
/// socket that its runtime does not release, which is not known to happen, comes as a stream that has ended.
#[must_use]
pub fn take_stream(upgraded: Upgraded) -> (Taken, Bytes) {
    let upgraded = match upgraded.downcast::<TokioIo<Bounded<TcpStream>>>() {
        Ok(parts) => return take_tcp(parts.io.into_inner().into_inner(), &parts.read_buf),
        Err(upgraded) => upgraded,
    };
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return take_tcp(parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => upgraded,
    };
    match hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => take_tcp(parts.io.into_inner(), &parts.read_buf),
        Err(upgraded) => (Taken::Other(Box::new(TokioIo::new(upgraded))), Bytes::new()),
    }
}

/// Checks what RFC 6455 4.2.1 asks of an upgrade request, for a request that [`is_upgrade`].
pub(crate) fn check_upgrade(parts: &Parts, transport: Transport) -> Result<(), Refusal> {
    let wrong = |what: &str| Err(Refusal::TRANSPORT_HANDSHAKE_ERROR.with_detail(what));
    if transport != Transport::WebSocket {
        return wrong("upgrade for another transport");
    }
    if parts.method != Method::GET {
        return wrong("method is not GET");
    }
    if parts.headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::WEBSOCKET_VERSION);
    }
    // "a base64-encoded value that, when decoded, is 16 bytes in length"
    let mut keys = parts.headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key.as_bytes()) => Ok(()),
        _ => wrong("missing or invalid key"),
    }
}

fn is_key(key: &[u8]) -> bool {
    // The last digit's spare bits are not looked at: clients exist that leave them set.
    let (Some(digits), true) = (key.strip_suffix(b"=="), key.len() == 24) else {
        return false;
    };
    digits.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

fn take_tcp(stream: TcpStream, read_ahead: &Bytes) -> (Taken, Bytes) {
    // A kernel that refuses delays small frames; nothing else changes.
    let _ = stream.set_nodelay(true);
    // What was read ahead is a slice of hyper's read buffer, which must not live as long as the connection.
    let read_ahead = Bytes::copy_from_slice(read_ahead);
    match stream.into_std() {
        Ok(stream) => (Taken::Tcp(stream), read_ahead),
        Err(error) => {
            tracing::warn!(%error, "socket not released by its runtime");
            (Taken::Other(Box::new(tokio::io::empty())), Bytes::new())
        }
    }
}

fn negotiate_deflate(headers: &HeaderMap) -> Option<(HeaderValue, ws::WindowBits)> {
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    let offers: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let agreement = ws::negotiate_deflate(&offers.join(", "))?;
    Some((HeaderValue::try_from(agreement.answer).ok()?, agreement.window))
}

/// The first subprotocol that is offered: browsers fail a connection whose offer is not taken up.
fn first_subprotocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let line = headers.get(SEC_WEBSOCKET_PROTOCOL)?.as_bytes();
    let first = line.split(|&byte| byte == b',').next()?.trim_ascii();
    let token = !first.is_empty() && first.iter().copied().all(is_token_byte);
    if token { HeaderValue::from_bytes(first).ok() } else { None }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
