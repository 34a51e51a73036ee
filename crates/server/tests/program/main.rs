//! The program as an operator meets it: its lines, its exit codes, and its end with clients connected.
//! What it keeps is in `kept`, the commands for that in `store`, plain HTTP in `history`; the pages are tested in a browser,
//! elsewhere.

#![allow(clippy::unwrap_used, reason = "a test says what it takes for granted by unwrapping it")]

mod history;
mod kept;
mod store;
mod support;

use std::fs;
use std::io::BufRead as _;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use support::{Folder, get, request};

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
