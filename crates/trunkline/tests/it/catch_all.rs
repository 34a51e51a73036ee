//! Catch-all listeners: their order, taking them off, and what goes out to many. When handlers run beside them is the
//! part of `listeners`.

use tokio::sync::mpsc;
use trunkline::testing::ClientSocket;
use trunkline::{Bytes, Data, Event, Server, Socket};

use crate::peer::Polling;
use crate::support::{Seen, answer_barriers, barrier, join, listen, seen, server, server_of};

type Told = (&'static str, String);

/// Gives listeners that say their name and the event's.
struct Namer(mpsc::UnboundedSender<Told>);

impl Namer {
    fn new() -> (Self, Seen<Told>) {
        let (told, seen) = seen();
        (Self(told), seen)
    }

    fn listener(&self, who: &'static str) -> impl Fn(&Socket, &Event) + Send + Sync + 'static {
        let told = self.0.clone();
        move |_, event| drop(told.send((who, event.name.to_string())))
    }
}

fn of(event: &str, listeners: &[&'static str]) -> Vec<Told> {
    listeners.iter().map(|who| (*who, event.to_owned())).collect()
}

/// A client and its socket on the server.
async fn joined(io: &Server) -> (trunkline::testing::Client, ClientSocket, Socket) {
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let (client, client_socket) = join(io).await;
    (client, client_socket, sockets.next().await)
}

async fn next(socket: &mut ClientSocket) -> String {
    socket.next_event().await.unwrap().name().to_owned()
}

#[tokio::test]
async fn listeners_of_one_socket_are_prepended_and_taken_off_beside_those_of_the_namespace() {
    let io = server().await;
    answer_barriers(&io);
    let (names, mut order) = Namer::new();
    let (_client, client_socket, socket) = joined(&io).await;
    io.on_any(names.listener("namespace"));
    io.prepend_any(names.listener("namespace first"));
    let off = socket.on_any(names.listener("socket"));
    socket.prepend_any(names.listener("socket first"));
    barrier(&client_socket).await;
    assert_eq!(order.rest(), of("barrier", &["namespace first", "namespace", "socket first", "socket"]));
    assert!(socket.off(off));
    barrier(&client_socket).await;
    assert_eq!(order.rest(), of("barrier", &["namespace first", "namespace", "socket first"]));
}

#[tokio::test]
async fn outgoing_listeners_are_prepended_and_taken_off() {
    let io = server().await;
    let (names, mut order) = Namer::new();
    let (_client, mut client_socket, socket) = joined(&io).await;
    let off = io.on_any_outgoing(names.listener("namespace"));
    io.prepend_any_outgoing(names.listener("namespace first"));
    let own = socket.on_any_outgoing(names.listener("socket"));
    socket.prepend_any_outgoing(names.listener("socket first"));
    let all = ["namespace first", "namespace", "socket first", "socket"];
    socket.emit("alone", ());
    assert_eq!(order.take(4).await, of("alone", &all));
    io.emit("all", ());
    assert_eq!(order.take(4).await, of("all", &all));

    assert!(io.off(off) && socket.off(own));
    socket.emit("alone", ());
    io.emit("all", ());
    assert_eq!(
        order.take(4).await,
        [of("alone", &["namespace first", "socket first"]), of("all", &["namespace first", "socket first"])].concat()
    );
    for name in ["alone", "all", "alone", "all"] {
        assert_eq!(next(&mut client_socket).await, name);
    }
    assert!(order.rest().is_empty());
}

/// What was broadcast went past these listeners.
#[tokio::test]
async fn outgoing_listeners_are_told_of_broadcasts_once_for_each_socket_they_go_to() {
    let io = server_of(2).await;
    io.on("join", |socket: Socket, Data(room): Data<String>| async move { socket.join(room).await });
    answer_barriers(&io);
    let (_a_client, mut a) = join(&io).await;
    let (_b_client, b) = join(&io).await;
    a.emit_with_ack::<()>("join", "r").await.unwrap();
    barrier(&b).await;
    let (told, mut outgoing) = seen();
    io.on_any_outgoing(move |socket, event| {
        let _ = told.send((socket.id().to_string(), event.name.to_string(), event.args.len()));
    });
    io.to("r").emit("room", ()).await.unwrap();
    io.to(["r", a.id()]).emit("twice", ());
    io.to("r").except("r").emit("nobody", ());
    io.to(a.id()).volatile().emit("volatile", ());
    io.to("r").local().emit("local", 1);
    let question = io.to("r");
    let (answers, ()) = tokio::join!(question.emit_with_ack::<u8>("question", ()), async {
        for _ in 0..4 {
            a.next_event().await.unwrap();
        }
        a.next_event().await.unwrap().answer(1);
    });
    assert_eq!(answers.unwrap(), [1]);
    let expected = [("room", 0), ("twice", 0), ("volatile", 0), ("local", 1), ("question", 0)];
    assert_eq!(outgoing.take(5).await, expected.map(|(name, args)| (a.id().to_owned(), name.to_owned(), args)));

    io.emit("all", ()).await.unwrap();
    let mut ids = [outgoing.next().await.0, outgoing.next().await.0];
    ids.sort();
    let mut expected = [a.id().to_owned(), b.id().to_owned()];
    expected.sort();
    assert_eq!(ids, expected);
    assert!(outgoing.rest().is_empty());
}

#[tokio::test]
async fn catch_all_listeners_see_binary_in_and_out() {
    let io = server().await;
    answer_barriers(&io);
    let (told, mut seen_bytes) = seen();
    let outgoing = told.clone();
    io.on_any(move |_, event| told.send(event.args.get::<Bytes>(0).ok()).unwrap());
    io.on_any_outgoing(move |_, event| outgoing.send(event.args.get::<Bytes>(0).ok()).unwrap());
    let (_client, mut client_socket, socket) = joined(&io).await;
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    client_socket.emit("in", bytes("in"));
    assert_eq!(seen_bytes.next().await, Some(bytes("in")));
    socket.emit("one", bytes("one"));
    assert_eq!(seen_bytes.next().await, Some(bytes("one")));
    io.emit("all", bytes("all"));
    assert_eq!(seen_bytes.next().await, Some(bytes("all")));
    assert_eq!(next(&mut client_socket).await, "one");
    assert_eq!(next(&mut client_socket).await, "all");
}

/// A polling answer takes sixteen packets, and the others are put back: they go out a second time.
#[tokio::test]
async fn what_is_put_back_is_told_once() {
    const EVENTS: usize = 40;
    let io = server().await;
    let address = listen(&io).await;
    let client = Polling::joined(address).await;
    let (names, mut outgoing) = Namer::new();
    io.on_any_outgoing(names.listener("outgoing"));
    for number in 0..EVENTS {
        io.emit(&format!("{number}"), ()).await.unwrap();
    }
    let mut got = 0;
    while got < EVENTS {
        got += client.packets().await.len();
    }
    let told: Vec<String> = outgoing.take(EVENTS).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(told, (0..EVENTS).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(outgoing.rest().is_empty());
}

/// They run within the turn of the shard, which must not end with them.
#[tokio::test]
async fn an_outgoing_listener_that_panics_over_a_broadcast_keeps_nobody_from_it() {
    let io = server().await;
    answer_barriers(&io);
    io.on_any_outgoing(|_, _| panic!("on purpose"));
    let (_client, mut client_socket) = join(&io).await;
    barrier(&client_socket).await;
    io.emit("event", ());
    assert_eq!(next(&mut client_socket).await, "event");
    barrier(&client_socket).await;
}
