//! The servers that tests and judges are pointed at: which file they are, how one is started, awaited and ended.
//! What is asked of them is elsewhere.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::run::{cargo, command, run, target};
use crate::tools::js_folder;

const START_MAX: Duration = Duration::from_secs(15);

/// The path of the testbed.
pub(crate) fn testbed() -> PathBuf {
    target().join("release/testbed")
}

/// The path of the program.
pub(crate) fn program() -> PathBuf {
    target().join("release/trunkline-server")
}

/// Builds the testbed.
pub(crate) fn build_testbed() -> Outcome<PathBuf> {
    run(cargo().args(["build", "--release", "--bin", "testbed"]))?;
    Ok(testbed())
}

/// Which server a judge is pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The project's testbed.
    Testbed,
    /// The same modes on npm's socket.io, to see whether a failure is the judge's own.
    Reference,
}

impl Subject {
    /// Prepares what is needed to start it.
    pub(crate) fn prepare(self) -> Outcome {
        match self {
            Self::Testbed => build_testbed().map(drop),
            Self::Reference => crate::tools::npm_packages(),
        }
    }

    fn command(self) -> Command {
        match self {
            Self::Testbed => command(testbed()),
            Self::Reference => {
                let mut node = command("node");
                node.arg(js_folder().join("reference-testbed.js"));
                node
            }
        }
    }

    /// Starts it with these settings and waits until it serves.
    pub(crate) fn start(self, port: u16, settings: &[(&str, &str)]) -> Outcome<Running> {
        if is_healthy(port) {
            return Err(format!("port {port} is taken by another server, which has to end first"));
        }
        let child = self
            .command()
            .env("PORT", port.to_string())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("the server cannot be started: {error}"))?;
        let mut running = Running(child);
        let deadline = Instant::now() + START_MAX;
        while !is_healthy(port) {
            if let Ok(Some(status)) = running.0.try_wait() {
                return Err(format!("the server ended at its start with {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("the server did not serve within {} s", START_MAX.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

/// A server that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Its end is what matters here, not how: an orderly end has tests of its own.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a server on this port answers its health check, under the name localhost as judges use it.
fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("localhost", port)) else {
        return false;
    };
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}
