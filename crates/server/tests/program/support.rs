//! The program in a folder of its own, and who talks to it: plain requests, and people in the chat.
//! What is expected of it is each test's own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};

use serde_json::{Value, json};
use trunkline::testing::{Client, ClientSocket};

/// A folder of its own for each test, gone at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("bin")).unwrap();
        Self(path)
    }

    /// Puts a program named npm where the tested program looks for it. Its third argument is where to install.
    pub(crate) fn npm(self, script: &str) -> Self {
        let path = self.0.join("bin/npm");
        // Written by another process: a file that this one had open for writing could be busy when it is run, since
        // other tests fork meanwhile.
        let write = r#"printf '#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n' "$1" >"$2" && chmod 755 "$2""#;
        let mut shell = Command::new("sh");
        assert!(shell.args(["-c", write, "sh", script]).arg(&path).status().unwrap().success());
        self
    }

    /// The program, on a free port, with the npm of this folder or none.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline-server"));
        command.args(["--port", "0"]).args(args).current_dir(&self.0).env_clear().env("PATH", self.0.join("bin"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Program {
        Program::of(&mut self.command(args))
    }

    /// The program as it listens, without a need for npm, and its address.
    pub(crate) fn serve(&self, args: &[&str]) -> (Program, SocketAddr) {
        fs::write(self.0.join("socket.io.min.js"), "").unwrap();
        let mut program = self.start(&[&["--client-dir", "."], args].concat());
        let (_, address) = program.listening();
        (program, address.parse().unwrap())
    }

    /// Does something with the data directory, which the program's arguments name.
    pub(crate) fn store(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline-server"));
        command.arg("store").args(args).current_dir(&self.0).env_clear().output().unwrap()
    }

    /// Runs the program, which must not start, and gives what it says on stderr.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        said
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running program, ended with its test.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) out: BufReader<ChildStdout>,
    errors: ChildStderr,
}

impl Program {
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let errors = child.stderr.take().unwrap();
        Self { child, out, errors }
    }

    /// Ends it without giving it a chance to say goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it writes up to the line that names its address, which is returned as well.
    pub(crate) fn listening(&mut self) -> (Vec<String>, String) {
        let mut before = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it ended: {before:?}");
            match line.trim_end().strip_prefix("listening on http://") {
                Some(address) => return (before, address.to_owned()),
                None => before.push(line.trim_end().to_owned()),
            }
        }
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, String) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.errors.read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, unless its test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn request(stream: &mut TcpStream, path: &str, headers: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut answer = request(&mut stream, path, "Connection: close\r\n");
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Somebody in the chat.
pub(crate) struct Person {
    // Dropped, it takes the connection along.
    _client: Client,
    pub(crate) socket: ClientSocket,
}

impl Person {
    /// Comes into the lobby; what the server answers is returned as well.
    pub(crate) async fn enter(address: SocketAddr, name: &str) -> (Self, Value) {
        let person = Self::connect(address, json!({ "name": name })).await;
        let entered = person.socket.emit_with_ack("enter", json!({ "room": "lobby", "name": name })).await.unwrap();
        (person, entered)
    }

    /// Comes back, with what `comes_back` of the socket before says.
    pub(crate) async fn connect(address: SocketAddr, auth: Value) -> Self {
        let client = Client::dial(address).await.unwrap();
        let socket = client.connect("/chat", auth).await.unwrap();
        Self { _client: client, socket }
    }

    /// Says something in the lobby, and waits for the answer.
    pub(crate) async fn say(&self, id: &str) {
        let said = json!({ "id": id, "room": "lobby", "text": format!("text of {id}") });
        let answer: Option<Value> = self.socket.emit_with_ack("message", said).await.unwrap();
        assert_eq!(answer, None, "{id}");
    }

    /// The ids of the messages up to one, with everything else left out.
    pub(crate) async fn messages_up_to(&mut self, last: &str) -> Vec<String> {
        let events = self.events_up_to(|name, data| name == "message" && data["id"] == last).await;
        ids(&events.into_iter().filter(|(name, _)| name == "message").map(|(_, data)| data).collect())
    }

    /// The events up to one that is looked for.
    pub(crate) async fn events_up_to(&mut self, is_last: impl Fn(&str, &Value) -> bool) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        loop {
            let event = self.socket.next_event().await.unwrap();
            let data: Value = event.args().get(0).unwrap();
            let found = is_last(event.name(), &data);
            events.push((event.name().to_owned(), data));
            if found {
                return events;
            }
        }
    }
}

/// The ids of messages.
pub(crate) fn ids(messages: &Value) -> Vec<String> {
    messages.as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
}
