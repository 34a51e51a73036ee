//! Who listens to what: several, once, off, catch-all, nobody. When they run is the part of `dispatch`.

use serde_json::Value;
use trunkline::{Ack, Data, Event, Socket, Unhandled};

use crate::support::{answer_barriers, barrier, error, join, seen, server};

#[tokio::test]
async fn several_handlers_of_an_event_are_called_in_order_and_the_first_answers() {
    let io = server().await;
    let (told, mut order) = seen();
    for name in ["first", "second", "third"] {
        let told = told.clone();
        io.on("event", move || {
            let told = told.clone();
            async move {
                tokio::task::yield_now().await;
                let _ = told.send(name);
                name
            }
        });
    }
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<String>("event", ()).await.unwrap(), "first");
    assert_eq!(order.take(3).await, ["first", "second", "third"]);
}

#[tokio::test]
async fn of_several_handlers_the_one_that_takes_the_ack_answers() {
    let io = server().await;
    io.on("event", || async { "returned" });
    io.on("event", |ack: Ack| async move { ack.send("sent").unwrap() });
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<String>("event", ()).await.unwrap(), "sent");
}

#[tokio::test]
async fn handlers_of_one_socket_are_called_after_those_of_the_namespace_for_it_alone() {
    let io = server().await;
    let (told, mut order) = seen();
    let own = told.clone();
    io.on("event", move |Data(who): Data<u8>| {
        let _ = told.send((who, "namespace"));
        async {}
    });
    io.on("more", move |socket: Socket| {
        let own = own.clone();
        async move {
            socket.on("event", move |Data(who): Data<u8>| {
                let _ = own.send((who, "socket"));
                async {}
            });
        }
    });
    answer_barriers(&io);
    let (_client, one) = join(&io).await;
    let (_other_client, other) = join(&io).await;
    one.emit_with_ack::<()>("more", ()).await.unwrap();

    one.emit_with_ack::<()>("event", 1).await.unwrap();
    barrier(&one).await;
    other.emit_with_ack::<()>("event", 2).await.unwrap();
    assert_eq!(order.rest(), [(1, "namespace"), (1, "socket"), (2, "namespace")]);
}

/// A spent `once` handler answered later events with an error, where an event without a handler stays unanswered.
#[tokio::test]
async fn once_handles_one_event_and_is_gone() {
    let io = server().await;
    io.once("event", || async { "once" });
    io.unhandled(Unhandled::Reject);
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<String>("event", ()).await.unwrap(), "once");
    let answer: Value = socket.emit_with_ack("event", ()).await.unwrap();
    assert_eq!(answer, error("not_handled", "nobody handles \"event\""));
}

#[tokio::test]
async fn a_spent_once_handler_cannot_be_taken_off() {
    let io = server().await;
    let id = io.once("event", || async {});
    let kept = io.once("other", || async {});
    let (_client, socket) = join(&io).await;
    socket.emit_with_ack::<()>("event", ()).await.unwrap();
    assert!(!io.off(id));
    assert!(io.off(kept));
}

#[tokio::test]
async fn once_on_a_socket_handles_its_next_event_beside_the_namespaces() {
    let io = server().await;
    let (told, mut calls) = seen();
    let always = told.clone();
    io.on("event", move || {
        let _ = always.send("namespace");
        async {}
    });
    io.on("arm", move |socket: Socket| {
        let told = told.clone();
        async move {
            socket.once("event", move || {
                let _ = told.send("once");
                async {}
            });
        }
    });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;
    socket.emit_with_ack::<()>("arm", ()).await.unwrap();
    socket.emit("event", ());
    socket.emit("event", ());
    barrier(&socket).await;
    assert_eq!(calls.rest(), ["namespace", "once", "namespace"]);
}

#[tokio::test]
async fn off_takes_one_handler_off_and_says_whether_it_was_there() {
    let io = server().await;
    let first = io.on("event", || async { "first" });
    io.on("event", || async { "second" });
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<String>("event", ()).await.unwrap(), "first");
    assert!(io.off(first));
    assert!(!io.off(first));
    assert_eq!(socket.emit_with_ack::<String>("event", ()).await.unwrap(), "second");
}

#[tokio::test]
async fn catch_all_listeners_see_every_event_in_order_before_its_handlers() {
    let io = server().await;
    let (told, mut order) = seen();
    let say = |name: &'static str| {
        let told = told.clone();
        move |_: &Socket, event: &Event| {
            let _ = told.send((name, event.name.to_string(), event.args.len()));
        }
    };
    let first = io.on_any(say("first"));
    io.on_any(say("second"));
    io.prepend_any(say("before"));
    let handled = told.clone();
    io.on("event", move || {
        let _ = handled.send(("handler", String::new(), 0));
        async {}
    });
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;

    socket.emit("unknown", (1, 2));
    socket.emit_with_ack::<()>("event", trunkline::Bytes::from_static(b"x")).await.unwrap();
    let names = order.rest();
    let expected = [
        ("before", "unknown", 2),
        ("first", "unknown", 2),
        ("second", "unknown", 2),
        ("before", "event", 1),
        ("first", "event", 1),
        ("second", "event", 1),
        ("handler", "", 0),
    ];
    assert_eq!(names, expected.map(|(who, name, args)| (who, name.to_owned(), args)));

    assert!(io.off(first));
    barrier(&socket).await;
    assert_eq!(order.rest().iter().map(|(who, ..)| *who).collect::<Vec<_>>(), ["before", "second"]);
}

#[tokio::test]
async fn outgoing_catch_all_listeners_see_what_is_emitted_to_single_sockets() {
    let io = server().await;
    let (told, mut names) = seen();
    let own = told.clone();
    let listener = io.on_any_outgoing(move |_, event: &Event| {
        let _ = told.send(format!("namespace {}", event.name));
    });
    io.on("go", move |socket: Socket| {
        let own = own.clone();
        async move {
            socket.on_any_outgoing(move |_, event: &Event| {
                let _ = own.send(format!("socket {}", event.name));
            });
            socket.emit("plain", ());
            socket.volatile().emit("volatile", ());
            let _: Value = socket.emit_with_ack("asking", ()).await?;
            Ok::<_, trunkline::Error>(())
        }
    });
    let (_client, mut socket) = join(&io).await;
    socket.emit("go", ());
    assert_eq!(socket.next_event().await.unwrap().name(), "plain");
    assert_eq!(socket.next_event().await.unwrap().name(), "volatile");
    socket.next_event().await.unwrap().answer(1);
    let expected = [
        "namespace plain",
        "socket plain",
        "namespace volatile",
        "socket volatile",
        "namespace asking",
        "socket asking",
    ];
    assert_eq!(names.take(6).await, expected);
    assert!(io.off(listener));
}

#[tokio::test]
async fn an_event_that_nobody_listens_to_stays_unanswered_unless_it_is_to_be_rejected() {
    let io = server().await;
    answer_barriers(&io);
    let (_client, socket) = join(&io).await;
    tokio::select! {
        biased;
        answer = socket.emit_with_ack::<Value>("nothing", ()) => panic!("answered: {answer:?}"),
        () = async { barrier(&socket).await; barrier(&socket).await } => {}
    }
    io.unhandled(Unhandled::Reject);
    let answer: Value = socket.emit_with_ack("nothing", ()).await.unwrap();
    assert_eq!(answer, error("not_handled", "nobody handles \"nothing\""));
}

#[tokio::test]
async fn handlers_may_be_added_while_clients_are_connected() {
    let io = server().await;
    io.unhandled(Unhandled::Reject);
    let (_client, socket) = join(&io).await;
    io.on("late", || async { "here" });
    assert_eq!(socket.emit_with_ack::<String>("late", ()).await.unwrap(), "here");
}

#[tokio::test]
async fn names_of_object_prototypes_are_names_like_any_other() {
    let io = server().await;
    io.on("__proto__", || async { 1 });
    io.on("hasOwnProperty", || async { 2 });
    let (_client, socket) = join(&io).await;
    assert_eq!(socket.emit_with_ack::<u8>("__proto__", ()).await.unwrap(), 1);
    assert_eq!(socket.emit_with_ack::<u8>("hasOwnProperty", ()).await.unwrap(), 2);
}
