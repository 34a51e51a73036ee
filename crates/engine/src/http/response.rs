//! The answers to requests of a session, header by header as the reference writes them. Which answer is due, and when,
//! is left to the caller.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING,
    USER_AGENT, X_XSS_PROTECTION,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use trunkline_proto::payload;

use super::cookie::set_cookie;
use super::encoding::{self, Encoding};
use crate::config::Config;

/// The body of every answer.
pub type Body = http_body_util::Full<Bytes>;

/// What of a request its answer needs: a few bytes, so that a waiting GET does not hold its headers.
#[derive(Clone, Debug, Default)]
pub struct ReplyContext {
    encoding: Option<Encoding>,
    old_ie: bool,
    /// Headers of hooks and the cookie; most applications have neither.
    extra: Option<Box<HeaderMap>>,
}

impl ReplyContext {
    /// Takes what is needed from the head, without asking hooks.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        let user_agent = parts.headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        Self {
            encoding: encoding::choose(&parts.headers, &[Encoding::Gzip, Encoding::Deflate]),
            old_ie: contains(user_agent, b";MSIE") || contains(user_agent, b"Trident/"),
            extra: None,
        }
    }

    /// Takes what is needed from the head and runs the hooks for headers. `new_sid` is the id of the session that this
    /// request opens, if it does: its answer has the cookie and the initial headers.
    #[must_use]
    pub fn prepare(config: &Config, parts: &Parts, new_sid: Option<&str>) -> Self {
        let mut extra = HeaderMap::new();
        if let Some(cookie) = new_sid.and_then(|sid| set_cookie(config, sid)) {
            extra.insert(SET_COOKIE, cookie);
        }
        run_header_hooks(config, parts, new_sid.is_some(), &mut extra);
        let extra = (!extra.is_empty()).then(|| Box::new(extra));
        Self { extra, ..Self::of(parts) }
    }
}

/// Answers a GET with a payload, compressed when it is long enough, the client accepts it and `compress` says that a
/// packet asked for it. With `jsonp` the text becomes a script; the payload then has to be encoded as text (`b64`).
#[must_use]
pub fn poll_response(
    config: &Config,
    context: &ReplyContext,
    payload: payload::Encoded,
    jsonp: Option<&str>,
    compress: bool,
) -> Response<Body> {
    let (body, content_type) = match jsonp {
        Some(index) => {
            let text = String::from_utf8_lossy(&payload.body);
            (Bytes::from(payload::jsonp(index, &text)), TEXT)
        }
        None => (payload.body, if payload.binary { OCTET_STREAM } else { TEXT }),
    };
    let compressed = compress.then(|| compressed(config, context, &body)).flatten();
    match compressed {
        Some((encoding, body)) => {
            let mut response = answer(context, body, content_type);
            response.headers_mut().insert(CONTENT_ENCODING, encoding.value());
            response
        }
        None => answer(context, body, content_type),
    }
}

/// Answers a POST whose packets were taken; JSONP is answered alike.
#[must_use]
pub fn post_ok(context: &ReplyContext) -> Response<Body> {
    // `text/html`, because some browsers offer to save anything else.
    answer(context, Bytes::from_static(b"ok"), "text/html")
}

/// Answers a request that the session does not allow now: a second GET or POST beside one that runs, an
/// `application/octet-stream` body in protocol 4. 400 without a body.
#[must_use]
pub fn bad_request_empty() -> Response<Body> {
    empty(StatusCode::BAD_REQUEST)
}

/// Answers a body over the limit: 413 without a body. The connection is closed, so the rest need not be read.
#[must_use]
pub fn too_large() -> Response<Body> {
    closing(StatusCode::PAYLOAD_TOO_LARGE)
}

/// Answers a request of a session by another method than GET and POST: 500 without a body.
#[must_use]
pub fn method_not_served() -> Response<Body> {
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer without a body after which the connection is closed, for a request that was not read to its end.
pub(crate) fn closing(status: StatusCode) -> Response<Body> {
    let mut response = empty(status);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(crate) fn run_header_hooks(config: &Config, parts: &Parts, initial: bool, out: &mut HeaderMap) {
    let first = config.hooks.initial_headers.as_ref().filter(|_| initial);
    for hook in first.into_iter().chain(&config.hooks.headers) {
        hook(out, parts);
    }
    // The length is the engine's to say.
    out.remove(CONTENT_LENGTH);
    out.remove(TRANSFER_ENCODING);
}

/// Puts the headers of hooks in the place of those of the same names.
pub(crate) fn merge(headers: &mut HeaderMap, extra: &HeaderMap) {
    for name in extra.keys() {
        let mut values = extra.get_all(name).iter().cloned();
        if let Some(first) = values.next() {
            headers.insert(name, first);
        }
        for value in values {
            headers.append(name, value);
        }
    }
}

const TEXT: &str = "text/plain; charset=UTF-8";
const OCTET_STREAM: &str = "application/octet-stream";

fn compressed(config: &Config, context: &ReplyContext, body: &Bytes) -> Option<(Encoding, Bytes)> {
    let threshold = config.http_compression?.threshold;
    let encoding = context.encoding.filter(|_| body.len() >= threshold)?;
    Some((encoding, encoding.compress(body)?))
}

fn answer(context: &ReplyContext, body: Bytes, content_type: &'static str) -> Response<Body> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if context.old_ie {
        // Their filter takes packets for injected scripts.
        headers.insert(X_XSS_PROTECTION, HeaderValue::from_static("0"));
    }
    if let Some(extra) = &context.extra {
        merge(headers, extra);
    }
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
