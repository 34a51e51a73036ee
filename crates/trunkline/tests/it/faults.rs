//! Faults beside the wire's: peers that reset, listeners and shards that panic, members that go while they are asked.
//! What handlers do wrong is tested in `dispatch`.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trunkline::testing::{Client, break_shard};
use trunkline::{AckError, NotFound, RoomEvent, Server, Socket};

use crate::support::{barrier, join, listen, seen, server, server_of};

/// The write that meets the reset must not leave the connection where nobody closes it.
#[tokio::test]
async fn a_peer_that_reset_is_found_out_by_the_next_broadcast() {
    let io = server().await;
    let (tell, mut told) = seen();
    io.on_connect(|socket: Socket| async move {
        socket.emit("hello", ());
    });
    io.on_disconnect(move |reason: trunkline::DisconnectReason| {
        let tell = tell.clone();
        async move { tell.send(reason.to_string()).unwrap() }
    });
    let address = listen(&io).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\n\
                upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // "40", masked with zeros.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).await.unwrap();
    let mut got = Vec::new();
    while !got.windows(7).any(|part| part == b"\"hello\"") {
        assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0);
    }
    // Resets instead of closing.
    stream.set_zero_linger().unwrap();
    drop(stream);
    io.emit("event", ()).await.unwrap();
    let reason = told.next().await;
    assert!(reason.starts_with("transport"), "{reason}");
    while io.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_listener_that_panics_ends_its_call_alone() {
    let io = server().await;
    let (tell, mut told) = seen();
    io.on_room_event(|_: &RoomEvent| panic!("a listener of the application"));
    io.on_room_event(move |event: &RoomEvent| drop(tell.send(event.clone())));
    io.on_new_namespace(|_| panic!("a listener of the application"));
    io.of("/new").on("x", || async {});
    io.on("join", |socket: Socket| async move { socket.join("r").await });
    let (_client, socket) = join(&io).await;
    socket.emit_with_ack::<()>("join", ()).await.unwrap();
    assert!(matches!(told.next().await, RoomEvent::Created { .. }));
    assert!(matches!(told.next().await, RoomEvent::Joined { .. }));
}

#[tokio::test]
async fn who_leaves_while_asked_is_missing_from_the_answers() {
    let io = server_of(2).await;
    let (_one, mut stays) = join(&io).await;
    let (two, mut goes) = join(&io).await;
    let asking = io.emit_with_ack::<u32>("question", ());
    let (answers, ()) = tokio::join!(asking, async {
        stays.next_event().await.unwrap().answer(1);
        goes.next_event().await.unwrap();
        drop((goes, two));
    });
    let Err(AckError::Left(answers)) = answers else { panic!("nobody is missing: {answers:?}") };
    assert_eq!(answers.iter().map(|args| args.get::<u32>(0).unwrap()).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_shard_that_panics_ends_the_server_and_not_in_silence() {
    let io = server_of(2).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener, NotFound).await }
    });
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let client = Client::dial(address).await.unwrap();
        let socket = client.connect("/", json!({})).await.unwrap();
        sockets.push((client, socket));
    }
    break_shard(&io, 1);
    let ended = serving.await.unwrap();
    assert!(ended.is_err_and(|error| error.to_string().contains("panicked")));
    for (_client, mut socket) in sockets {
        socket.next_event().await.unwrap_err();
    }
    io.emit("event", ()).await.unwrap_err();
    io.close().await;
}

#[tokio::test]
async fn closing_does_not_wait_for_a_handler_for_ever() {
    let io = Server::builder().shards(1).close_timeout(Duration::from_millis(50)).build().await.unwrap();
    let (tell, mut told) = seen();
    io.on("hang", move || {
        let tell = tell.clone();
        async move {
            tell.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    });
    io.on("barrier", || async {});
    let (_client, socket) = join(&io).await;
    barrier(&socket).await;
    socket.emit("hang", ());
    told.next().await;
    io.close().await;
    assert_eq!(io.connections(), 0);
}
