//! What single packets do, written and read by hand: the ends of sessions, upgrades out of step, and how a namespace is
//! joined. The tables of what can be decoded are those of `proto`.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use trunkline::{DisconnectReason, Server, Socket};

use crate::peer::{Polling, WEBSOCKET, WebSocket, request};
use crate::support::{Seen, answer_barriers, join, listen, seen, server};

/// A server that tells why sockets end.
async fn telling() -> (Server, SocketAddr, Seen<DisconnectReason>) {
    let io = server().await;
    answer_barriers(&io);
    let (told, reasons) = seen();
    io.on_disconnect(move |reason: DisconnectReason| {
        let _ = told.send(reason);
        async {}
    });
    let address = listen(&io).await;
    (io, address, reasons)
}

/// A WebSocket that has joined the main namespace.
async fn joined(address: SocketAddr) -> WebSocket<TcpStream> {
    let mut wire = WebSocket::dial(address, WEBSOCKET).await;
    assert!(wire.hear().await.starts_with("0{"));
    wire.say("40").await;
    assert!(wire.hear().await.starts_with("40{"));
    wire
}

async fn lives(wire: &mut WebSocket<TcpStream>) {
    wire.say("421[\"barrier\"]").await;
    assert_eq!(wire.hear().await, "431[]");
}

async fn polls(client: &Polling) {
    client.post("421[\"barrier\"]").await;
    assert_eq!(client.packets().await, ["431[]"]);
}

#[tokio::test]
async fn an_event_without_a_payload_ends_the_connection() {
    let (_io, address, mut reasons) = telling().await;
    for packet in ["42", "42/", "427"] {
        let mut wire = joined(address).await;
        wire.say(packet).await;
        assert_eq!(reasons.next().await, DisconnectReason::ForcedClose, "{packet}");
        Polling::joined(address).await.post(packet).await;
        assert_eq!(reasons.next().await, DisconnectReason::ForcedClose, "{packet}");
    }
}

#[tokio::test]
async fn a_placeholder_that_is_no_whole_number_ends_the_connection() {
    let (_io, address, mut reasons) = telling().await;
    let packet = r#"451-["event",{"_placeholder":true,"num":0.5}]"#;
    let mut wire = joined(address).await;
    wire.say(packet).await;
    assert_eq!(reasons.next().await, DisconnectReason::ForcedClose);
    // With the attachment in the same body.
    Polling::joined(address).await.post(&format!("{packet}\u{1e}bAQ==")).await;
    assert_eq!(reasons.next().await, DisconnectReason::ForcedClose);
}

#[tokio::test]
async fn an_upgrade_packet_without_a_probe_upgrades_nothing() {
    let (io, address, mut reasons) = telling().await;
    io.on("transport", |socket: Socket| async move { socket.transport() });
    let client = Polling::joined(address).await;
    // Within the session it is ignored.
    client.post("5").await;
    polls(&client).await;
    // An upgrade socket that begins with it is closed, and the session lives.
    let mut upgrade = WebSocket::dial(address, &client.path().replace("polling", "websocket")).await;
    upgrade.say("5").await;
    upgrade.ended().await;
    client.post("422[\"transport\"]").await;
    assert_eq!(client.packets().await, ["432[\"polling\"]"]);
    // There is nothing to upgrade to from a WebSocket.
    let mut wire = joined(address).await;
    wire.say("5").await;
    lives(&mut wire).await;
    assert!(reasons.rest().is_empty());
}

#[tokio::test]
async fn the_main_namespace_may_be_named_by_its_slash() {
    let (io, address, _reasons) = telling().await;
    let mut wire = WebSocket::dial(address, WEBSOCKET).await;
    assert!(wire.hear().await.starts_with("0{"));
    wire.say("40/,").await;
    assert!(wire.hear().await.starts_with("40{"));
    lives(&mut wire).await;
    wire.say("42/,2[\"barrier\"]").await;
    assert_eq!(wire.hear().await, "432[]");
    assert_eq!(io.of("").fetch_sockets().await.len(), 1);
}

#[tokio::test]
async fn every_socket_of_a_namespace_has_a_connection_of_its_own_and_is_told_to_each_handler() {
    let io = server().await;
    let (told, mut connected) = seen();
    for handler in ["connection", "connect"] {
        let told = told.clone();
        io.on_connect(move |socket: Socket| {
            let _ = told.send((socket.id().to_string(), socket.session_id().to_owned(), handler));
            async {}
        });
    }
    let mut clients = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let (client, socket) = join(&io).await;
        let [(first, session, one), (second, _, other)] = [connected.next().await, connected.next().await];
        assert_eq!((one, other), ("connection", "connect"));
        assert!(first == socket.id() && second == socket.id());
        sessions.push(session);
        clients.push((client, socket));
    }
    sessions.sort();
    sessions.dedup();
    assert_eq!(sessions.len(), 3);
    assert!(connected.rest().is_empty());
}

/// A middleware may refuse: what it decides, and what follows, cannot go along with the handshake.
#[tokio::test]
async fn the_handshake_the_connect_and_the_first_events_are_packets_of_their_own() {
    let io = Server::builder().shards(1).allow_eio3(true).build().await.unwrap();
    io.middleware(|| async { Ok::<_, String>(()) });
    io.on_connect(|socket: Socket| async move {
        socket.emit("first", ());
    });
    let address = listen(&io).await;
    let client = Polling::open(address).await;
    assert_eq!(client.opening.len(), 1);
    client.post("40").await;
    let mut packets = client.packets().await;
    while packets.len() < 2 {
        packets.extend(client.packets().await);
    }
    assert!(packets[0].starts_with("40{\"sid\""), "{packets:?}");
    assert_eq!(packets[1], "42[\"first\"]");

    // A client of protocol 3, which joins unasked.
    let path = "/socket.io/?EIO=3&transport=polling&b64=1";
    let open = request(address, "GET", path, &[], "").await.text();
    let (length, open) = open.split_once(':').unwrap();
    assert_eq!(open.len(), length.parse::<usize>().unwrap(), "one packet alone: {open}");
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let path = format!("{path}&sid={}", open["sid"].as_str().unwrap());
    let mut packets = String::new();
    while !packets.contains("first") {
        packets.push_str(&request(address, "GET", &path, &[], "").await.text());
    }
    assert_eq!(packets, "2:4011:42[\"first\"]");
}
