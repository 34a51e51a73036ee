//! Who is let into a namespace and which packets are let through. What handlers do with them is tested elsewhere.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use trunkline::testing::{Client, ClientError};
use trunkline::{Auth, ConnectError, Error, Event, RoomEvent, Socket};

use crate::support::{answer_barriers, barrier, code, error, join, seen, server};

#[tokio::test]
async fn middlewares_run_in_order_once_each_before_on_connect() {
    let io = server().await;
    let (told, mut order) = seen();
    for name in ["first", "second"] {
        let told = told.clone();
        io.middleware(move |socket: Socket| {
            let told = told.clone();
            async move {
                tokio::task::yield_now().await;
                let _ = told.send((name, socket.is_connected()));
                Ok::<_, String>(())
            }
        });
    }
    io.on_connect(move |socket: Socket| {
        let _ = told.send(("connected", socket.is_connected()));
        async {}
    });
    let (_client, _socket) = join(&io).await;
    assert_eq!(order.take(3).await, [("first", false), ("second", false), ("connected", true)]);
    assert!(order.rest().is_empty());
}

#[tokio::test]
async fn the_first_error_refuses_with_its_message_and_data() {
    let io = server().await;
    let (told, mut later) = seen();
    io.middleware(|| async { Err(ConnectError::new("not you").with_data(json!({ "code": 7 }))) });
    let connected = told.clone();
    io.middleware(move || {
        let _ = told.send("second middleware");
        async { Ok::<_, String>(()) }
    });
    io.on_connect(move || {
        let _ = connected.send("on_connect");
        async {}
    });
    let client = Client::open(&io).await.unwrap();

    let refused = client.connect("/", json!({})).await.unwrap_err();
    assert_eq!(refused, ClientError::Refused(json!({ "message": "not you", "data": { "code": 7 } })));
    assert!(later.rest().is_empty());
}

#[tokio::test]
async fn a_refused_client_may_try_again_on_the_same_connection() {
    let io = server().await;
    io.middleware(|Auth(auth): Auth<Value>| async move {
        if auth["token"] == "right" { Ok(()) } else { Err("wrong token") }
    });
    answer_barriers(&io);
    let client = Client::open(&io).await.unwrap();

    let refused = client.connect("/", json!({ "token": "bad" })).await.unwrap_err();
    assert_eq!(refused, ClientError::Refused(json!({ "message": "wrong token" })));
    let socket = client.connect("/", json!({ "token": "right" })).await.unwrap();
    barrier(&socket).await;
}

#[tokio::test]
async fn auth_that_a_middleware_cannot_read_refuses() {
    let io = server().await;
    io.middleware(|_: Auth<(u8, u8)>| async { Ok::<_, String>(()) });
    let client = Client::open(&io).await.unwrap();
    let Err(ClientError::Refused(payload)) = client.connect("/", json!({})).await else { panic!("let in") };
    assert_eq!(payload["data"]["code"], "invalid_argument");
}

#[tokio::test]
async fn rooms_joined_in_a_middleware_that_refuses_are_left_again() {
    let io = server().await;
    let (told, mut rooms) = seen();
    io.on_room_event(move |event| {
        let _ = told.send(event.clone());
    });
    io.middleware(|socket: Socket, Auth(auth): Auth<Value>| async move {
        socket.join("waiting").await;
        if auth["ok"] == true { Ok(()) } else { Err("no") }
    });
    let client = Client::open(&io).await.unwrap();

    client.connect("/", json!({})).await.unwrap_err();
    let RoomEvent::Created { room, .. } = rooms.next().await else { panic!("not created first") };
    assert_eq!(&*room, "waiting");
    assert!(matches!(rooms.next().await, RoomEvent::Joined { .. }));
    assert!(matches!(rooms.next().await, RoomEvent::Left { .. }));
    assert!(matches!(rooms.next().await, RoomEvent::Deleted { .. }));
    assert!(io.to("waiting").fetch_sockets().await.is_empty());

    let socket = client.connect("/", json!({ "ok": true })).await.unwrap();
    let members = io.to("waiting").fetch_sockets().await;
    assert_eq!(members.iter().map(|member| &**member.id()).collect::<Vec<_>>(), [socket.id()]);
}

#[tokio::test]
async fn a_room_joined_in_a_middleware_gets_what_is_emitted_after_the_connect() {
    let io = server().await;
    io.middleware(|socket: Socket| async move {
        socket.join("room").await;
        Ok::<_, String>(())
    });
    let (_client, mut socket) = join(&io).await;
    io.to("room").emit("event", 1).await.unwrap();
    assert_eq!(socket.next_event().await.unwrap().read::<u32>().unwrap(), 1);
}

#[tokio::test]
async fn a_slow_middleware_delays_its_own_client_alone() {
    let io = server().await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    io.middleware(move |Auth(auth): Auth<Value>| {
        let gate = opened.clone();
        async move {
            if auth["slow"] == true {
                gate.acquire().await.unwrap().forget();
            }
            Ok::<_, String>(())
        }
    });
    answer_barriers(&io);
    let slow = Client::open(&io).await.unwrap();
    let joining =
        tokio::spawn(async move { slow.connect("/", json!({ "slow": true })).await.map(|socket| (slow, socket)) });
    let (_client, socket) = join(&io).await;
    barrier(&socket).await;
    assert!(!joining.is_finished());
    gate.add_permits(1);
    joining.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_goes_while_a_middleware_runs_is_never_connected() {
    let io = server().await;
    let (told, mut saw) = seen();
    let (dropped, mut gone) = seen();
    struct Told(tokio::sync::mpsc::UnboundedSender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    io.middleware(move |_: Socket| {
        let (told, on_drop) = (told.clone(), Told(dropped.clone()));
        async move {
            let _on_drop = on_drop;
            let _ = told.send("middleware");
            std::future::pending::<Result<(), String>>().await
        }
    });
    let (late, mut handlers) = seen();
    let disconnected = late.clone();
    io.on_connect(move || {
        let _ = late.send("connect");
        async {}
    });
    io.on_disconnect(move || {
        let _ = disconnected.send("disconnect");
        async {}
    });
    let client = Client::open(&io).await.unwrap();
    let joining = tokio::spawn(async move { client.connect("/", json!({})).await.map(drop) });
    assert_eq!(saw.next().await, "middleware");
    joining.abort();

    gone.next().await;
    io.close().await;
    assert!(handlers.rest().is_empty());
}

#[tokio::test]
async fn a_panic_in_a_middleware_refuses_and_the_connection_lives() {
    let io = server().await;
    io.middleware(|Auth(auth): Auth<Value>| async move {
        tokio::task::yield_now().await;
        assert!(auth["panic"] != true, "on purpose");
        Ok::<_, String>(())
    });
    answer_barriers(&io);
    let client = Client::open(&io).await.unwrap();
    let refused = client.connect("/", json!({ "panic": true })).await.unwrap_err();
    assert_eq!(refused, ClientError::Refused(json!({ "message": "internal error" })));
    barrier(&client.connect("/", json!({})).await.unwrap()).await;
}

#[tokio::test]
async fn packet_middlewares_run_in_order_and_may_change_the_event() {
    let io = server().await;
    io.packet_middleware(|_, event: Event| async move {
        let text: String = event.args.get(0)?;
        let args = trunkline::Args::serialize(&format!("{text}b")).map_err(Error::from)?;
        Ok(Event::new(event.name, args))
    });
    io.packet_middleware(|_, event: Event| async move {
        let text: String = event.args.get(0)?;
        Ok(Event::new("renamed", trunkline::Args::serialize(&format!("{text}c"))?))
    });
    io.on("renamed", |trunkline::Data(text): trunkline::Data<String>| async move { text });
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<String>("event", "a").await.unwrap(), "abc");
}

#[tokio::test]
async fn an_error_of_a_packet_middleware_drops_the_event_answers_it_and_is_told() {
    let io = server().await;
    let (told, mut errors) = seen();
    let (called, mut calls) = seen();
    io.packet_middleware(|_, event: Event| async move {
        if &*event.name == "forbidden" { Err(Error::new("forbidden", "not this one")) } else { Ok(event) }
    });
    io.on_error(move |_, error: &Error| {
        let _ = told.send(error.code().to_owned());
    });
    io.on("forbidden", move || {
        let _ = called.send(());
        async {}
    });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;

    let answer: Value = socket.emit_with_ack("forbidden", ()).await.unwrap();
    assert_eq!(answer, error("forbidden", "not this one"));
    assert_eq!(errors.next().await, "forbidden");
    barrier(&socket).await;
    assert!(calls.rest().is_empty());
}

#[tokio::test]
async fn a_panic_in_a_packet_middleware_answers_internal() {
    let io = server().await;
    io.packet_middleware(|_, event: Event| async move {
        assert!(&*event.name != "panic", "on purpose");
        Ok(event)
    });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;
    let answer: Value = socket.emit_with_ack("panic", ()).await.unwrap();
    assert_eq!(code(&answer), "internal");
    barrier(&socket).await;
}

#[tokio::test]
async fn a_packet_middleware_of_one_socket_sees_its_events_alone() {
    let io = server().await;
    let (told, mut names) = seen();
    io.on("watch", move |socket: Socket| {
        let told = told.clone();
        async move {
            socket.packet_middleware(move |_, event: Event| {
                let _ = told.send(event.name.to_string());
                async { Ok(event) }
            });
        }
    });
    answer_barriers(&io);
    let (_client, watched) = join(&io).await;
    let (_other_client, other) = join(&io).await;
    watched.emit_with_ack::<()>("watch", ()).await.unwrap();
    barrier(&other).await;
    barrier(&watched).await;
    assert_eq!(names.rest(), ["barrier"]);
}
