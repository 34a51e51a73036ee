//! How the server ends a session: over polling with and without a waiting GET, in the middle of a payload, during an
//! upgrade; and what becomes of packets that still waited. The end of a whole server is the part of `lifecycle`.

use std::net::SocketAddr;

use serde_json::json;
use trunkline::{DisconnectReason, EngineEvent, EngineSocket, Message, Server, Socket};

use crate::peer::{Polling, WEBSOCKET, WebSocket, get};
use crate::support::{Seen, barrier, join, listen, seen, server};

/// A server of Engine.IO alone that ends a session which says `close`, and what its sessions did.
async fn closing_on_demand() -> (Server, SocketAddr, Seen<(EngineSocket, String)>) {
    let (tell, told) = seen();
    let io = Server::builder()
        .shards(1)
        .engine(move |socket, event| {
            let line = match event {
                EngineEvent::Message(Message::Text(text)) => {
                    if &*text == "close" {
                        socket.close();
                    }
                    text.to_string()
                }
                EngineEvent::Open => "open".to_owned(),
                EngineEvent::Close(reason) => reason.to_string(),
                _ => return,
            };
            let _ = tell.send((socket.clone(), line));
        })
        .build()
        .await
        .unwrap();
    let address = listen(&io).await;
    (io, address, told)
}

async fn expect(told: &mut Seen<(EngineSocket, String)>, lines: &[&str]) -> EngineSocket {
    let told = told.take(lines.len()).await;
    assert_eq!(told.iter().map(|(_, line)| &**line).collect::<Vec<_>>(), lines);
    told.last().unwrap().0.clone()
}

async fn is_gone(session: &Polling) {
    let answer = session.get(&[]).await;
    assert_eq!((answer.status, &*answer.text()), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
}

#[tokio::test]
async fn a_waiting_poll_is_answered_with_the_close_packet() {
    let (_io, address, mut told) = closing_on_demand().await;
    let session = Polling::open(address).await;
    let waiting = session.begin_poll();
    session.post("4close").await;
    // Whether the GET was there before the POST or came behind it, it gets the same.
    assert_eq!(waiting.await.unwrap().text(), "1");
    expect(&mut told, &["open", "close", "forced server close"]).await;
    is_gone(&session).await;
}

#[tokio::test]
async fn a_session_that_nobody_polls_is_closed_at_the_next_poll() {
    let (io, address, mut told) = closing_on_demand().await;
    let session = Polling::open(address).await;
    session.post("4close").await;
    expect(&mut told, &["open", "close"]).await;
    assert_eq!(io.connections(), 1);
    assert_eq!(session.poll().await, "1");
    expect(&mut told, &["forced server close"]).await;
    is_gone(&session).await;
}

#[tokio::test]
async fn packets_of_a_payload_behind_the_close_are_not_handled() {
    let (_io, address, mut told) = closing_on_demand().await;
    let session = Polling::open(address).await;
    session.post("4one\u{1e}4close\u{1e}4two\u{1e}4three").await;
    session.post("4four").await;
    assert_eq!(session.poll().await, "1");
    expect(&mut told, &["open", "one", "close", "forced server close"]).await;

    let mut websocket = WebSocket::dial(address, WEBSOCKET).await;
    for text in ["4one", "4close", "4two"] {
        websocket.say(text).await;
    }
    websocket.hear().await;
    websocket.gone().await;
    expect(&mut told, &["open", "one", "close", "forced server close"]).await;
}

/// The same for Socket.IO: a namespace cannot be joined behind the end of its connection.
#[tokio::test]
async fn after_disconnect_with_close_nothing_of_the_payload_is_handled() {
    let io = server().await;
    let (tell, mut told) = seen();
    for ns in ["/", "/other"] {
        let (connected, event) = (tell.clone(), tell.clone());
        io.of(ns).on_connect(move |_: Socket| {
            let _ = connected.send(format!("connect {ns}"));
            async {}
        });
        io.of(ns).on("event", move || {
            let _ = event.send(format!("event {ns}"));
            async {}
        });
    }
    io.on("close", |socket: Socket| async move { socket.disconnect(true) });
    let address = listen(&io).await;
    let session = Polling::joined(address).await;
    session.post("42[\"close\"]").await;
    session.post("42[\"event\"]\u{1e}40/other,\u{1e}42/other,[\"event\"]").await;
    assert_eq!(session.poll().await, "41");
    assert_eq!(session.poll().await, "1");
    assert_eq!(told.rest(), ["connect /"]);
    assert_eq!(io.of("/other").fetch_sockets().await.len(), 0);
}

#[tokio::test]
async fn a_close_during_an_upgrade_closes_the_upgrade_socket_too() {
    let (_io, address, mut told) = closing_on_demand().await;
    // The client polls on: the poll says it.
    let session = Polling::open(address).await;
    let mut upgrade = session.upgrade().await;
    upgrade.say("2probe").await;
    assert_eq!(upgrade.hear().await, "3probe");
    let socket = expect(&mut told, &["open"]).await;
    socket.close();
    assert!(["1", "6"].contains(&&*session.poll().await));
    while get(address, &session.path(), &[]).await.status == 200 {}
    upgrade.gone().await;
    expect(&mut told, &["forced server close"]).await;

    // The client finishes its upgrade: the WebSocket says it.
    let session = Polling::open(address).await;
    let mut upgrade = session.upgrade().await;
    upgrade.say("2probe").await;
    assert_eq!(upgrade.hear().await, "3probe");
    expect(&mut told, &["open"]).await.close();
    upgrade.say("5").await;
    upgrade.gone().await;
    expect(&mut told, &["forced server close"]).await;
    is_gone(&session).await;
}

#[tokio::test]
async fn the_end_of_the_server_closes_upgrade_sockets_too() {
    let (io, address, mut told) = closing_on_demand().await;
    let session = Polling::open(address).await;
    let mut upgrade = session.upgrade().await;
    upgrade.say("2probe").await;
    assert_eq!(upgrade.hear().await, "3probe");
    io.close().await;
    upgrade.gone().await;
    expect(&mut told, &["open", "server shutting down"]).await;
    assert_eq!(io.connections(), 0);
}

fn emit_and_leave(io: &Server, close: bool) {
    io.on("leave", move |socket: Socket| async move {
        for number in 0..40 {
            socket.emit("number", number);
        }
        if close {
            socket.disconnect(true);
        }
    });
}

#[tokio::test]
async fn what_was_sent_before_a_graceful_close_still_arrives() {
    let io = server().await;
    emit_and_leave(&io, true);
    let (client, mut socket) = join(&io).await;
    socket.emit("leave", ());
    for number in 0..40 {
        assert_eq!(socket.next_event().await.unwrap().read::<i32>().unwrap(), number);
    }
    assert!(socket.next_event().await.is_err());
    client.ended().await.unwrap();

    let address = listen(&io).await;
    let session = Polling::joined(address).await;
    session.post("42[\"leave\"]").await;
    let mut packets = Vec::new();
    while packets.last().is_none_or(|last| last != "1") {
        packets.extend(session.poll().await.split('\u{1e}').map(str::to_owned));
    }
    let numbers = (0..40).map(|number| format!("42[\"number\",{number}]"));
    assert_eq!(packets, numbers.chain(["41".to_owned(), "1".to_owned()]).collect::<Vec<_>>());
    is_gone(&session).await;
}

#[tokio::test]
async fn what_waited_at_a_forced_close_or_the_end_of_the_server_is_dropped() {
    let io = server().await;
    emit_and_leave(&io, false);
    io.on("barrier", || async {});
    let (tell, mut reasons) = seen();
    io.on_disconnect(move |reason: DisconnectReason| {
        let _ = tell.send(reason);
        async {}
    });
    let address = listen(&io).await;
    let (client, other) = join(&io).await;

    // What is no packet forces the end of who said it.
    let session = Polling::joined(address).await;
    session.post("42[\"leave\"]").await;
    session.post("4nonsense").await;
    assert_eq!(reasons.next().await, DisconnectReason::ForcedClose);
    is_gone(&session).await;
    barrier(&other).await;

    let session = Polling::joined(address).await;
    let held = WebSocket::dial(address, WEBSOCKET).await;
    session.post("42[\"leave\"]").await;
    io.close().await;
    client.ended().await.unwrap();
    assert_eq!(reasons.rest(), [DisconnectReason::ServerShuttingDown; 2]);
    drop(held);
    assert!(client.connect("/", json!({})).await.is_err());
}
