//! The past of public rooms over plain HTTP: what is answered, what is refused, and who waits.
//! What a history holds is tested with the library.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Folder, Person, Program};

/// Requests that may wait.
const WAITING_MAX: usize = 256;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn tag(&self) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix("etag: "));
        line.unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let events = self.json()["events"].clone();
        events.as_array().unwrap().iter().map(|event| event["args"][0]["id"].as_str().unwrap().to_owned()).collect()
    }
}

async fn history(address: SocketAddr, query: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/history?{query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer { status: head[9..12].parse().unwrap(), head: head.to_owned(), body: body.to_owned() }
}

async fn talking(folder: &Folder) -> (Program, SocketAddr, Person) {
    let (program, address) = folder.serve(&["--public-room", "/chat#lobby", "--public-room", "/board#s*"]);
    let (ada, _) = Person::enter(address, "Ada").await;
    for id in ["m1", "m2", "m3"] {
        ada.say(id).await;
    }
    (program, address, ada)
}

#[tokio::test]
async fn a_public_room_is_read_page_by_page() {
    let folder = Folder::new("pages-of-history");
    let (_program, address, ada) = talking(&folder).await;
    let newest = history(address, "ns=/chat&room=lobby&limit=2", "").await;
    assert!(newest.head.contains("content-type: application/json"), "{}", newest.head);
    assert_eq!((newest.status, newest.ids()), (200, vec!["m2".to_owned(), "m3".to_owned()]));
    let event = &newest.json()["events"][1];
    assert_eq!((&event["name"], &event["position"]), (&"message".into(), &newest.json()["next"]));
    assert_eq!(event["args"].as_array().unwrap().len(), 1);
    let mut read = Vec::new();
    let mut after = 0;
    while read.len() < 3 {
        let page = history(address, &format!("ns=/chat&room=lobby&after={after}&limit=1"), "").await;
        read.extend(page.ids());
        after = page.json()["next"].as_u64().unwrap();
    }
    assert_eq!(read, ["m1", "m2", "m3"]);
    let end = history(address, &format!("ns=/chat&room=lobby&after={after}"), "").await;
    assert_eq!((end.status, end.ids().len()), (200, 0));
    ada.say("m4").await;
    let on = history(address, &format!("ns=/chat&room=lobby&after={}", end.json()["next"]), "").await;
    assert_eq!(on.ids(), ["m4"]);
}

#[tokio::test]
async fn every_other_room_is_forbidden_and_what_is_wrong_is_said() {
    let folder = Folder::new("forbidden");
    let (_program, address, _ada) = talking(&folder).await;
    for (query, status) in [
        ("ns=/chat&room=attic", 403),
        ("ns=/&room=lobby", 403),
        ("ns=/chat&room=lobby%0Apeople", 403),
        ("ns=/board&room=sheet", 200),
        ("ns=/board&room=other", 403),
        ("room=lobby", 400),
        ("ns=/chat&room=lobby&limit=0", 400),
        ("ns=/chat&room=lobby&after=x", 400),
        ("ns=/chat&room=lobby&wait=31", 400),
    ] {
        let answer = history(address, query, "").await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert!(answer.body.lines().count() == 1, "{query}: {}", answer.body);
    }
    let folder = Folder::new("none-public");
    let (_program, address) = folder.serve(&[]);
    assert_eq!(history(address, "ns=/chat&room=lobby", "").await.status, 403);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let folder = Folder::new("etag");
    let (program, address, ada) = talking(&folder).await;
    let query = "ns=/chat&room=lobby";
    let first = history(address, query, "").await;
    let known = format!("If-None-Match: \"other\", W/{}\r\n", first.tag());
    let again = history(address, query, &known).await;
    assert_eq!((again.status, &*again.body, again.tag()), (304, "", first.tag()));
    ada.say("m4").await;
    assert_eq!(history(address, query, &known).await.status, 200);
    let page = "ns=/chat&room=lobby&after=0&limit=3";
    let known = format!("If-None-Match: {}\r\n", history(address, page, "").await.tag());
    drop(ada);
    program.kill();
    let (_program, address) = folder.serve(&["--public-room", "/chat#*"]);
    assert_eq!(history(address, page, &known).await.status, 304, "the log is the same");
}

#[tokio::test]
async fn a_request_waits_for_what_is_new_in_its_room() {
    let folder = Folder::new("wait");
    let (_program, address, ada) = talking(&folder).await;
    let next = history(address, "ns=/chat&room=lobby", "").await.json()["next"].clone();
    let query = format!("ns=/chat&room=lobby&after={next}&wait=1");
    let in_vain = history(address, &query, "").await;
    assert_eq!((in_vain.status, in_vain.ids().len()), (200, 0));
    let query = format!("ns=/chat&room=lobby&after={}&wait=30", in_vain.json()["next"]);
    let waiting = tokio::spawn(async move { history(address, &query, "").await });
    // Entries of other rooms do not end the wait.
    let elsewhere = serde_json::json!({ "id": "x", "room": "attic", "text": "elsewhere" });
    ada.socket.emit_with_ack::<Option<Value>>("message", elsewhere).await.unwrap();
    ada.say("m4").await;
    assert_eq!(waiting.await.unwrap().ids(), ["m4"]);
}

#[tokio::test]
async fn those_who_wait_have_a_limit_and_one_beyond_it_is_told() {
    let folder = Folder::new("limit");
    let (_program, address, ada) = talking(&folder).await;
    let next = history(address, "ns=/chat&room=lobby", "").await.json()["next"].clone();
    let query = format!("ns=/chat&room=lobby&after={next}&wait=30");
    let mut waiting = JoinSet::new();
    for _ in 0..=WAITING_MAX {
        let query = query.clone();
        waiting.spawn(async move { history(address, &query, "").await });
    }
    let refused = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(refused.status, 503, "all places are taken");
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    ada.say("m4").await;
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap().ids(), ["m4"]);
    }
}

#[tokio::test]
async fn waiting_requests_do_not_hold_up_the_end() {
    let folder = Folder::new("wait-end");
    let (program, address, ada) = talking(&folder).await;
    let next = history(address, "ns=/chat&room=lobby", "").await.json()["next"].clone();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /api/history?ns=/chat&room=lobby&after={next}&wait=30 HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(ada);
    let (status, said) = program.end("-TERM");
    assert_eq!(status.code(), Some(0), "{said}");
}
