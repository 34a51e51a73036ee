//! Rooms of sockets, what is told about them, and acts on many sockets. What is emitted to them is the part of
//! `broadcast`.

use serde_json::json;
use trunkline::testing::{Client, ClientSocket};
use trunkline::{Data, DisconnectReason, RoomEvent, Server, Socket};

use crate::support::{
    Seen, answer_barriers, answer_marks, barrier, events_so_far, join, listen, seen, server, server_of,
};

/// Lets clients join and leave rooms and tell theirs.
fn rooms_by_event(io: &Server) {
    io.on("join", |socket: Socket, Data(rooms): Data<Vec<String>>| async move { socket.join(rooms).await });
    io.on("leave", |socket: Socket, Data(rooms): Data<Vec<String>>| async move { socket.leave(rooms).await });
    io.on("rooms", |socket: Socket| async move {
        let mut rooms: Vec<String> = socket.rooms().await.iter().map(ToString::to_string).collect();
        rooms.sort();
        (rooms,)
    });
}

async fn rooms_of(socket: &ClientSocket) -> Vec<String> {
    let (rooms,) = socket.emit_with_ack("rooms", ()).await.unwrap();
    rooms
}

/// Room events as `what room`, or with the socket's id instead of nothing where one is meant.
fn room_events(io: &Server) -> Seen<(&'static str, String)> {
    let (told, events) = seen();
    io.on_room_event(move |event| {
        let event = match event {
            RoomEvent::Created { room, .. } => ("created", room.to_string()),
            RoomEvent::Joined { room, .. } => ("joined", room.to_string()),
            RoomEvent::Left { room, .. } => ("left", room.to_string()),
            RoomEvent::Deleted { room, .. } => ("deleted", room.to_string()),
            _ => return,
        };
        let _ = told.send(event);
    });
    events
}

fn event(what: &'static str, room: &str) -> (&'static str, String) {
    (what, room.to_owned())
}

#[tokio::test]
async fn a_socket_lists_joins_and_leaves_rooms() {
    let io = server().await;
    rooms_by_event(&io);
    let (_client, socket) = join(&io).await;
    assert!(rooms_of(&socket).await.is_empty());
    socket.emit_with_ack::<()>("join", vec!["a", "b", "a"]).await.unwrap();
    assert_eq!(rooms_of(&socket).await, ["a", "b"]);
    socket.emit_with_ack::<()>("leave", vec!["a", "never joined"]).await.unwrap();
    assert_eq!(rooms_of(&socket).await, ["b"]);
}

#[tokio::test]
async fn rooms_are_created_joined_left_and_deleted_once_each() {
    let io = server().await;
    rooms_by_event(&io);
    let mut events = room_events(&io);
    let (_client, one) = join(&io).await;
    let (_other_client, other) = join(&io).await;

    one.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    one.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    other.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    one.emit_with_ack::<()>("leave", vec!["r"]).await.unwrap();
    one.emit_with_ack::<()>("leave", vec!["r"]).await.unwrap();
    other.emit_with_ack::<()>("leave", vec!["r"]).await.unwrap();

    let expected = ["created", "joined", "joined", "left", "left", "deleted"].map(|what| event(what, "r"));
    assert_eq!(events.take(6).await, expected);
    io.close().await;
    assert!(events.rest().is_empty());
}

/// A socket that ended left its rooms without a word: only leaves that were asked for were told.
#[tokio::test]
async fn a_socket_that_ends_leaves_its_rooms() {
    let io = server().await;
    rooms_by_event(&io);
    let mut events = room_events(&io);
    let (client, one) = join(&io).await;
    one.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    assert_eq!(events.take(2).await, [event("created", "r"), event("joined", "r")]);
    one.disconnect();
    assert_eq!(events.take(2).await, [event("left", "r"), event("deleted", "r")]);

    let again = client.connect("/", json!({})).await.unwrap();
    again.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    assert_eq!(events.take(2).await, [event("created", "r"), event("joined", "r")]);
    drop((client, again));
    assert_eq!(events.take(2).await, [event("left", "r"), event("deleted", "r")]);
}

#[tokio::test]
async fn rooms_of_many_are_told_once_each_as_well() {
    let io = server().await;
    rooms_by_event(&io);
    let (_client, _one) = join(&io).await;
    let (_other_client, _other) = join(&io).await;
    let mut events = room_events(&io);
    io.sockets_join("r").await.unwrap();
    io.sockets_join("r").await.unwrap();
    io.sockets_leave("r").await.unwrap();
    let expected = ["created", "joined", "joined", "left", "left", "deleted"].map(|what| event(what, "r"));
    assert_eq!(events.take(6).await, expected);
    io.close().await;
    assert!(events.rest().is_empty());
}

#[tokio::test]
async fn nobody_joins_a_room_after_its_end() {
    let io = server().await;
    let (told, mut sockets) = seen();
    io.on_disconnect(move |socket: Socket| {
        let told = told.clone();
        async move {
            socket.join("late").await;
            let _ = told.send(socket);
        }
    });
    let (_client, client_socket) = join(&io).await;
    client_socket.disconnect();
    let socket = sockets.next().await;
    socket.join("later").await;
    assert!(socket.rooms().await.is_empty());
    assert!(!socket.is_connected());
    assert!(io.to(["late", "later"]).fetch_sockets().await.is_empty());
}

#[tokio::test]
async fn disconnecting_sees_the_rooms_and_disconnect_does_not() {
    let io = server().await;
    rooms_by_event(&io);
    let (told, mut saw) = seen();
    let after = told.clone();
    io.on_disconnecting(move |socket: Socket, reason: DisconnectReason| {
        let told = told.clone();
        async move { told.send(("disconnecting", reason, socket.rooms().await.len())).unwrap() }
    });
    io.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        let told = after.clone();
        async move { told.send(("disconnect", reason, socket.rooms().await.len())).unwrap() }
    });
    let (_client, socket) = join(&io).await;
    socket.emit_with_ack::<()>("join", vec!["a", "b"]).await.unwrap();
    socket.disconnect();
    let reason = DisconnectReason::ClientNamespaceDisconnect;
    assert_eq!(saw.take(2).await, [("disconnecting", reason, 2), ("disconnect", reason, 0)]);
}

/// Disconnecting by an entry took the rooms away before anybody could ask for them.
#[tokio::test]
async fn disconnecting_sees_the_rooms_of_a_socket_that_an_entry_ends() {
    let io = server().await;
    rooms_by_event(&io);
    let mut events = room_events(&io);
    let (told, mut saw) = seen();
    io.on_disconnecting(move |socket: Socket, reason: DisconnectReason| {
        let told = told.clone();
        async move { told.send((reason, socket.rooms().await.len())).unwrap() }
    });
    let (_client, socket) = join(&io).await;
    socket.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    io.in_("r").disconnect_sockets(false).await.unwrap();
    assert_eq!(saw.next().await, (DisconnectReason::ServerNamespaceDisconnect, 1));
    let expected = ["created", "joined", "left", "deleted"].map(|what| event(what, "r"));
    assert_eq!(events.take(4).await, expected);
}

#[tokio::test]
async fn a_socket_may_be_made_to_join_from_any_thread() {
    let io = server_of(2).await;
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let (_client, mut client_socket) = join(&io).await;
    let socket = sockets.next().await;
    socket.join(["x", "y"]).await;
    let mut rooms: Vec<_> = socket.rooms().await.iter().map(ToString::to_string).collect();
    rooms.sort();
    assert_eq!(rooms, ["x", "y"]);
    io.to("x").emit("event", ()).await.unwrap();
    assert_eq!(client_socket.next_event().await.unwrap().name(), "event");
    socket.leave("x").await;
    assert_eq!(socket.rooms().await.len(), 1);
}

#[tokio::test]
async fn sockets_join_takes_its_place_before_the_next_emit() {
    let io = server_of(4).await;
    rooms_by_event(&io);
    let mut clients = Vec::new();
    for _ in 0..8 {
        let (client, socket) = join(&io).await;
        socket.emit_with_ack::<()>("join", vec!["a"]).await.unwrap();
        clients.push((client, socket));
    }
    for round in 0..50_u32 {
        let room = format!("b{round}");
        io.in_("a").sockets_join(&room);
        io.to(&room).emit("event", round);
        io.in_("a").sockets_leave(&room);
        io.to(&room).emit("never", round);
    }
    for (_client, socket) in &mut clients {
        for round in 0..50_u32 {
            let event = socket.next_event().await.unwrap();
            assert_eq!((event.name(), event.read::<u32>().unwrap()), ("event", round));
        }
    }
}

#[tokio::test]
async fn fetch_sockets_in_a_handler_sees_what_the_handler_did_before() {
    let io = server_of(2).await;
    let handle = io.clone();
    io.on("count", move |socket: Socket| {
        let io = handle.clone();
        async move {
            socket.join("mine").await;
            io.in_("mine").sockets_join("theirs");
            let found = io.in_("theirs").fetch_sockets().await;
            io.in_("theirs").sockets_leave("theirs");
            (found.len(), io.in_("theirs").fetch_sockets().await.len())
        }
    });
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<(usize, usize)>("count", ()).await.unwrap(), (1, 0));
}

#[tokio::test]
async fn fetch_sockets_gives_ids_rooms_data_and_handshakes_of_those_addressed() {
    let io = server_of(2).await;
    rooms_by_event(&io);
    io.on("data", |socket: Socket, Data(n): Data<u32>| async move { socket.set_data("n", n).unwrap() });
    let (_a_client, a) = join(&io).await;
    let (_b_client, b) = join(&io).await;
    let (_c_client, c) = join(&io).await;
    a.emit_with_ack::<()>("join", vec!["r", "s"]).await.unwrap();
    b.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    a.emit_with_ack::<()>("data", 5).await.unwrap();

    let ids = |found: Vec<trunkline::RemoteSocket>| {
        let mut ids: Vec<_> = found.iter().map(|socket| socket.id().to_string()).collect();
        ids.sort();
        ids
    };
    let sorted = |mut ids: Vec<&str>| {
        ids.sort_unstable();
        ids.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ids(io.fetch_sockets().await), sorted(vec![a.id(), b.id(), c.id()]));
    assert_eq!(ids(io.to("r").fetch_sockets().await), sorted(vec![a.id(), b.id()]));
    assert_eq!(ids(io.except("s").fetch_sockets().await), sorted(vec![b.id(), c.id()]));
    assert_eq!(ids(io.to(c.id()).fetch_sockets().await), [c.id()]);
    let found = io.to("s").fetch_sockets().await;
    assert_eq!(found[0].data(), &json!({ "n": 5 }));
    assert_eq!(found[0].rooms().len(), 2);
    assert_eq!(found[0].handshake().query("EIO"), Some("4"));
}

#[tokio::test]
async fn disconnect_sockets_takes_its_place_among_the_events() {
    let io = server_of(2).await;
    rooms_by_event(&io);
    answer_marks(&io);
    let (_a_client, mut a) = join(&io).await;
    let (_b_client, mut b) = join(&io).await;
    a.emit_with_ack::<()>("join", vec!["r"]).await.unwrap();
    io.emit("before", ());
    io.in_("r").disconnect_sockets(false);
    io.emit("after", ());
    assert_eq!(a.next_event().await.unwrap().name(), "before");
    assert!(a.next_event().await.is_err());
    assert_eq!(b.next_event().await.unwrap().name(), "before");
    assert_eq!(events_so_far(&mut b).await, ["after"]);
}

#[tokio::test]
async fn disconnect_sockets_with_close_ends_their_connections() {
    let io = server_of(2).await;
    for over_tcp in [false, true] {
        let client = match over_tcp {
            true => Client::dial(listen(&io).await).await.unwrap(),
            false => Client::open(&io).await.unwrap(),
        };
        let socket = client.connect("/", json!({})).await.unwrap();
        io.in_(socket.id()).disconnect_sockets(true).await.unwrap();
        client.ended().await.unwrap();
    }
}

#[tokio::test]
async fn disconnect_with_close_ends_every_namespace_and_the_connection() {
    let io = server().await;
    let (told, mut reasons) = seen();
    for ns in ["/", "/other"] {
        let told = told.clone();
        io.of(ns).on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            let _ = told.send((socket.namespace_name().to_string(), reason));
            async {}
        });
    }
    io.on("close", |socket: Socket| async move {
        socket.emit("last", ());
        socket.disconnect(true);
    });
    let (client, mut socket) = join(&io).await;
    let _other = client.connect("/other", json!({})).await.unwrap();
    socket.emit("close", ());
    assert_eq!(socket.next_event().await.unwrap().name(), "last");
    client.ended().await.unwrap();
    let mut ends = reasons.take(2).await;
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    let reason = DisconnectReason::ServerNamespaceDisconnect;
    assert_eq!(ends, [("/".to_owned(), reason), ("/other".to_owned(), reason)]);
}

#[tokio::test]
async fn a_socket_made_to_leave_its_namespace_leaves_the_others_alone() {
    let io = server().await;
    io.on("leave", |socket: Socket| async move { socket.disconnect(false) });
    answer_barriers(&io.of("/other"));
    let (client, mut socket) = join(&io).await;
    let other = client.connect("/other", json!({})).await.unwrap();
    socket.emit("leave", ());
    assert!(socket.next_event().await.is_err());
    // What is still under way is ignored.
    socket.emit("leave", ());
    barrier(&other).await;
}

#[tokio::test]
async fn a_remote_socket_can_be_acted_on() {
    let io = server_of(2).await;
    rooms_by_event(&io);
    let (_client, mut socket) = join(&io).await;
    let remote = io.to(socket.id()).fetch_sockets().await.remove(0);
    remote.join("r").await.unwrap();
    remote.emit("event", 1).await.unwrap();
    assert_eq!(socket.next_event().await.unwrap().name(), "event");
    assert_eq!(rooms_of(&socket).await, ["r"]);
    remote.leave("r");
    remote.emit("left", ());
    assert_eq!(socket.next_event().await.unwrap().name(), "left");
    assert!(rooms_of(&socket).await.is_empty());
    remote.disconnect(false).await.unwrap();
    assert!(socket.next_event().await.is_err());
}
