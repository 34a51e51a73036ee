//! The commands for a data directory: what they print, while a server writes there too, and how they end.
//! What is in its files is tested with the library.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Folder, Person, ids};

/// A program in whose lobby two things were said by somebody who is still there.
async fn talking(folder: &Folder) -> (crate::support::Program, Person) {
    let (program, address) = folder.serve(&[]);
    let (ada, _) = Person::enter(address, "Ada").await;
    ada.say("m1").await;
    ada.say("m2").await;
    (program, ada)
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn inspect_counts_what_is_there() {
    let folder = Folder::new("inspect");
    let (_program, _ada) = talking(&folder).await;
    let shown = text(&folder.store(&["inspect"]));
    assert!(shown.contains("sessions 1, keys 2") && shown.contains("/chat lobby  2 events"), "{shown}");
    let found = lines(&folder.store(&["inspect", "--json", "data"]));
    assert_eq!((&found[0]["kind"], &found[0]["sessions"], &found[0]["keys"]), (&"log".into(), &1.into(), &2.into()));
    let room = found.iter().find(|line| line["kind"] == "room" && line["room"] == "lobby").unwrap();
    assert_eq!((&room["ns"], &room["events"]), (&"/chat".into(), &2.into()));
}

#[tokio::test]
async fn verify_names_the_first_damage_and_ends_with_1() {
    let folder = Folder::new("verify");
    let (program, ada) = talking(&folder).await;
    let shown = text(&folder.store(&["verify"]));
    assert!(shown.lines().count() == 2 && shown.lines().all(|line| line.contains("sound")), "{shown}");
    drop(ada);
    program.kill();
    let path = folder.0.join("data/log/0000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes[200] ^= 1;
    fs::write(path, bytes).unwrap();
    for args in [&["verify"][..], &["verify", "--json"]] {
        let output = folder.store(args);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("trunkline-server: 0000000001.log is damaged at byte"), "{said}");
    }
}

#[tokio::test]
async fn export_is_every_entry_as_a_line_and_no_secret() {
    let folder = Folder::new("export");
    let (_program, ada) = talking(&folder).await;
    let output = folder.store(&["export"]);
    let entries = lines(&output);
    let positions: Vec<_> = entries.iter().map(|entry| entry["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=entries.len() as u64).collect::<Vec<_>>());
    let said: Vec<_> = entries.iter().filter(|entry| entry["name"] == "message").collect();
    assert_eq!(said.len(), 2);
    assert_eq!((&said[0]["act"], &said[0]["rooms"][0]), (&"emit".into(), &"lobby".into()));
    assert_eq!(said[1]["args"][0]["text"], "text of m2");
    assert!(entries.iter().any(|entry| entry["act"] == "session" && entry["socket"] == ada.socket.id()));
    let secret = ada.socket.comes_back()["pid"].as_str().unwrap().to_owned();
    assert!(!text(&output).contains(&secret));
    let rest = lines(&folder.store(&["export", "--after", &said[0]["position"].to_string()]));
    assert_eq!(rest.iter().filter(|entry| entry["name"] == "message").count(), 1);
}

#[tokio::test]
async fn tail_shows_the_newest_and_goes_on_if_asked() {
    let folder = Folder::new("tail");
    let (_program, ada) = talking(&folder).await;
    let shown = text(&folder.store(&["tail", "-n", "1"]));
    assert!(shown.lines().count() == 1 && shown.contains("/chat to lobby: message [{"), "{shown}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline-server"));
    command.args(["store", "tail", "-n", "1", "--follow", "--json"]).current_dir(&folder.0).stdout(Stdio::piped());
    let mut following = command.spawn().unwrap();
    let mut out = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&out.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["args"][0]["id"], "m2");
    ada.say("m3").await;
    assert_eq!(next()["args"][0]["id"], "m3");
    following.kill().unwrap();
    following.wait().unwrap();
}

#[tokio::test]
async fn a_backup_is_made_while_the_program_runs_and_can_be_served() {
    let folder = Folder::new("backup");
    let (_program, ada) = talking(&folder).await;
    let done = lines(&folder.store(&["backup", "--to", "copy", "--json"]));
    assert!(done[0]["last"].as_u64().unwrap() > 2);
    ada.say("m3").await;
    let again = folder.store(&["backup", "--to", "copy"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("not empty"));
    let (_copy, address) = folder.serve(&["--data-dir", "copy"]);
    let (_bob, entered) = Person::enter(address, "Bob").await;
    assert_eq!(ids(&entered["history"]), ["m1", "m2"]);
}

#[test]
fn what_cannot_be_read_is_one_sentence_and_code_2() {
    let folder = Folder::new("unreadable");
    fs::write(folder.0.join("file"), "").unwrap();
    for args in [
        &["inspect", "nowhere"][..],
        &["verify", "nowhere"],
        &["tail", "file"],
        &["export", "nowhere"],
        &["backup", "nowhere", "--to", "copy"],
        &["look"],
        &["backup"],
    ] {
        let output = folder.store(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.starts_with("trunkline-server: ") && said.lines().count() == 1, "{args:?}: {said}");
    }
}
