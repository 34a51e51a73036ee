//! From the options to a server that listens, and to its end when it is asked for.
//! The exit code that follows is `main`'s.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use trunkline::{OpenError, Recovery, Server};

use crate::api::Api;
use crate::client::Client;
use crate::demos::Demos;
use crate::options::Options;
use crate::{pages, say};

/// How long the end may take. Clients that take nothing any more are left then.
const CLOSE_LIMIT: Duration = Duration::from_secs(4);

/// Smaller segments would be many files for little.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// Why the program ended, if nobody asked it to: one sentence.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It did not start; the operator can change why.
    Refused(String),
    /// It ran and could not go on.
    Broken(String),
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Refused(sentence)
    }
}

/// Serves until SIGTERM or ctrl-c.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let mut ending = Ending::watch().map_err(|error| format!("cannot watch for signals: {error}"))?;
    check_data_dir(&options.data_dir)?;
    let client = Client::of(options)?;
    let listener = listen(options.address()).await?;
    let source = tokio::select! {
        source = client.provide(say) => source?,
        () = ending.asked() => return Ok(()),
    };
    let demos = Demos::default();
    let io = build(options, client.dir_of(source), &demos).await?;
    let mut background = demos.start(&io).await.map_err(|error| error.to_string())?;
    let api = Api::start(&io, options, &mut background);
    let address = listener.local_addr().map_err(|error| Failure::Broken(error.to_string()))?;
    say(&format!("listening on http://{address}"));
    tokio::select! {
        served = io.serve(listener, pages::router(source).merge(api.router())) => {
            served.map_err(|error| Failure::Broken(format!("cannot accept connections any more: {error}")))?;
        }
        () = ending.asked() => {}
    }
    let _ = tokio::time::timeout(CLOSE_LIMIT, io.close()).await;
    Ok(())
}

async fn build(options: &Options, client_dir: Option<&Path>, demos: &Demos) -> Result<Server, String> {
    let mut builder = demos.prepare(Server::builder()).recovery(recovery(options));
    if let Some(dir) = client_dir {
        builder = builder.client_dir(dir);
    }
    if let Some(shards) = options.shards {
        builder = builder.shards(shards.into());
    }
    builder.build().await.map_err(|error| error.to_string())
}

/// Where the log is, and what of it is kept.
fn recovery(options: &Options) -> Recovery {
    let recovery = if options.memory {
        Recovery::memory()
    } else {
        Recovery::durable(log_in(&options.data_dir)).fsync(options.fsync).options(|log| {
            log.max_age = options.retention_age;
            log.max_bytes = options.retention_bytes;
            // Whole segments are removed, so they are small beside what is kept.
            log.segment_bytes = log.segment_bytes.min((options.retention_bytes / 8).max(SEGMENT_BYTES_MIN));
            log.segment_age = log.segment_age.min(options.retention_age);
        })
    };
    recovery.window(options.recovery_window)
}

/// The directory of the log in the data directory.
pub(crate) fn log_in(data_dir: &Path) -> PathBuf {
    data_dir.join("log")
}

fn check_data_dir(dir: &Path) -> Result<(), String> {
    if dir.exists() && !dir.is_dir() {
        return Err(OpenError::NotADirectory(dir.to_owned()).to_string());
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            format!("port {} of {} is in use, --port names another", address.port(), address.ip())
        }
        ErrorKind::AddrNotAvailable => format!("{} is no address of this machine", address.ip()),
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// The signals that ask for the end.
#[derive(Debug)]
struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    fn watch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
