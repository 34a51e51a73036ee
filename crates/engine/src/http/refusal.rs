//! Why a request is refused, and the answer it gets, which differs between polling and WebSocket. Who refuses is left
//! to `route`, `admit` and the owner of the sessions.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_VERSION};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use super::hooks::ConnectionError;
use super::response::Body;
use super::upgrade::is_upgrade;
use crate::config::Config;

/// A refused request: what the client is told, and what the application is told beyond that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// 0 to 5; the clients know them.
    pub code: u8,
    /// What the client is told.
    pub message: Cow<'static, str>,
    /// The name of the reason, for the application.
    pub context: &'static str,
    /// What came instead, for the application.
    pub detail: Option<String>,
    /// The status over polling; a WebSocket is always refused with 400.
    pub status: StatusCode,
}

impl Refusal {
    /// The transport is missing, unknown or not enabled.
    pub const TRANSPORT_UNKNOWN: Self = Self::new(0, "Transport unknown", "TRANSPORT_UNKNOWN");
    /// There is no session of this id.
    pub const UNKNOWN_SID: Self = Self::new(1, "Session ID unknown", "UNKNOWN_SID");
    /// A handshake by another method than GET.
    pub const BAD_METHOD: Self = Self::new(2, "Bad handshake method", "BAD_HANDSHAKE_METHOD");
    /// The `Origin` holds characters that no origin has.
    pub const INVALID_ORIGIN: Self = Self::bad_request("INVALID_ORIGIN");
    /// The session is on another transport, or a WebSocket is asked for without an upgrade.
    pub const TRANSPORT_MISMATCH: Self = Self::bad_request("TRANSPORT_MISMATCH");
    /// The request for a WebSocket is none.
    pub const TRANSPORT_HANDSHAKE_ERROR: Self = Self::bad_request("TRANSPORT_HANDSHAKE_ERROR");
    /// The request for a WebSocket is of another version than 13.
    pub const WEBSOCKET_VERSION: Self = Self::bad_request("WEBSOCKET_VERSION");
    /// A layer in front failed.
    pub const MIDDLEWARE_FAILURE: Self = Self::bad_request("MIDDLEWARE_FAILURE");
    /// No id could be made for the session.
    pub const ID_GENERATION_ERROR: Self = Self::bad_request("ID_GENERATION_ERROR");
    /// The protocol version differs from the session's.
    pub const PROTOCOL_MISMATCH: Self = Self::bad_request("PROTOCOL_MISMATCH");
    /// The `Origin` is not one of `allowed_origins`.
    pub const ORIGIN_NOT_ALLOWED: Self = Self::new(4, "Forbidden", "ORIGIN_NOT_ALLOWED");
    /// The protocol version is not served.
    pub const UNSUPPORTED_VERSION: Self = Self::new(5, "Unsupported protocol version", "UNSUPPORTED_PROTOCOL_VERSION");

    /// Code 3, for a reason of this name.
    #[must_use]
    pub const fn bad_request(context: &'static str) -> Self {
        Self::new(3, "Bad request", context)
    }

    /// Code 4, refused by the application, with its own message if it has one.
    #[must_use]
    pub fn forbidden(message: Option<String>) -> Self {
        let mut refusal = Self::new(4, "Forbidden", "FORBIDDEN");
        if let Some(message) = message {
            refusal.message = Cow::Owned(message);
        }
        refusal
    }

    /// Adds what came instead.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Makes the answer: JSON for polling, the bare message for an upgrade, whose connection is closed.
    #[must_use]
    pub fn into_response(self, upgrade: bool) -> Response<Body> {
        if upgrade { self.into_upgrade_response() } else { self.into_polling_response() }
    }

    fn into_polling_response(self) -> Response<Body> {
        // Writing a string into memory as JSON has no way to fail.
        let message = serde_json::to_string(&self.message).unwrap_or_default();
        let json = format!("{{\"code\":{},\"message\":{message}}}", self.code);
        let mut response = Response::new(Body::from(Bytes::from(json)));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn into_upgrade_response(self) -> Response<Body> {
        let body = match self.message {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        // RFC 6455 4.4: the server must "send an appropriate HTTP error code (such as 426) and a
        // Sec-WebSocket-Version header field indicating the version(s) it is willing to use".
        if self.context == Self::WEBSOCKET_VERSION.context {
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }

    const fn new(code: u8, message: &'static str, context: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
            context,
            detail: None,
            status: if code == 4 { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST },
        }
    }
}

/// Tells the application of a refusal and makes the answer, in the form that the request asks for.
#[must_use]
pub fn refuse(config: &Config, parts: &Parts, refusal: Refusal) -> Response<Body> {
    tracing::debug!(code = refusal.code, context = refusal.context, "request refused");
    if let Some(hook) = &config.hooks.connection_error {
        hook(&ConnectionError {
            code: refusal.code,
            message: &refusal.message,
            context: refusal.context,
            detail: refusal.detail.as_deref(),
            request: parts,
        });
    }
    refusal.into_response(is_upgrade(parts))
}
