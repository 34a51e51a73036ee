//! One HTTP/1.1 connection with bounds on what its peer can make us hold and wait for. Accepting connections, and what
//! a request is answered, are left to the caller.

use std::error::Error;
use std::future::pending;
use std::pin::pin;

use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::bounded::Bounded;
use super::limits::{HEAD_BYTES_MAX, READ_AHEAD_BYTES_MAX};
use crate::config::Config;

/// Serves one connection until it ends or is upgraded. See [`serve_connection_until`].
///
/// # Errors
///
/// As there.
pub async fn serve_connection<S, Svc, B>(stream: S, service: Svc, config: &Config) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Svc: Service<Request<Incoming>, Response = Response<B>>,
    Svc::Error: Into<Box<dyn Error + Send + Sync>>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_connection_until(stream, service, config, pending()).await
}

/// Serves one connection until it ends or is upgraded; from `shutdown` on it takes no further request and ends when
/// the one that runs is answered.
///
/// Requests of one connection are answered one after another; what a peer pipelines waits unread beyond a fixed buffer.
/// A request whose head is too slow or too long, and a connection that is silent too long between two requests, is
/// closed, and so is one whose peer does not read its answers. A request that the peer cuts drops the service's future. Service and future need not be `Send`.
///
/// # Errors
///
/// The stream fails, or the peer does not speak HTTP/1.1 within the limits; it was answered as far as that is possible.
pub async fn serve_connection_until<S, Svc, B>(
    stream: S,
    service: Svc,
    config: &Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Svc: Service<Request<Incoming>, Response = Response<B>>,
    Svc::Error: Into<Box<dyn Error + Send + Sync>>,
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (stream, bounds) = Bounded::new(stream);
    // hyper's own limit of 100 headers stays: naming it would move its room for them from the stack to the heap.
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(READ_AHEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // If the stream is still there, it is a WebSocket's, and other rules hold.
    bounds.lift();
    result
}
