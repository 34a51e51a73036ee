//! Servers under measurement: how each is started, pinned, waited for and ended. Each run has a fresh process. What is
//! sent to them is `stretch`'s.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it serves.
const START_MAX: Duration = Duration::from_secs(10);

/// How a server is started. The peers will stand beside the two constructors here.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name in the tables.
    pub name: String,
    program: PathBuf,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    /// The variable that takes the port; else the option `--port` does.
    port_variable: Option<&'static str>,
}

impl Spec {
    /// The limit server.
    #[must_use]
    pub fn ceiling(program: &Path) -> Self {
        let (program, args) = (program.to_owned(), Vec::new());
        Self { name: "ceiling".to_owned(), program, args, environment: Vec::new(), port_variable: None }
    }

    /// The project's own testbed, of this or another state of the tree.
    #[must_use]
    pub fn testbed(name: &str, program: &Path) -> Self {
        let environment = vec![("MODE".to_owned(), "bench".to_owned()), ("RUST_LOG".to_owned(), "warn".to_owned())];
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            environment,
            port_variable: Some("PORT"),
        }
    }

    /// The same with one more variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with one more argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Starts it on `port`, pinned to `core`, and returns once it serves.
    pub fn start(&self, port: u16, core: usize) -> io::Result<Server> {
        let mut command = pinned(&self.program, core);
        command.args(&self.args).envs(self.environment.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::null());
        match self.port_variable {
            Some(variable) => command.env(variable, port.to_string()),
            None => command.args(["--port", &port.to_string()]),
        };
        let mut server = Server { child: command.spawn().map_err(|error| cannot_start(&self.program, &error))?, port };
        server.wait_until_it_serves().map_err(|error| cannot_start(&self.program, &error))?;
        Ok(server)
    }
}

/// A command that runs on one core only, and that ends when this process does, however that ends. Both wrappers
/// replace themselves, so the process started is the program itself.
#[must_use]
pub fn pinned(program: &Path, core: usize) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", &core.to_string()]).arg(program);
    command
}

fn cannot_start(program: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!(
        "{} cannot be started: {error} (this needs setpriv and taskset of util-linux, and two cores)",
        program.display()
    ))
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_it_serves(&mut self) -> io::Result<()> {
        let began = Instant::now();
        while !is_healthy(self.port) {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if began.elapsed() > START_MAX {
                return Err(io::Error::other(format!("it does not answer on port {}", self.port)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is no use to anybody any more, and graceful ends are tested elsewhere.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_healthy(port: u16) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
