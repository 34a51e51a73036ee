//! Settings from the environment, and what all modes have beside their server: the health check and the end.

use std::convert::Infallible;
use std::env;
use std::future::{Ready, ready};
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use trunkline::proto::Parser;
use trunkline::service::{Body, Request, Response, Service};
use trunkline::{MemoryLimits, Recovery, ServerBuilder};

/// What an entry of the tests takes on the disk, roughly: the durable log counts bytes.
const ENTRY_BYTES: u64 = 256;
/// Segments smaller than this are mostly overhead.
const SMALLEST_SEGMENT: u64 = 64 * 1024;

/// Why the testbed does not start: one sentence.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

/// What the environment says.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) mode: String,
    pub(crate) port: u16,
    pub(crate) parser: Parser,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, Refused> {
        let parser = match env::var("PARSER").as_deref() {
            Err(_) | Ok("default") => Parser::Default,
            Ok("msgpack") => Parser::Msgpack,
            Ok(other) => return Err(Refused(format!("PARSER={other} is not known"))),
        };
        let mode = env::var("MODE").unwrap_or_else(|_| "contract".to_owned());
        if env::var("REDIS_URL").is_ok_and(|value| !value.is_empty()) {
            return Err(Refused("REDIS_URL needs the cluster, which is not built yet".to_owned()));
        }
        Ok(Self { mode, port: number("PORT", 3000)?, parser })
    }

    pub(crate) fn millis(&self, name: &str, otherwise: u64) -> Result<Duration, Refused> {
        number(name, otherwise).map(Duration::from_millis)
    }

    pub(crate) fn text(&self, name: &str, otherwise: &str) -> String {
        env::var(name).unwrap_or_else(|_| otherwise.to_owned())
    }

    /// Recovery as the environment asks for it, or as the mode does.
    pub(crate) fn recovery(&self, builder: ServerBuilder, on: bool) -> Result<ServerBuilder, Refused> {
        if !on {
            return Ok(builder);
        }
        let entries = match number("RETENTION_ENTRIES", 0)? {
            0 => return Ok(builder.recovery(log())),
            entries => entries,
        };
        let limits = MemoryLimits { entries, ..MemoryLimits::default() };
        let recovery = log().options(|options| {
            let bytes = u64::try_from(entries).unwrap_or(u64::MAX).saturating_mul(ENTRY_BYTES);
            options.max_bytes = bytes;
            options.segment_bytes = (bytes / 4).max(SMALLEST_SEGMENT);
        });
        Ok(builder.memory(limits).recovery(recovery))
    }

    pub(crate) fn flag(&self, name: &str, otherwise: bool) -> Result<bool, Refused> {
        Ok(number(name, u8::from(otherwise))? != 0)
    }
}

/// Where the environment puts the log.
fn log() -> Recovery {
    match env::var("DATA_DIR") {
        Ok(dir) if !dir.is_empty() => Recovery::durable(dir),
        _ => Recovery::memory(),
    }
}

/// A number of the environment.
pub(crate) fn number<T: FromStr>(name: &str, otherwise: T) -> Result<T, Refused> {
    match env::var(name) {
        Err(_) => Ok(otherwise),
        Ok(text) => text.parse().map_err(|_| Refused(format!("{name}={text} is not a number in its range"))),
    }
}

/// Resolves on SIGTERM or ctrl-c.
pub(crate) async fn terminated() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

/// Answers `GET /healthz`; everything else is 404.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Health;

impl<B> Service<Request<B>> for Health {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let known = request.uri().path() == "/healthz";
        let (status, body) = if known { (200, "ok") } else { (404, "") };
        let response = Response::builder().status(status).body(Body::from(body));
        ready(Ok(response.expect("the status is valid")))
    }
}
