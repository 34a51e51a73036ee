//! What stands on the answers of a session besides its packets: the cookie, headers of hooks, compression, and the
//! client's files. Which requests are answered at all is the part of `handshake`.

use std::net::SocketAddr;

use serde_json::json;
use trunkline::testing::Client;
use trunkline::{Cookie, SameSite, Server, ServerBuilder, Socket};

use crate::peer::{POLLING, Polling, WEBSOCKET, WebSocket, get, request};
use crate::support::listen;

async fn listening(builder: ServerBuilder) -> (Server, SocketAddr) {
    let io = builder.shards(1).build().await.unwrap();
    let address = listen(&io).await;
    (io, address)
}

fn cookie(change: impl FnOnce(&mut Cookie)) -> ServerBuilder {
    let mut cookie = Cookie::default();
    change(&mut cookie);
    Server::builder().cookie(cookie)
}

#[tokio::test]
async fn the_first_polling_answer_of_a_session_sets_the_cookie_if_there_is_one() {
    let cases = [
        (Server::builder(), None),
        (cookie(|_| ()), Some("io=SID; Path=/; HttpOnly; SameSite=Lax")),
        (cookie(|c| c.name = "woot".into()), Some("woot=SID; Path=/; HttpOnly; SameSite=Lax")),
        (cookie(|c| c.path = Some("/custom".into())), Some("io=SID; Path=/custom; HttpOnly; SameSite=Lax")),
        (cookie(|c| c.path = None), Some("io=SID; HttpOnly; SameSite=Lax")),
        (cookie(|c| c.http_only = false), Some("io=SID; Path=/; SameSite=Lax")),
        (cookie(|c| c.same_site = Some(SameSite::Strict)), Some("io=SID; Path=/; HttpOnly; SameSite=Strict")),
    ];
    for (builder, expected) in cases {
        let (_io, address) = listening(builder).await;
        let open = get(address, POLLING, &[]).await;
        let sid = open.open()["sid"].as_str().unwrap().to_owned();
        assert_eq!(open.header("set-cookie").map(|value| value.replace(&sid, "SID")).as_deref(), expected);
        let path = format!("{POLLING}&sid={sid}");
        assert_eq!(request(address, "POST", &path, &[], "40").await.header("set-cookie"), None);
        let websocket = WebSocket::dial(address, WEBSOCKET).await;
        assert!(!websocket.head.contains("set-cookie"), "{}", websocket.head);
    }
}

#[tokio::test]
async fn hooks_set_headers_once_a_session_and_on_every_answer_also_on_the_101() {
    let builder = Server::builder()
        .initial_headers(|headers, parts| {
            headers.insert("x-first", parts.headers["x-in"].clone());
        })
        .headers(|headers, _| {
            headers.insert("x-every", "2".parse().unwrap());
        });
    let (_io, address) = listening(builder).await;
    let open = get(address, POLLING, &["x-in: 1"]).await;
    assert_eq!((open.header("x-first"), open.header("x-every")), (Some("1"), Some("2")));
    let sid = open.open()["sid"].as_str().unwrap().to_owned();
    let path = format!("{POLLING}&sid={sid}");
    let post = request(address, "POST", &path, &["x-in: 1"], "40").await;
    assert_eq!((post.header("x-first"), post.header("x-every")), (None, Some("2")));
    let poll = get(address, &path, &["x-in: 1"]).await;
    assert_eq!((poll.header("x-first"), poll.header("x-every")), (None, Some("2")));

    let upgrade = WebSocket::dial(address, &format!("{WEBSOCKET}&sid={sid}")).await;
    assert!(upgrade.head.contains("\r\nx-every: 2\r\n") && !upgrade.head.contains("x-first"), "{}", upgrade.head);
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let first = WebSocket::over(stream, WEBSOCKET, &["x-in: 1"]).await;
    assert!(first.head.contains("\r\nx-every: 2\r\n") && first.head.contains("\r\nx-first: 1\r\n"), "{}", first.head);
}

/// The encoding of the answer that brings an event of so many bytes, emitted with compression asked for or not.
async fn encoding(address: SocketAddr, length: usize, compress: bool, accept: &str) -> Option<String> {
    let session = Polling::joined(address).await;
    session.post(&format!("42[\"send\",{length},{compress}]")).await;
    let answer = session.get(&[&format!("accept-encoding: {accept}")]).await;
    let encoding = answer.header("content-encoding").map(str::to_owned);
    if encoding.is_none() {
        assert_eq!(answer.text(), format!("42[\"text\",\"{}\"]", "x".repeat(length)));
    } else {
        assert!(answer.body.len() < length / 10);
    }
    encoding
}

fn sends(io: &Server) {
    io.on("send", |socket: Socket, trunkline::Data((length, compress)): trunkline::Data<(usize, bool)>| async move {
        socket.compress(compress).emit("text", "x".repeat(length));
    });
    io.on("broadcast", |socket: Socket, trunkline::Data(compress): trunkline::Data<bool>| async move {
        socket.namespace().compress(compress).emit("text", "x".repeat(5000));
    });
}

#[tokio::test]
async fn polling_answers_are_compressed_by_length_and_option_and_not_if_a_message_does_not_want_it() {
    let (io, address) = listening(Server::builder()).await;
    sends(&io);
    assert_eq!(encoding(address, 2000, true, "gzip, deflate").await.as_deref(), Some("gzip"));
    assert_eq!(encoding(address, 2000, true, "deflate").await.as_deref(), Some("deflate"));
    assert_eq!(encoding(address, 2000, true, "identity").await, None);
    assert_eq!(encoding(address, 1000, true, "gzip").await, None);
    assert_eq!(encoding(address, 2000, false, "gzip").await, None);

    let (io, address) = listening(Server::builder().http_compression(Some(10_000))).await;
    sends(&io);
    assert_eq!(encoding(address, 9000, true, "gzip").await, None);
    assert_eq!(encoding(address, 10_000, true, "gzip").await.as_deref(), Some("gzip"));

    let (io, address) = listening(Server::builder().http_compression(None)).await;
    sends(&io);
    assert_eq!(encoding(address, 100_000, true, "gzip").await, None);
}

/// The bit of a frame's first byte that says that it is compressed.
const RSV1: u8 = 0x40;
const OFFER: &str = "sec-websocket-extensions: permessage-deflate; client_max_window_bits";

async fn deflated(builder: ServerBuilder) -> (Server, WebSocket<tokio::net::TcpStream>) {
    let (io, address) = listening(builder).await;
    sends(&io);
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut client = WebSocket::over(stream, WEBSOCKET, &[OFFER]).await;
    client.hear().await;
    client.say("40").await;
    client.hear().await;
    (io, client)
}

#[tokio::test]
async fn websocket_messages_are_deflated_from_a_length_on_and_not_if_a_message_does_not_want_it() {
    let (_io, mut off) = deflated(Server::builder()).await;
    assert!(!off.head.contains("sec-websocket-extensions"), "{}", off.head);
    off.say("42[\"send\",5000,true]").await;
    assert_eq!(off.hear_raw().await.0[0] & RSV1, 0);

    let (_io, mut on) = deflated(Server::builder().per_message_deflate(1024)).await;
    let events = [("send\",2000,true", true), ("send\",1000,true", false), ("send\",2000,false", false)];
    let broadcasts = [("broadcast\",true", true), ("broadcast\",false", false)];
    for (event, compressed) in events.into_iter().chain(broadcasts) {
        on.say(&format!("42[\"{event}]")).await;
        let (start, text) = on.hear_raw().await;
        assert_eq!(start[0] & RSV1 != 0, compressed, "{event}");
        assert!(text.starts_with("42[\"text\",\"xxx"), "{event}");
    }
}

/// Each compressed message can be read without those before it: the same text has the same bytes twice.
#[tokio::test]
async fn no_context_is_kept_between_websocket_messages() {
    let (_io, mut client) = deflated(Server::builder().per_message_deflate(0)).await;
    for word in ["server_no_context_takeover", "client_no_context_takeover"] {
        assert!(client.head.contains(word), "{}", client.head);
    }
    let mut starts = Vec::new();
    for _ in 0..3 {
        client.say("42[\"send\",3000,true]").await;
        // The second byte is the length of what follows; a decoder of its own reads each.
        starts.push(client.hear_raw().await.0);
    }
    assert_eq!(starts[0][0] & RSV1, RSV1);
    assert!(starts.iter().all(|start| *start == starts[0]), "{starts:?}");
}

#[tokio::test]
async fn the_clients_files_are_served_beside_the_sessions() {
    let dir = std::env::temp_dir().join(format!("trunkline-answers-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("socket.io.esm.min.js"), "export {};").unwrap();
    let (io, address) = listening(Server::builder().client_dir(&dir)).await;
    let file = get(address, "/socket.io/socket.io.esm.min.js", &[]).await;
    assert_eq!((file.status, &*file.text()), (200, "export {};"));
    let etag = format!("if-none-match: {}", file.header("etag").unwrap());
    assert_eq!(get(address, "/socket.io/socket.io.esm.min.js", &[&etag]).await.status, 304);
    assert_eq!(get(address, "/socket.io/socket.io.js", &[]).await.status, 404);
    assert_eq!(get(address, "/socket.io/other.js", &[]).await.status, 400);
    let client = Client::dial(address).await.unwrap();
    client.connect("/", json!({})).await.unwrap();
    io.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}
