//! When handlers run: one after another or beside each other, how reading follows, and what a panic ends. What they
//! get and answer is the part of `extract`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use trunkline::{Bytes, Data, DisconnectReason, Server, Socket, limits};

use crate::support::{answer_barriers, barrier, error, join, seen, server};

#[tokio::test]
async fn events_of_one_socket_are_handled_one_after_another() {
    let io = server().await;
    let (told, mut steps) = seen();
    io.on("event", move |Data(number): Data<u32>| {
        let told = told.clone();
        async move {
            let _ = told.send((number, "begins"));
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            let _ = told.send((number, "ends"));
        }
    });
    let (_client, socket) = join(&io).await;

    (0..50).for_each(|number| socket.emit("event", number));

    let expected: Vec<_> = (0..50).flat_map(|number| [(number, "begins"), (number, "ends")]).collect();
    assert_eq!(steps.take(100).await, expected);
}

#[tokio::test]
async fn two_thousand_events_of_a_client_keep_their_order() {
    let io = server().await;
    let (told, mut numbers) = seen();
    io.on("event", move |Data(number): Data<u32>| {
        let _ = told.send(number);
        async {}
    });
    let (_client, socket) = join(&io).await;

    (0..2000).for_each(|number| socket.emit("event", number));

    assert_eq!(numbers.take(2000).await, (0..2000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_handler_of_one_socket_holds_up_no_other() {
    let io = server().await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    io.on("slow", move || {
        let gate = opened.clone();
        async move { gate.acquire().await.unwrap().forget() }
    });
    answer_barriers(&io);
    let (one_client, one) = join(&io).await;
    let (_other_client, other) = join(&io).await;
    let in_chat = one_client.connect("/chat", json!({})).await;
    assert!(in_chat.is_err(), "no such namespace");
    io.of("/chat").on("barrier", || async {});
    let same_connection = one_client.connect("/chat", json!({})).await.unwrap();

    one.emit("slow", ());
    barrier(&other).await;
    barrier(&same_connection).await;
    gate.add_permits(1);
    barrier(&one).await;
}

#[tokio::test]
async fn concurrent_events_run_beside_the_others() {
    let io = server().await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    io.on_concurrent("slow", move |Data(number): Data<u32>| {
        let gate = opened.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            number
        }
    });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;

    let slow = async { tokio::join!(socket.emit_with_ack::<u32>("slow", 1), socket.emit_with_ack::<u32>("slow", 2)) };
    let ((one, two), ()) = tokio::join!(slow, async {
        barrier(&socket).await;
        gate.add_permits(2);
    });
    assert_eq!((one.unwrap(), two.unwrap()), (1, 2));
}

#[tokio::test]
async fn more_concurrent_events_than_the_limit_wait_as_ordinary_ones_do() {
    let io = server().await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let (begun, mut begins) = seen();
    io.on_concurrent("slow", move || {
        let _ = begun.send(());
        let gate = opened.clone();
        async move { gate.acquire().await.unwrap().forget() }
    });
    io.on_concurrent("last", || async {});
    let (client, socket) = join(&io).await;
    answer_barriers(&io.of("/other"));
    let other = client.connect("/other", json!({})).await.unwrap();

    (0..=limits::CONCURRENT_EVENTS).for_each(|_| socket.emit("slow", ()));
    begins.take(limits::CONCURRENT_EVENTS).await;
    barrier(&other).await;
    assert_eq!(begins.rest().len(), 0);
    gate.add_permits(1);
    begins.next().await;
    gate.add_permits(limits::CONCURRENT_EVENTS);
    socket.emit_with_ack::<()>("last", ()).await.unwrap();
}

#[tokio::test]
async fn a_slow_handler_stops_the_reading_not_the_heartbeat() {
    const EVENTS: u32 = 200;
    let io = Server::builder()
        .shards(1)
        .ping_interval(Duration::from_millis(20))
        .ping_timeout(Duration::from_millis(1000))
        .build()
        .await
        .unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let (told, mut numbers) = seen();
    let opened = gate.clone();
    io.on("event", move |Data((number, _)): Data<(u32, Bytes)>| {
        let (gate, told) = (opened.clone(), told.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            let _ = told.send(number);
        }
    });
    let (client, socket) = join(&io).await;

    // Far more than an inbox and all buffers on the way can hold.
    for number in 0..EVENTS {
        socket.emit("event", (number, Bytes::from(vec![0; 64 * 1024])));
    }
    tokio::select! {
        _ = client.flush() => panic!("all was read while the handler ran"),
        // The pongs are not read either: most of these pings come without one.
        pinged = client.pings(5) => pinged.unwrap(),
    }
    gate.add_permits(EVENTS as usize);
    assert_eq!(numbers.take(EVENTS as usize).await, (0..EVENTS).collect::<Vec<_>>());
    client.flush().await.unwrap();
    assert!(socket.emit_with_ack::<Value>("event", "not two").await.is_ok());
}

#[tokio::test]
async fn a_handler_may_await_the_clients_own_answer_behind_other_events() {
    let io = server().await;
    let (told, mut order) = seen();
    let events = told.clone();
    io.on("ask", move |socket: Socket| {
        let told = told.clone();
        async move {
            let answer: String = socket.emit_with_ack("question", ()).await.unwrap();
            let _ = told.send(answer);
        }
    });
    io.on("event", move |Data(number): Data<u32>| {
        let _ = events.send(number.to_string());
        async {}
    });
    let (_client, mut socket) = join(&io).await;

    socket.emit("ask", ());
    let question = socket.next_event().await.unwrap();
    // More than an inbox holds, all in front of the answer.
    let many = u32::try_from(limits::INBOX).unwrap() * 4;
    (0..many).for_each(|number| socket.emit("event", number));
    question.answer("answer");

    assert_eq!(order.next().await, "answer");
    assert_eq!(order.take(many as usize).await, (0..many).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_sends_too_much_before_its_answer_is_closed() {
    let io = server().await;
    let (told, mut ends) = seen();
    io.on("ask", |socket: Socket| async move {
        let answer = socket.emit_with_ack::<Value>("question", ()).await;
        assert!(answer.is_err());
    });
    io.on("event", || async {});
    io.on_disconnect(move |reason: DisconnectReason| {
        let _ = told.send(reason);
        async {}
    });
    let (client, mut socket) = join(&io).await;

    socket.emit("ask", ());
    socket.next_event().await.unwrap();
    (0..=limits::INBOX_WHILE_ASKING).for_each(|_| socket.emit("event", ()));

    client.ended().await.unwrap();
    assert_eq!(ends.next().await, DisconnectReason::ForcedServerClose);
}

#[tokio::test]
async fn acks_of_the_client_are_not_held_up_by_a_running_handler() {
    let io = server().await;
    let (asked, mut sockets) = seen();
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    io.on("slow", move |socket: Socket| {
        let gate = opened.clone();
        let _ = asked.send(socket);
        async move { gate.notified().await }
    });
    let (_client, mut socket) = join(&io).await;

    socket.emit("slow", ());
    let on_server = sockets.next().await;
    let (answer, ()) = tokio::join!(on_server.emit_with_ack::<u32>("question", ()), async {
        socket.next_event().await.unwrap().answer(42);
    });
    assert_eq!(answer.unwrap(), 42);
    gate.notify_one();
}

fn fail() {
    panic!("on purpose");
}

#[tokio::test]
async fn a_panic_in_a_handler_answers_internal_and_the_connection_lives() {
    let io = server().await;
    io.on("at_once", |Data(go): Data<bool>| {
        assert!(!go, "at once");
        async {}
    });
    io.on("later", || async {
        tokio::task::yield_now().await;
        fail();
    });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;
    let internal = error("internal", "internal error");

    assert_eq!(socket.emit_with_ack::<Value>("at_once", true).await.unwrap(), internal);
    assert_eq!(socket.emit_with_ack::<Value>("later", ()).await.unwrap(), internal);
    barrier(&socket).await;
}

#[tokio::test]
async fn a_panic_in_a_concurrent_handler_answers_internal() {
    let io = server().await;
    io.on_concurrent("later", || async {
        tokio::task::yield_now().await;
        fail();
    });
    let (_client, socket) = join(&io).await;
    let answer: Value = socket.emit_with_ack("later", ()).await.unwrap();
    assert_eq!(answer, error("internal", "internal error"));
}

/// A catch-all listener runs before the event has its right to be answered: a panic there left the client waiting.
#[tokio::test]
async fn a_panic_in_a_catch_all_listener_answers_internal() {
    let io = server().await;
    let listener = io.on_any(|_, _| panic!("in on_any"));
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;

    let answer: Value = socket.emit_with_ack("barrier", ()).await.unwrap();
    assert_eq!(answer, error("internal", "internal error"));
    assert!(io.off(listener));
    barrier(&socket).await;
}

#[tokio::test]
async fn a_panic_in_on_connect_leaves_the_socket_connected() {
    let io = server().await;
    io.on_connect(|| async { fail() });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;
    barrier(&socket).await;
}

/// All handlers of an end ran in one future: the first panic took the later ones, and what they free, with it.
/// It runs within the turn of the shard, which ended with it.
#[tokio::test]
async fn a_panic_in_a_listener_of_room_events_does_not_take_the_shard_along() {
    let io = server().await;
    answer_barriers(&io);
    io.on_room_event(|_| panic!("on purpose"));
    let (_client, mut socket) = join(&io).await;
    barrier(&socket).await;
    io.sockets_join("room");
    io.to("room").emit("event", ());
    assert_eq!(socket.next_event().await.unwrap().name(), "event");
    barrier(&socket).await;
}

#[tokio::test]
async fn a_panic_in_a_disconnect_handler_does_not_keep_the_others_from_running() {
    let io = server().await;
    let (told, mut ran) = seen();
    io.on_disconnecting(|| async { fail() });
    io.on_disconnect(|| async { fail() });
    io.on_disconnect(move |socket: Socket| {
        let told = told.clone();
        async move { told.send(socket.rooms().await.len()).unwrap() }
    });
    io.on("join", |socket: Socket| async move { socket.join(["a", "b"]).await });
    let (_client, socket) = join(&io).await;
    socket.emit_with_ack::<()>("join", ()).await.unwrap();

    socket.disconnect();
    assert_eq!(ran.next().await, 0);
}

#[tokio::test]
async fn handlers_may_spawn_and_block_elsewhere() {
    let io = server().await;
    io.on("work", || async {
        let spawned = tokio::spawn(async { 1 });
        let blocking = tokio::task::spawn_blocking(|| 2);
        Ok::<_, trunkline::Error>(spawned.await? + blocking.await?)
    });
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<u32>("work", ()).await.unwrap(), 3);
}

#[tokio::test]
async fn a_handler_may_use_what_lives_on_another_runtime() {
    let io = server().await;
    let here = tokio::runtime::Handle::current();
    io.on("work", move || {
        let there = here.clone();
        async move { Ok::<_, trunkline::Error>(there.spawn(async { 7 }).await?) }
    });
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<u32>("work", ()).await.unwrap(), 7);
}

#[tokio::test]
async fn what_came_before_the_client_left_is_still_handled() {
    let io = server().await;
    let (told, mut seen_events) = seen();
    let ended = told.clone();
    io.on("event", move |Data(number): Data<u32>| {
        let told = told.clone();
        async move {
            tokio::task::yield_now().await;
            let _ = told.send(number);
        }
    });
    io.on_disconnect(move || {
        let _ = ended.send(99);
        async {}
    });
    let (_client, socket) = join(&io).await;
    (0..5).for_each(|number| socket.emit("event", number));
    socket.disconnect();
    assert_eq!(seen_events.take(6).await, [0, 1, 2, 3, 4, 99]);
}
