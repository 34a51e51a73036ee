//! What the program keeps: what was said is there once after a kill, people are known again, and a directory that does not
//! open ends the program with a sentence.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use trunkline::testing::{Client, ClientError};

use crate::support::{Folder, Person, Program, get, ids};

/// The file that entries are written to first.
const FIRST: &str = "data/log/0000000001.log";

#[tokio::test]
async fn what_was_said_is_there_once_and_in_order_after_a_restart() {
    for signal in ["-KILL", "-TERM"] {
        restart(signal).await;
    }
}

async fn restart(signal: &str) {
    let folder = Folder::new(&format!("restart{signal}"));
    let (program, address) = folder.serve(&[]);
    let (ada, _) = Person::enter(address, "Ada").await;
    let (mut bob, _) = Person::enter(address, "Bob").await;
    for id in ["a1", "a2", "a3"] {
        ada.say(id).await;
    }
    assert_eq!(bob.messages_up_to("a1").await, ["a1"]);
    // On its way; whether it was committed, nobody knows.
    ada.socket.emit("message", json!({ "id": "a4", "room": "lobby", "text": "text of a4" }));
    program.end(signal);

    let (_program, address) = folder.serve(&[]);
    let ada = Person::connect(address, ada.socket.comes_back()).await;
    for id in ["a3", "a4", "a4", "a5"] {
        ada.say(id).await;
    }
    let (id, auth) = (bob.socket.id().to_owned(), bob.socket.comes_back());
    let mut bob = Person::connect(address, auth).await;
    assert_eq!(bob.socket.id(), id, "recovered");
    assert_eq!(bob.messages_up_to("a5").await, ["a2", "a3", "a4", "a5"]);
    let (_carol, entered) = Person::enter(address, "Carol").await;
    assert_eq!(ids(&entered["history"]), ["a1", "a2", "a3", "a4", "a5"]);
}

#[tokio::test]
async fn those_who_come_back_after_a_kill_are_here_and_the_others_are_not() {
    let folder = Folder::new("people");
    let (program, address) = folder.serve(&[]);
    let (_ada, _) = Person::enter(address, "Ada").await;
    let (mut bob, _) = Person::enter(address, "Bob").await;
    let (gone, _) = Person::enter(address, "Gone").await;
    bob.events_up_to(|name, data| name == "joined" && data["name"] == "Gone").await;
    let (before, auth) = (gone.socket.comes_back(), bob.socket.comes_back());
    program.kill();

    let (_program, address) = folder.serve(&[]);
    let mut bob = Person::connect(address, auth).await;
    let missed = bob.events_up_to(|name, data| name == "joined" && data["name"] == "Bob").await;
    let told: Vec<_> = missed.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "rooms").collect();
    assert_eq!(told, ["restarted", "joined"]);
    let (_carol, entered) = Person::enter(address, "Carol").await;
    assert_eq!(names(&entered["people"]), ["Bob", "Carol"]);
    let back = Person::connect(address, before).await;
    assert_eq!(back.socket.id(), gone.socket.id());
    let joined = bob.events_up_to(|name, data| name == "joined" && data["name"] == "Gone").await;
    assert_eq!(joined.last().unwrap().1["room"], "lobby");
}

#[tokio::test]
async fn a_board_has_each_line_once_after_a_kill() {
    let folder = Folder::new("board");
    let line = |id: &str| json!({ "id": id, "colour": 1, "thickness": 4, "points": [[1, 1], [2, 2]] });
    let (program, address) = folder.serve(&["--fsync"]);
    let client = Client::dial(address).await.unwrap();
    let board = client.connect("/board", json!({ "name": "Ada" })).await.unwrap();
    for id in ["before", "c1"] {
        let event = if id == "c1" { "clear" } else { "draw" };
        let data = if id == "c1" { json!(id) } else { line(id) };
        assert_eq!(board.emit_with_ack::<Option<Value>>(event, data).await.unwrap(), None);
    }
    assert_eq!(board.emit_with_ack::<Option<Value>>("draw", line("l1")).await.unwrap(), None);
    program.kill();

    let (_program, address) = folder.serve(&["--fsync"]);
    let client = Client::dial(address).await.unwrap();
    let board = client.connect("/board", json!({ "name": "Ada" })).await.unwrap();
    // What a page does that did not see the answers: it clears and draws no second time.
    assert_eq!(board.emit_with_ack::<Option<Value>>("draw", line("l1")).await.unwrap(), None);
    assert_eq!(board.emit_with_ack::<Option<Value>>("clear", "c1").await.unwrap(), None);
    let entered: Value = board.emit_with_ack("enter", "Ada").await.unwrap();
    assert_eq!(ids(&entered["lines"]), ["l1"]);
}

#[tokio::test]
async fn with_memory_nothing_is_on_the_disk_and_clients_come_back_while_it_runs() {
    let folder = Folder::new("memory");
    let (program, address) = folder.serve(&["--memory"]);
    let (ada, _) = Person::enter(address, "Ada").await;
    let auth = ada.socket.comes_back();
    let back = Person::connect(address, auth.clone()).await;
    assert_eq!(back.socket.id(), ada.socket.id());
    program.kill();
    assert!(!folder.0.join("data").exists());
    let (_program, address) = folder.serve(&["--memory"]);
    let fresh = Person::connect(address, auth).await;
    assert_ne!(fresh.socket.id(), ada.socket.id());
}

#[tokio::test]
async fn a_directory_that_does_not_open_is_one_sentence_and_code_2() {
    let folder = Folder::new("refused");
    let (program, address) = folder.serve(&[]);
    let (ada, _) = Person::enter(address, "Ada").await;
    for number in 0..20 {
        ada.say(&format!("m{number}")).await;
    }
    let refused = |part: &str| {
        let said = folder.refused(&["--client-dir", "."]);
        assert!(said.starts_with("trunkline-server: ") && said.contains(part), "{said}");
    };
    refused("in use by another process");
    program.kill();
    change(&folder, FIRST, 400, |byte| byte ^ 1);
    refused("0000000001.log is damaged at byte");
    change(&folder, FIRST, 400, |byte| byte ^ 1);
    let segment = fs::read(folder.0.join(FIRST)).unwrap();
    fs::write(folder.0.join(FIRST), of_version(&segment, 9)).unwrap();
    refused("0000000001.log has version 9 of the format");
    fs::write(folder.0.join(FIRST), segment).unwrap();
    fs::rename(folder.0.join("data/log"), folder.0.join("kept")).unwrap();
    fs::write(folder.0.join("data/log"), "").unwrap();
    refused("is not a directory");
    fs::remove_file(folder.0.join("data/log")).unwrap();
    fs::rename(folder.0.join("kept"), folder.0.join("data/log")).unwrap();
    let (_program, address) = folder.serve(&[]);
    let (_bob, entered) = Person::enter(address, "Bob").await;
    assert_eq!(ids(&entered["history"]).len(), 20, "nothing was changed");
}

#[tokio::test]
async fn it_is_not_ready_while_the_log_refuses_what_is_said() {
    let folder = Folder::new("ready");
    fs::write(folder.0.join("socket.io.min.js"), "").unwrap();
    let program = folder.command(&["--client-dir", "."]);
    // A file may have 64 KiB here: what a disk does that is full.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""]).arg(program.get_program());
    limited.args(program.get_args()).current_dir(&folder.0).stdin(Stdio::null());
    let mut program = Program::of(limited.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (_, address) = program.listening();
    assert!(get(&address, "/ready").starts_with("HTTP/1.1 200 "));
    let answer = loop {
        // Where a long message has no room any more, a shorter entry may have, and all is well again until the next.
        let _until_it_is_refused = say_much(address.parse().unwrap()).await;
        let answer = get(&address, "/ready");
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
    };
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the disk did not take a write"), "{answer}");
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200 "));
    program.end("-KILL");
}

async fn say_much(address: SocketAddr) -> Result<(), ClientError> {
    let client = Client::dial(address).await?;
    let socket = client.connect("/chat", json!({ "name": "Ada" })).await?;
    let (text, before) = ("x".repeat(2000), socket.id().to_owned());
    for number in 0..100 {
        let said = json!({ "id": format!("{before}{number}"), "room": "lobby", "text": text });
        socket.emit_with_ack::<Option<Value>>("message", said).await?;
    }
    Ok(())
}

fn names(people: &Value) -> Vec<String> {
    let mut names: Vec<_> =
        people.as_array().unwrap().iter().map(|person| person["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn change(folder: &Folder, file: &str, at: usize, to: impl Fn(u8) -> u8) {
    let path = folder.0.join(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] = to(bytes[at]);
    fs::write(path, bytes).unwrap();
}

/// A segment that says that it is of this version of the format, as `docs/log-format.md` draws it.
fn of_version(segment: &[u8], version: u8) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    bytes[8] = version;
    let sum = crc32(&bytes[..60]);
    bytes[60..64].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let of_bit = |sum: u32, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg());
    !bytes.iter().fold(!0, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), of_bit))
}
