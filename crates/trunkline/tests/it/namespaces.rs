//! Namespaces: static ones, and dynamic ones that come and go with their clients. Middlewares are the part of
//! `middleware`.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use trunkline::testing::{Client, ClientError};
use trunkline::{Data, Namespace, Server, Socket};

use crate::support::{answer_barriers, barrier, join, join_in, seen, server, server_of};

async fn invalid(client: &Client, ns: &str) {
    let refused = client.connect(ns, json!({})).await.unwrap_err();
    assert_eq!(refused, ClientError::Refused(json!({ "message": "Invalid namespace" })));
}

#[tokio::test]
async fn an_unknown_namespace_is_refused_and_the_connection_lives() {
    let io = server().await;
    answer_barriers(&io);
    let (client, socket) = join(&io).await;
    invalid(&client, "/unknown").await;
    barrier(&socket).await;
}

#[tokio::test]
async fn a_missing_slash_is_added_and_the_empty_name_is_the_main_namespace() {
    let io = server().await;
    assert_eq!(io.of("chat").name(), "/chat");
    assert_eq!(io.of("chat"), io.of("/chat"));
    assert_eq!(io.of(""), io.of("/"));
    assert_eq!(io.of("").name(), "/");
}

#[tokio::test]
async fn namespaces_of_one_connection_have_sockets_rooms_and_handlers_of_their_own() {
    let io = server().await;
    for ns in ["/", "/a", "/b"] {
        let ns = io.of(ns);
        ns.on_connect(|socket: Socket| async move { socket.join("room").await });
        ns.on("where", |ns: Namespace| async move { ns.name().to_owned() });
    }
    let (client, mut main) = join(&io).await;
    let mut a = client.connect("/a", json!({})).await.unwrap();
    let mut b = client.connect("/b", json!({})).await.unwrap();
    assert!(main.id() != a.id() && a.id() != b.id());
    for (socket, name) in [(&main, "/"), (&a, "/a"), (&b, "/b")] {
        assert_eq!(socket.emit_with_ack::<String>("where", ()).await.unwrap(), name);
    }
    io.of("/a").to("room").emit("a", ());
    io.to("room").emit("main", ());
    io.of("/b").to("room").emit("b", ());
    assert_eq!(a.next_event().await.unwrap().name(), "a");
    assert_eq!(main.next_event().await.unwrap().name(), "main");
    assert_eq!(b.next_event().await.unwrap().name(), "b");
}

/// The new socket was taken for the old one, whose farewell was still to be said, and was a member of nothing.
#[tokio::test]
async fn a_client_that_leaves_and_joins_again_at_once_is_a_member_again() {
    let io = server().await;
    io.on_connect(|socket: Socket| async move { socket.join("room").await });
    answer_barriers(&io);
    let (client, mut socket) = join(&io).await;
    for _ in 0..20 {
        socket.disconnect();
        socket = client.connect("/", json!({})).await.unwrap();
        barrier(&socket).await;
        io.emit("everybody", ());
        io.to("room").emit("room", ());
        assert_eq!(socket.next_event().await.unwrap().name(), "everybody");
        assert_eq!(socket.next_event().await.unwrap().name(), "room");
    }
    assert_eq!(io.fetch_sockets().await.len(), 1);
}

#[tokio::test]
async fn a_pattern_makes_children_with_the_handlers_and_middlewares_of_their_parent() {
    let io = server().await;
    let parent = io.of_pattern(r"^/shop-\d+$").unwrap();
    parent.middleware(|socket: Socket| async move {
        let name = socket.namespace_name();
        if &**name == "/shop-13" { Err("closed") } else { Ok(()) }
    });
    parent.on("where", |ns: Namespace| async move { ns.name().to_owned() });
    let (client, seven) = join_in(&io, "/shop-7").await;
    assert_eq!(seven.emit_with_ack::<String>("where", ()).await.unwrap(), "/shop-7");
    // Handlers that the parent gets later are the children's too.
    parent.on("late", || async { "late" });
    assert_eq!(seven.emit_with_ack::<String>("late", ()).await.unwrap(), "late");
    assert!(matches!(client.connect("/shop-13", json!({})).await, Err(ClientError::Refused(_))));
    invalid(&client, "/shop-x").await;
}

#[tokio::test]
async fn a_pattern_that_is_none_is_an_error() {
    assert!(server().await.of_pattern("(").is_err());
}

#[tokio::test]
async fn an_async_function_decides_by_name_auth_and_handshake() {
    let io = server().await;
    io.of_fn(|asked| async move {
        tokio::task::yield_now().await;
        asked.name.starts_with("/team-") && asked.auth["ok"] == true && asked.handshake.query("EIO") == Some("4")
    });
    let client = Client::open(&io).await.unwrap();
    invalid(&client, "/team-a").await;
    client.connect("/team-a", json!({ "ok": true })).await.unwrap();
    // There it is: from now on everybody may join it.
    client.connect("/team-a", json!({})).await.unwrap_err();
    let (_other, _socket) = join_in(&io, "/team-a").await;
}

/// The function ran in the connection's own task: a panic there ended the task and left the connection without one.
#[tokio::test]
async fn a_panic_in_the_function_refuses_and_the_connection_lives() {
    let io = server().await;
    io.of_fn(|asked| async move {
        assert!(asked.name != "/panic", "on purpose");
        false
    });
    answer_barriers(&io);
    let (client, socket) = join(&io).await;
    let refused = client.connect("/panic", json!({})).await.unwrap_err();
    assert_eq!(refused, ClientError::Refused(json!({ "message": "internal error" })));
    barrier(&socket).await;
}

#[tokio::test]
async fn the_first_dynamic_namespace_that_takes_a_name_gets_it() {
    let io = server().await;
    for (name, pattern) in [("first", "^/a"), ("second", "^/ab")] {
        io.of_pattern(pattern).unwrap().on("who", move || async move { name });
    }
    io.of_fn(|_| async { true }).on("who", || async { "third" });
    for (ns, name) in [("/ab", "first"), ("/b", "third")] {
        let (_client, socket) = join_in(&io, ns).await;
        assert_eq!(socket.emit_with_ack::<String>("who", ()).await.unwrap(), name);
    }
}

#[tokio::test]
async fn many_clients_that_ask_at_once_get_one_namespace() {
    let io = server_of(4).await;
    let (told, mut made) = seen();
    io.on_new_namespace(move |ns| {
        let _ = told.send(ns.name().to_owned());
    });
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let (asking, mut asked) = seen();
    io.of_fn(move |_| {
        let gate = opened.clone();
        let _ = asking.send(());
        async move {
            gate.acquire().await.unwrap().forget();
            true
        }
    });
    let joining: Vec<_> = (0..20)
        .map(|_| {
            let io = io.clone();
            tokio::spawn(async move { join_in(&io, "/new").await })
        })
        .collect();
    asked.take(20).await;
    gate.add_permits(20);
    let mut clients = Vec::new();
    for joined in joining {
        clients.push(joined.await.unwrap());
    }
    assert_eq!(io.of("/new").fetch_sockets().await.len(), 20);
    io.of("/new").emit("event", ());
    for (_client, socket) in &mut clients {
        socket.next_event().await.unwrap();
    }
    assert_eq!(made.rest(), ["/new"]);
}

#[tokio::test]
async fn emitting_on_the_parent_reaches_all_children() {
    let io = server_of(2).await;
    let parent = io.of_pattern("^/child-").unwrap();
    parent.on_connect(|socket: Socket| async move { socket.join("room").await });
    answer_barriers(&parent);
    let mut clients = Vec::new();
    for name in ["/child-1", "/child-2", "/child-1"] {
        let (client, socket) = join_in(&io, name).await;
        barrier(&socket).await;
        clients.push((client, socket));
    }
    parent.emit("everybody", 1).await.unwrap();
    parent.to("room").emit("room", 2).await.unwrap();
    parent.to("none").emit("none", 3).await.unwrap();
    parent.volatile().emit("volatile", 4);
    for (_client, socket) in &mut clients {
        for name in ["everybody", "room", "volatile"] {
            assert_eq!(socket.next_event().await.unwrap().name(), name);
        }
    }
}

async fn cleaning(cleanup: bool) -> (Server, Namespace) {
    let io = Server::builder().shards(2).cleanup_empty_child_namespaces(cleanup).build().await.unwrap();
    let parent = io.of_pattern("^/child-").unwrap();
    answer_barriers(&parent);
    (io, parent)
}

/// How often a namespace was made, joining and leaving it twice, one after the other.
async fn made_in_two_visits(cleanup: bool) -> usize {
    let (io, parent) = cleaning(cleanup).await;
    let (told, mut made) = seen();
    io.on_new_namespace(move |_| told.send(()).unwrap());
    let (left, mut gone) = seen();
    parent.on_disconnect(move || {
        let _ = left.send(());
        async {}
    });
    answer_barriers(&io);
    let (client, main) = join(&io).await;
    for _ in 0..2 {
        let child = client.connect("/child-1", json!({})).await.unwrap();
        barrier(&child).await;
        child.disconnect();
        gone.next().await;
        barrier(&main).await;
    }
    made.rest().len()
}

#[tokio::test]
async fn an_empty_child_goes_if_that_is_asked_for_and_can_be_joined_again() {
    assert_eq!(made_in_two_visits(true).await, 2);
}

#[tokio::test]
async fn an_empty_child_stays_if_nothing_is_asked_for() {
    assert_eq!(made_in_two_visits(false).await, 1);
}

#[tokio::test]
async fn a_child_with_other_clients_stays() {
    let (io, _parent) = cleaning(true).await;
    let (told, mut made) = seen();
    io.on_new_namespace(move |_| told.send(()).unwrap());
    let (_one_client, one) = join_in(&io, "/child-1").await;
    let (_other_client, other) = join_in(&io, "/child-1").await;
    one.disconnect();
    barrier(&other).await;
    let (_third_client, _third) = join_in(&io, "/child-1").await;
    assert_eq!(made.rest().len(), 1);
}

#[tokio::test]
async fn a_child_goes_after_a_client_that_was_refused_too() {
    let (io, parent) = cleaning(true).await;
    let (told, mut made) = seen();
    io.on_new_namespace(move |_| told.send(()).unwrap());
    parent.middleware(|trunkline::Auth(auth): trunkline::Auth<Value>| async move {
        if auth["ok"] == true { Ok(()) } else { Err("no") }
    });
    answer_barriers(&io);
    let (client, main) = join(&io).await;
    client.connect("/child-1", json!({})).await.unwrap_err();
    barrier(&main).await;
    client.connect("/child-1", json!({ "ok": true })).await.unwrap();
    assert_eq!(made.rest().len(), 2);
}

/// Between being found and being counted a client was in a child that another client's leaving took away: no emit on
/// the parent reached it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_joins_while_the_last_one_leaves_is_in_the_namespace() {
    let (io, parent) = cleaning(true).await;
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (io, parent) = (io.clone(), parent.clone());
            tokio::spawn(async move {
                let client = Client::open(&io).await.unwrap();
                for _ in 0..200 {
                    let mut socket = client.connect("/child-1", json!({})).await.unwrap();
                    parent.to(socket.id()).emit("found", ()).await.unwrap();
                    assert_eq!(socket.next_event().await.unwrap().name(), "found");
                    socket.disconnect();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_child_made_by_hand_belongs_to_its_parent() {
    let io = server().await;
    let parent = io.of_pattern("^/child-").unwrap();
    parent.on("who", || async { "parent's" });
    let by_hand = io.of("/child-9");
    let (_client, mut socket) = join_in(&io, "/child-9").await;
    assert_eq!(socket.emit_with_ack::<String>("who", ()).await.unwrap(), "parent's");
    parent.emit("all", ()).await.unwrap();
    by_hand.emit("own", ()).await.unwrap();
    assert_eq!(socket.next_event().await.unwrap().name(), "all");
    assert_eq!(socket.next_event().await.unwrap().name(), "own");
}

#[tokio::test]
async fn new_namespaces_are_told_once_each_static_and_dynamic() {
    let io = server().await;
    let (told, mut made) = seen();
    io.on_new_namespace(move |ns| {
        ns.on("hello", |Data(name): Data<String>| async move { format!("hello {name}") });
        let _ = told.send(ns.name().to_owned());
    });
    io.of_fn(|asked| async move { asked.name == "/dynamic" });
    let _ = (io.of("/static"), io.of("/static"), io.of("/"));
    let (_client, socket) = join_in(&io, "/dynamic").await;
    assert_eq!(socket.emit_with_ack::<String>("hello", "you").await.unwrap(), "hello you");
    assert_eq!(made.rest(), ["/static", "/dynamic"]);
}

#[tokio::test]
async fn more_namespaces_than_a_connection_may_have_are_refused_by_name_of_the_limit() {
    let io = server().await;
    let parent = io.of_fn(|_| async { true });
    let (told, mut left) = seen();
    parent.on_disconnect(move || {
        let _ = told.send(());
        async {}
    });
    answer_barriers(&parent);
    let client = Client::open(&io).await.unwrap();
    let mut sockets = Vec::new();
    for number in 0..trunkline::limits::NAMESPACES_PER_CONNECTION {
        sockets.push(client.connect(&format!("/{number}"), json!({})).await.unwrap());
    }
    let refused = client.connect("/more", json!({})).await.unwrap_err();
    assert_eq!(refused, ClientError::Refused(json!({ "message": "too many namespaces on this connection" })));
    sockets.pop().unwrap().disconnect();
    left.next().await;
    barrier(&sockets[0]).await;
    client.connect("/more", json!({})).await.unwrap();
}
