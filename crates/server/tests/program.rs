//! The program as an operator meets it: its lines, its exit codes, and its end with clients connected.
//! The pages are tested in a browser, elsewhere.

#![allow(clippy::unwrap_used, reason = "a test says what it takes for granted by unwrapping it")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

/// A folder of its own for each test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("bin")).unwrap();
        Self(path)
    }

    /// Puts a program named npm where the tested program looks for it. Its third argument is where to install.
    fn npm(self, script: &str) -> Self {
        let path = self.0.join("bin/npm");
        // Written by another process: a file that this one had open for writing could be busy when it is run, since
        // other tests fork meanwhile.
        let write = r#"printf '#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n' "$1" >"$2" && chmod 755 "$2""#;
        let mut shell = Command::new("sh");
        assert!(shell.args(["-c", write, "sh", script]).arg(&path).status().unwrap().success());
        self
    }

    /// The program, on a free port, with the npm of this folder or none.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline-server"));
        command.args(["--port", "0"]).args(args).current_dir(&self.0).env_clear().env("PATH", self.0.join("bin"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, args: &[&str]) -> Program {
        let mut child = self.command(args).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let errors = child.stderr.take().unwrap();
        Program { child, out, errors }
    }

    /// Runs the program, which must not start, and gives what it says on stderr.
    fn refused(&self, args: &[&str]) -> String {
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

struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    errors: ChildStderr,
}

impl Program {
    /// What it writes up to the line that names its address, which is returned as well.
    fn listening(&mut self) -> (Vec<String>, String) {
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
    fn end(mut self, signal: &str) -> (ExitStatus, String) {
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

fn request(stream: &mut TcpStream, path: &str, headers: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        answer.push(byte[0]);
    }
    String::from_utf8(answer).unwrap()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut answer = request(&mut stream, path, "Connection: close\r\n");
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn a_port_in_use_is_one_sentence_and_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    // The last of two `--port` would be refused as a repetition, so the environment names it.
    let folder = Folder::new("in-use");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline-server"));
    let output = command.current_dir(&folder.0).env_clear().env("TRUNKLINE_PORT", &port).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("trunkline-server: port {port} of 127.0.0.1 is in use, --port names another\n"));
}

#[test]
fn bad_options_and_addresses_are_one_sentence_and_code_2() {
    let folder = Folder::new("bad");
    fs::write(folder.0.join("file"), "").unwrap();
    for (args, part) in [
        (&["--prot"][..], "--prot"),
        (&["--shards", "65"], "65"),
        (&["--host", "no.such.address"], "not an IP address"),
        (&["--host", "192.0.2.1"], "192.0.2.1 is no address of this machine"),
        (&["--client-dir", "nowhere"], "no socket.io.min.js in nowhere"),
        (&["--data-dir", "file"], "file is not a directory"),
    ] {
        let said = folder.refused(args);
        assert!(said.starts_with("trunkline-server: ") && said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn it_ends_with_code_0_while_clients_are_connected() {
    for signal in ["-TERM", "-INT"] {
        let folder = Folder::new(&format!("ends{signal}"));
        let mut program = folder.start(&[]);
        let (_, address) = program.listening();
        let mut websocket = TcpStream::connect(&address).unwrap();
        let answer = request(&mut websocket, "/socket.io/?EIO=4&transport=websocket", UPGRADE);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let mut polling = TcpStream::connect(&address).unwrap();
        let answer = request(&mut polling, "/socket.io/?EIO=4&transport=polling", "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let _silent = TcpStream::connect(&address).unwrap();
        let (status, said) = program.end(signal);
        assert_eq!(status.code(), Some(0), "{signal}: {said}");
    }
}

#[test]
fn it_ends_with_code_0_while_npm_is_at_work() {
    let folder = Folder::new("ends-early").npm("exec sleep 1000");
    let mut program = folder.start(&[]);
    let mut line = String::new();
    program.out.read_line(&mut line).unwrap();
    assert!(line.starts_with("taking socket.io-client 4.8.4 from npm"), "{line}");
    assert_eq!(program.end("-TERM").0.code(), Some(0));
    assert_eq!(fs::read_dir(folder.0.join("data/client")).unwrap().count(), 0);
}

#[test]
fn the_first_start_takes_the_client_from_npm_and_the_second_has_it() {
    let script =
        r#"dist="$3/node_modules/socket.io-client/dist"; mkdir -p "$dist"; echo npm >"$dist/socket.io.min.js""#;
    let folder = Folder::new("first").npm(script);
    let mut program = folder.start(&[]);
    let (lines, address) = program.listening();
    assert_eq!(lines, ["taking socket.io-client 4.8.4 from npm into ./data/client/socket.io-client-4.8.4"]);
    assert!(get(&address, "/socket.io/socket.io.min.js").ends_with("npm\n"));
    assert!(get(&address, "/chat/").contains("src=\"/socket.io/socket.io.min.js\""));
    program.end("-TERM");
    let kept: Vec<_> =
        fs::read_dir(folder.0.join("data/client")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["socket.io-client-4.8.4"]);

    let mut again = folder.start(&[]);
    let (lines, address) = again.listening();
    assert_eq!(lines, [""; 0]);
    assert!(get(&address, "/socket.io/socket.io.min.js").ends_with("npm\n"));
}

#[test]
fn without_npm_a_line_and_the_pages_name_the_cdn() {
    let folder = Folder::new("cdn");
    let mut program = folder.start(&[]);
    let (lines, address) = program.listening();
    let cdn = "https://cdn.socket.io/4.8.4/socket.io.min.js";
    assert_eq!(lines.last().unwrap(), &format!("npm is not there; the pages take the client from {cdn}"));
    for page in ["/chat/", "/board/"] {
        let page = get(&address, page);
        assert!(page.contains(&format!("src=\"{cdn}\"")) && page.contains("script-src 'self' https://cdn.socket.io"));
    }
}

#[test]
fn pages_and_the_health_check_answer() {
    let folder = Folder::new("pages");
    fs::write(folder.0.join("socket.io.min.js"), "own\n").unwrap();
    let mut program = folder.start(&["--client-dir", "."]);
    let (lines, address) = program.listening();
    assert_eq!(lines, [""; 0]);
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(get(&address, "/").contains("href=\"/board/\""));
    assert!(get(&address, "/board").contains("location: /board/"));
    assert!(get(&address, "/assets/chat.js").contains("text/javascript"));
    assert!(get(&address, "/socket.io/socket.io.min.js").ends_with("own\n"));
    assert!(get(&address, "/nowhere").starts_with("HTTP/1.1 404 "));
}
