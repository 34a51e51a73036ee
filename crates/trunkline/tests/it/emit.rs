//! What an emit returns, where it may be called, and what of the past can be read. Whom it reaches is the part of
//! `broadcast`.

use std::time::Duration;

use serde_json::Value;
use trunkline::{AckError, Args, Data, EmitError, MemoryLimits, Position, Server, Socket};

use crate::support::{answer_barriers, barrier, join, seen, server, server_of};

#[tokio::test]
async fn a_commit_resolves_to_a_position_and_those_of_one_task_grow() {
    let io = server_of(2).await;
    let commits: Vec<_> = (0..20).map(|number| io.emit("event", number)).collect();
    let mut last = Position::ZERO;
    for commit in commits {
        let position = commit.await.unwrap();
        assert!(position > last);
        last = position;
    }
}

#[tokio::test]
async fn commits_of_a_handler_grow_too_and_the_ack_follows_the_events() {
    let io = server_of(2).await;
    io.on("go", |socket: Socket| async move {
        let commits: Vec<_> = (0..5).map(|number| socket.emit("event", number)).collect();
        let everybody = socket.namespace().emit("everybody", ());
        let mut positions = Vec::new();
        for commit in commits {
            positions.push(commit.await?);
        }
        positions.push(everybody.await?);
        Ok::<_, trunkline::Error>(positions.is_sorted_by(|a, b| a < b))
    });
    io.on("fire", |socket: Socket| async move {
        socket.emit("before the ack", ());
    });
    let (_client, mut socket) = join(&io).await;
    assert!(socket.emit_with_ack::<bool>("go", ()).await.unwrap());
    for number in 0..5 {
        assert_eq!(socket.next_event().await.unwrap().read::<u32>().unwrap(), number);
    }
    assert_eq!(socket.next_event().await.unwrap().name(), "everybody");
    socket.emit_with_ack::<()>("fire", ()).await.unwrap();
    assert_eq!(socket.next_event().await.unwrap().name(), "before the ack");
}

#[tokio::test]
async fn reserved_names_are_refused_and_nothing_is_sent() {
    let io = server().await;
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    answer_barriers(&io);
    let (_client, mut client_socket) = join(&io).await;
    let socket = sockets.next().await;
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        let refused = EmitError::ReservedEvent(name.into());
        assert_eq!(io.emit(name, ()).await, Err(refused.clone()));
        assert_eq!(socket.emit(name, ()).await, Err(refused.clone()));
        assert_eq!(io.to("x").emit_with_ack::<Value>(name, ()).await, Err(AckError::Emit(refused.clone())));
        assert_eq!(socket.emit_with_ack::<Value>(name, ()).await, Err(AckError::Emit(refused)));
    }
    barrier(&client_socket).await;
    io.emit("last", ());
    assert_eq!(client_socket.next_event().await.unwrap().name(), "last");
}

#[tokio::test]
async fn a_value_that_is_no_json_is_refused() {
    let io = server().await;
    let map = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(matches!(io.emit("event", map).await, Err(EmitError::Serialize(_))));
}

#[tokio::test]
async fn emits_may_come_from_any_thread_and_keep_the_order_of_each() {
    const EACH: u32 = 200;
    let io = server_of(2).await;
    let (_client, mut socket) = join(&io).await;
    let threads: Vec<_> = (0..4_u32)
        .map(|thread| {
            let io = io.clone();
            std::thread::spawn(move || (0..EACH).for_each(|number| drop(io.emit("event", (thread, number)))))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let mut next = [0; 4];
    for _ in 0..4 * EACH {
        let (thread, number): (usize, u32) = socket.next_event().await.unwrap().read().unwrap();
        assert_eq!(number, next[thread]);
        next[thread] += 1;
    }
}

#[tokio::test]
async fn a_socket_may_be_kept_and_used_from_anywhere() {
    let io = server().await;
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let (client, mut client_socket) = join(&io).await;
    let socket = sockets.next().await;
    assert!(socket.is_connected());
    socket.emit("a", 1);
    socket.send("b");
    socket.compress(false).emit("c", ());
    socket.volatile().emit("d", ());
    for name in ["a", "message", "c", "d"] {
        assert_eq!(client_socket.next_event().await.unwrap().name(), name);
    }
    let patient = socket.timeout(Duration::from_secs(5));
    let (answer, ()) = tokio::join!(patient.emit_with_ack::<(u8, u8)>("ask", ()), async {
        client_socket.next_event().await.unwrap().answer((1, 2));
    });
    assert_eq!(answer, Ok((1, 2)));
    drop((client, client_socket));
    let gone = socket.emit_with_ack::<Value>("ask", ()).await;
    assert_eq!(gone, Err(AckError::Disconnected));
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_timeout_and_ignored_when_it_comes() {
    let io = server().await;
    io.on("go", |socket: Socket| async move {
        let first = socket.timeout(Duration::from_millis(20)).emit_with_ack::<u32>("first", ()).await;
        let second = socket.emit_with_ack::<u32>("second", ()).await;
        (matches!(first, Err(AckError::Timeout(_))), second.ok())
    });
    let (_client, mut socket) = join(&io).await;
    let outcome = socket.emit_with_ack::<(bool, Option<u32>)>("go", ());
    let first = socket.next_event().await.unwrap();
    let second = socket.next_event().await.unwrap();
    first.answer(1);
    second.answer(2);
    assert_eq!(outcome.await.unwrap(), (true, Some(2)));
}

#[tokio::test]
async fn an_answer_of_another_type_says_so() {
    let io = server().await;
    io.on("go", |socket: Socket| async move {
        matches!(socket.emit_with_ack::<u32>("ask", ()).await, Err(AckError::Decode(_)))
    });
    let (_client, mut socket) = join(&io).await;
    let outcome = socket.emit_with_ack::<bool>("go", ());
    socket.next_event().await.unwrap().answer("no number");
    assert!(outcome.await.unwrap());
}

#[tokio::test]
async fn history_gives_the_newest_events_of_a_room_oldest_first() {
    let io = server_of(2).await;
    io.emit("other", ());
    let mut positions = Vec::new();
    for number in 0..10 {
        positions.push(io.to("room").emit("event", number).await.unwrap());
        io.to("another").emit("other", number);
    }
    io.volatile().to("room").emit("volatile", ());

    let numbers = |events: Vec<trunkline::PastEvent>| {
        events.iter().map(|event| event.args.get::<u32>(0).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(io.history("room").await.unwrap()), (0..10).collect::<Vec<_>>());
    assert_eq!(numbers(io.history("room").limit(3).await.unwrap()), [7, 8, 9]);
    let after = io.history("room").after(positions[6]).await.unwrap();
    assert_eq!(after.iter().map(|event| event.position).collect::<Vec<_>>(), positions[7..]);
    assert!(io.history("nothing").await.unwrap().is_empty());
    assert!(io.of("/chat").history("room").await.unwrap().is_empty());
}

#[tokio::test]
async fn history_reaches_as_far_as_the_ring() {
    let limits = MemoryLimits { entries: 4, ..MemoryLimits::default() };
    let io = Server::builder().shards(1).memory(limits).build().await.unwrap();
    for number in 0..10_u32 {
        io.to("room").emit("event", number).await.unwrap();
    }
    let events = io.history("room").await.unwrap();
    assert_eq!(events.len(), 4);
    assert_eq!(events[3].args.get::<u32>(0).unwrap(), 9);
}

#[tokio::test]
async fn arguments_may_be_passed_on_as_they_came() {
    let io = server().await;
    io.on("relay", |socket: Socket, args: Args| async move { drop(socket.emit_args("relayed", args)) });
    io.on("first", |socket: Socket, Data(value): Data<Value>| async move { drop(socket.emit("one", value)) });
    let (_client, mut socket) = join(&io).await;
    socket.emit("relay", (1, "x", [1.5], trunkline::Bytes::from_static(b"b")));
    let (one, x, list, bytes): (u8, String, Vec<f64>, trunkline::Bytes) =
        socket.next_event().await.unwrap().read().unwrap();
    assert_eq!((one, &*x, &list[..], &bytes[..]), (1, "x", &[1.5][..], &b"b"[..]));
    socket.emit("first", [1, 2]);
    assert_eq!(socket.next_event().await.unwrap().args().len(), 1);
}

#[tokio::test]
async fn send_is_a_message_event_in_both_directions() {
    let io = server_of(2).await;
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    io.on("message", |Data(text): Data<String>| async move { text });
    let (_client, mut client_socket) = join(&io).await;
    let socket = sockets.next().await;
    socket.send("one");
    io.send("all");
    io.to(socket.id()).send(("several", 2));
    for args in [r#""one""#, r#""all""#, r#""several",2"#] {
        let event = client_socket.next_event().await.unwrap();
        assert_eq!((event.name(), event.args().text()), ("message", args));
    }
    assert_eq!(client_socket.emit_with_ack::<String>("message", "mine").await.unwrap(), "mine");
}

/// The log is the only way to other nodes.
#[tokio::test]
async fn a_local_broadcast_is_delivered_and_is_in_no_log() {
    let io = server_of(2).await;
    let (_client, mut socket) = join(&io).await;
    let before = io.to("room").emit("event", 1).await.unwrap();
    io.sockets_join("room");
    io.local().to("room").emit("local", 2).await.unwrap();
    let after = io.to("room").emit("event", 3).await.unwrap();
    assert_eq!(after.number(), before.number() + 2, "the first event, the join and the last");
    for number in [2, 3] {
        assert_eq!(socket.next_event().await.unwrap().read::<u32>().unwrap(), number);
    }
    let kept = io.history("room").await.unwrap();
    assert_eq!(kept.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["event", "event"]);
}
