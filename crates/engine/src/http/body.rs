//! Reading a request's body within a limit and a deadline. What its bytes mean is left to the payload decoder.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;

use super::response::{self, Body};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is, or says that it is, longer than the limit. The session lives on.
    TooLarge,
    /// It did not come in time.
    Timeout,
    /// The client cut it short or broke the framing of HTTP.
    Aborted,
}

/// Reads a whole body of at most `limit` bytes within `deadline`.
///
/// A length over the limit that the head announces is refused before anything is read; a body that turns out longer is
/// read no further. Memory is taken as bytes come, never by what is announced.
///
/// # Errors
///
/// See [`BodyError`].
pub async fn read_body<B: HttpBody>(body: B, limit: usize, deadline: Duration) -> Result<Bytes, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge);
    }
    match tokio::time::timeout(deadline, collect(body, limit)).await {
        Ok(result) => result,
        Err(_) => Err(BodyError::Timeout),
    }
}

impl BodyError {
    /// Makes the answer: 413, 408 or 400 without a body, after which the connection is closed.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        match self {
            Self::TooLarge => response::too_large(),
            Self::Timeout => response::closing(StatusCode::REQUEST_TIMEOUT),
            Self::Aborted => response::closing(StatusCode::BAD_REQUEST),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "body over the limit",
            Self::Timeout => "body did not come in time",
            Self::Aborted => "body was cut short",
        })
    }
}

impl std::error::Error for BodyError {}

async fn collect<B: HttpBody>(body: B, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = pin!(body);
    // A body that came in one piece is not copied.
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Aborted)?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        let length = data.remaining();
        if first.len() + whole.len() + length > limit {
            return Err(BodyError::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            first = data.copy_to_bytes(length);
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        while data.has_remaining() {
            let chunk = data.chunk();
            let taken = chunk.len();
            whole.extend_from_slice(chunk);
            data.advance(taken);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
