//! The end of a server, and the options about how sessions begin. Serving under other HTTP servers is the part of
//! `serving`.

use std::sync::{Arc, Mutex};

use serde_json::json;
use trunkline::testing::{Client, ClientError};
use trunkline::{Cookie, DisconnectReason, EmitError, Message, Server, Socket};

use crate::support::{join, listen, seen, server, server_of};

#[tokio::test]
async fn closing_ends_every_socket_as_server_shutting_down() {
    let io = server_of(2).await;
    let (told, mut reasons) = seen();
    for ns in ["/", "/other"] {
        let told = told.clone();
        io.of(ns).on_disconnect(move |reason: DisconnectReason| {
            let _ = told.send(reason);
            async {}
        });
    }
    let (client, mut socket) = join(&io).await;
    let _other = client.connect("/other", json!({})).await.unwrap();
    let (second, _second_socket) = join(&io).await;

    io.close().await;

    assert_eq!(reasons.rest(), [DisconnectReason::ServerShuttingDown; 3]);
    assert_eq!(socket.next_event().await.unwrap_err(), ClientError::Ended);
    client.ended().await.unwrap();
    second.ended().await.unwrap();
    assert_eq!(io.connections(), 0);
}

#[tokio::test]
async fn closing_twice_is_no_error() {
    let io = server().await;
    let (_client, _socket) = join(&io).await;
    tokio::join!(io.close(), io.close());
    io.close().await;
}

/// The second call returned at once, and who ended the process then cut the first one short.
#[tokio::test]
async fn whoever_closes_again_waits_for_the_same_end() {
    let io = server().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = gate.clone();
    let (told, mut saw) = seen();
    io.on_disconnect(move || {
        let (gate, told) = (opened.clone(), told.clone());
        async move {
            let _ = told.send("begins");
            gate.acquire().await.unwrap().forget();
            let _ = told.send("ends");
        }
    });
    let (_client, _socket) = join(&io).await;
    let (first, closing) = (io.clone(), io.clone());
    let first = tokio::spawn(async move { first.close().await });
    assert_eq!(saw.next().await, "begins");
    let mut second = Box::pin(closing.close());
    tokio::select! {
        biased;
        () = &mut second => panic!("a handler still runs"),
        () = std::future::ready(()) => gate.add_permits(1),
    }
    second.await;
    assert_eq!(saw.rest(), ["ends"]);
    first.await.unwrap();
}

#[tokio::test]
async fn closing_ends_the_threads_and_lets_go_of_handlers_that_hold_the_server() {
    let io = server_of(3).await;
    let held = Arc::new(());
    let (weak, own) = (Arc::downgrade(&held), io.clone());
    io.on("event", move || {
        let (_held, _own) = (held.clone(), own.clone());
        async {}
    });
    let (told, mut threads) = seen();
    for _ in 0..3 {
        let told = told.clone();
        io.on_connect(move |socket: Socket| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            assert!(name.starts_with("trunkline-"), "a handler ran on {name}");
            let _ = told.send(socket.id().clone());
            async {}
        });
    }
    let (_client, _socket) = join(&io).await;
    threads.take(3).await;
    io.close().await;
    assert!(weak.upgrade().is_none(), "a handler is still held");
}

#[tokio::test]
async fn after_closing_emits_say_so_and_requests_are_refused() {
    let io = server().await;
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let (_client, _socket) = join(&io).await;
    let socket = sockets.next().await;
    io.close().await;
    assert!(matches!(io.emit("event", ()).await, Err(EmitError::Append(_) | EmitError::Closed)));
    assert!(matches!(socket.emit("event", ()).await, Err(EmitError::Append(_) | EmitError::Closed)));
    assert!(io.fetch_sockets().await.is_empty());
    socket.join("room").await;
    assert!(!socket.is_connected());
    assert!(Client::open(&io).await.is_err() || join_fails(&io).await);
}

async fn join_fails(io: &Server) -> bool {
    let Ok(client) = Client::open(io).await else { return true };
    client.connect("/", json!({})).await.is_err()
}

#[tokio::test]
async fn handlers_of_the_end_run_to_their_end_before_close_returns() {
    let io = server().await;
    let (told, mut ended) = seen();
    io.on_disconnect(move |socket: Socket| {
        let told = told.clone();
        async move {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            let _ = told.send(socket.is_connected());
        }
    });
    let (_client, _socket) = join(&io).await;
    io.close().await;
    assert_eq!(ended.rest(), [false]);
}

#[tokio::test]
async fn session_ids_may_be_made_by_the_application_also_asynchronously() {
    let number = Arc::new(Mutex::new(0));
    let io = Server::builder()
        .shards(3)
        .generate_id(move |parts| {
            let query = parts.uri.query().unwrap_or_default().len();
            let number = number.clone();
            async move {
                tokio::task::yield_now().await;
                let mut number = number.lock().unwrap();
                *number += 1;
                Ok(format!("own-id-{number}-{query}"))
            }
        })
        .build()
        .await
        .unwrap();
    io.on("id", |socket: Socket| async move { socket.session_id().to_owned() });
    for number in 1..=4 {
        let (_client, socket) = join(&io).await;
        let id: String = socket.emit_with_ack("id", ()).await.unwrap();
        assert!(id.starts_with(&format!("own-id-{number}-")), "{id}");
        let itself = io.to(socket.id()).fetch_sockets().await;
        assert_eq!(itself.len(), 1, "a socket is found by its id");
    }
}

#[tokio::test]
async fn an_id_generator_that_fails_refuses_with_400() {
    let io = Server::builder().shards(1).generate_id(|_| async { Err("no id".to_owned()) }).build().await.unwrap();
    let Err(ClientError::NoWebSocket(head)) = Client::open(&io).await else { panic!("opened") };
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[tokio::test]
async fn requests_are_allowed_or_refused_by_a_hook_with_its_words() {
    let (told, mut errors) = seen();
    let io = Server::builder()
        .shards(1)
        .allow_request(|parts| {
            let allowed = parts.headers.get("x-key").is_some_and(|key| key == "right");
            async move { if allowed { Ok(()) } else { Err(Some("wrong key".to_owned())) } }
        })
        .on_connection_error(move |error| {
            let _ = told.send(format!("{error:?}"));
        })
        .build()
        .await
        .unwrap();
    let Err(ClientError::NoWebSocket(head)) = Client::open(&io).await else { panic!("opened") };
    assert!(head.starts_with("HTTP/1.1 40"), "{head}");
    assert!(errors.next().await.contains("wrong key"));
    let client = Client::opening().header("x-key", "right").open(&io).await.unwrap();
    client.connect("/", json!({})).await.unwrap();
}

#[tokio::test]
async fn the_handshake_is_known_to_handlers() {
    let io = server().await;
    let address = listen(&io).await;
    io.on("handshake", |socket: Socket| async move {
        let handshake = socket.handshake();
        (
            handshake.query("room").map(str::to_owned),
            handshake.header("x-own").map(str::to_owned),
            handshake.address().is_some_and(|address| address.ip().is_loopback()),
            (handshake.secure(), handshake.xdomain(), socket.transport(), socket.protocol()),
        )
    });
    let client = Client::opening().query("room", "a%20b").header("x-own", "7").dial(address).await.unwrap();
    let socket = client.connect("/", json!({})).await.unwrap();
    type Told = (Option<String>, Option<String>, bool, (bool, bool, String, u8));
    let told: Told = socket.emit_with_ack("handshake", ()).await.unwrap();
    let expected = (Some("a b".into()), Some("7".into()), true, (false, false, "websocket".into(), 4));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn headers_hooks_and_the_cookie_are_on_the_answers() {
    let io = Server::builder()
        .shards(1)
        .cookie(Cookie::default())
        .initial_packet(Message::Text("hello".into()))
        .initial_headers(|headers, _| drop(headers.insert("x-first", "1".parse().unwrap())))
        .headers(|headers, _| drop(headers.insert("x-every", "2".parse().unwrap())))
        .build()
        .await
        .unwrap();
    let address = listen(&io).await;
    let open = crate::peer::request(address, "GET", "/socket.io/?EIO=4&transport=polling", &[], "").await;
    assert_eq!((open.header("x-first"), open.header("x-every")), (Some("1"), Some("2")));
    let body = open.text();
    let (packet, initial) = body.split_once('\u{1e}').unwrap();
    assert_eq!(initial, "4hello");
    let packet: serde_json::Value = serde_json::from_str(&packet[1..]).unwrap();
    let sid = packet["sid"].as_str().unwrap();
    assert_eq!(open.header("set-cookie"), Some(&*format!("io={sid}; Path=/; HttpOnly; SameSite=Lax")));

    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = crate::peer::request(address, "POST", &path, &[], "40").await;
    assert_eq!((post.status, &*post.text()), (200, "ok"));
    assert_eq!((post.header("x-first"), post.header("x-every"), post.header("set-cookie")), (None, Some("2"), None));
}

#[tokio::test]
async fn what_cannot_be_built_says_why_in_one_sentence() {
    for (builder, word) in [
        (Server::builder().shards(0), "shards"),
        (Server::builder().shards(65), "shards"),
        (Server::builder().transports(&["carrier pigeon"]), "carrier pigeon"),
        (Server::builder().transports(&[]), "polling"),
    ] {
        let why = builder.build().await.unwrap_err().to_string();
        assert!(why.contains(word), "{why}");
    }
}

/// The answer to a CONNECT waited for the wire, then for entries emitted meanwhile, and then nobody thought of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_connect_while_others_emit_are_answered() {
    let io = server_of(2).await;
    let address = listen(&io).await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let busy = io.clone();
    let emitting = tokio::spawn(async move {
        while stopped.try_recv().is_err() {
            // To nobody: what comes to the client would take the answer along.
            busy.to("nobody").emit("event", ()).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..300 {
        let client = Client::dial(address).await.unwrap();
        client.connect("/", json!({})).await.unwrap();
    }
    stop.send(()).unwrap();
    emitting.await.unwrap();
}
