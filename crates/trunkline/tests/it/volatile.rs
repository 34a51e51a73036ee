//! Volatile events: who gets them and who does not. A wire is busy when it has not taken all that was written, and over
//! polling when no GET waits. What a client misses that reads too slowly for long is the part of `slow`.

use trunkline::testing::{Client, ClientSocket};
use trunkline::{Bytes, Data, Server, Socket};

use crate::peer::Polling;
use crate::support::{answer_barriers, barrier, join, listen, seen, server};

/// Far more than a pipe holds.
const BYTES: usize = 1024 * 1024;

fn payload() -> Bytes {
    Bytes::from(vec![7; BYTES])
}

/// How an event is emitted that is volatile.
type Emit = Box<dyn Fn(&str, u8)>;

/// Both ways, to one socket and to all, with this payload.
fn ways<T: serde::Serialize + Clone + 'static>(io: &Server, socket: &Socket, payload: T) -> [Emit; 2] {
    let (io, socket, own) = (io.clone(), socket.clone(), payload.clone());
    [
        Box::new(move |name, number| drop(socket.volatile().emit(name, (number, own.clone())))),
        Box::new(move |name, number| drop(io.volatile().emit(name, (number, payload.clone())))),
    ]
}

/// A client over a pipe, whose wire is free, and its socket on the server.
async fn joined(io: &Server) -> (Client, ClientSocket, Socket) {
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    answer_barriers(io);
    let (client, client_socket) = join(io).await;
    barrier(&client_socket).await;
    (client, client_socket, sockets.next().await)
}

async fn next(socket: &mut ClientSocket) -> String {
    socket.next_event().await.unwrap().name().to_owned()
}

#[tokio::test]
async fn a_volatile_event_is_dropped_behind_one_that_is_still_being_written() {
    let io = server().await;
    let (client, mut client_socket, socket) = joined(&io).await;
    for emit in ways(&io, &socket, ()) {
        client.pause(true);
        io.emit("event", payload()).await.unwrap();
        emit("volatile", 1);
        socket.emit("last", ());
        client.pause(false);
        assert_eq!(next(&mut client_socket).await, "event");
        assert_eq!(next(&mut client_socket).await, "last");
        barrier(&client_socket).await;
    }
}

#[tokio::test]
async fn a_volatile_event_is_sent_when_the_wire_is_free() {
    let io = server().await;
    let (_client, mut client_socket, socket) = joined(&io).await;
    for emit in ways(&io, &socket, ()) {
        emit("volatile", 1);
        assert_eq!(next(&mut client_socket).await, "volatile");
        barrier(&client_socket).await;
    }
}

#[tokio::test]
async fn of_several_volatile_events_the_first_goes_while_the_wire_is_busy() {
    let io = server().await;
    let (client, mut client_socket, socket) = joined(&io).await;
    let text = "x".repeat(BYTES);
    for emit in ways(&io, &socket, text) {
        client.pause(true);
        (1..=3).for_each(|number| emit("volatile", number));
        socket.emit("last", ());
        client.pause(false);
        let (number, text): (u8, String) = client_socket.next_event().await.unwrap().read().unwrap();
        assert_eq!((number, text.len()), (1, BYTES));
        assert_eq!(next(&mut client_socket).await, "last");
        barrier(&client_socket).await;
    }
}

/// An attachment without its announcement would end the connection.
#[tokio::test]
async fn a_dropped_volatile_event_takes_its_attachments_along() {
    let io = server().await;
    let (client, mut client_socket, socket) = joined(&io).await;
    for emit in ways(&io, &socket, [payload(), payload()]) {
        client.pause(true);
        (1..=3).for_each(|number| emit("volatile", number));
        socket.emit("last", Bytes::from_static(b"own"));
        client.pause(false);
        let (number, [one, two]): (u8, [Bytes; 2]) = client_socket.next_event().await.unwrap().read().unwrap();
        assert_eq!((number, one.len(), two.len()), (1, BYTES, BYTES));
        let last = client_socket.next_event().await.unwrap();
        assert_eq!((last.name(), last.read::<Bytes>().unwrap()), ("last", Bytes::from_static(b"own")));
        barrier(&client_socket).await;
    }
}

/// All of them are written at once then, and what the wire does not take is put back.
#[tokio::test]
async fn of_several_volatile_events_of_one_handler_the_first_goes_while_the_wire_is_busy() {
    let io = server().await;
    let (told, mut handled) = seen();
    io.on("go", move |socket: Socket, Data(everybody): Data<bool>| {
        for number in 1..=3_u8 {
            match everybody {
                true => socket.namespace().volatile().emit("volatile", (number, payload())),
                false => socket.volatile().emit("volatile", (number, payload())),
            };
        }
        socket.emit("last", ());
        told.send(()).unwrap();
        async {}
    });
    let (client, mut client_socket, _socket) = joined(&io).await;
    for everybody in [false, true] {
        client.pause(true);
        client_socket.emit("go", everybody);
        handled.next().await;
        // What is answered in a second turn comes behind what was written in the first.
        for _ in 0..2 {
            io.fetch_sockets().await;
        }
        client.pause(false);
        let (number, _): (u8, Bytes) = client_socket.next_event().await.unwrap().read().unwrap();
        assert_eq!(number, 1);
        assert_eq!(next(&mut client_socket).await, "last");
        barrier(&client_socket).await;
    }
}

#[tokio::test]
async fn without_a_get_a_volatile_event_is_dropped_and_the_normal_ones_come() {
    let io = server().await;
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let client = Polling::joined(listen(&io).await).await;
    let socket = sockets.next().await;
    for emit in ways(&io, &socket, Bytes::from_static(b"attachment")) {
        io.emit("before", ()).await.unwrap();
        emit("volatile", 1);
        io.emit("behind", ()).await.unwrap();
        let mut packets = client.packets().await;
        while packets.len() < 2 {
            packets.extend(client.packets().await);
        }
        assert_eq!(packets, ["42[\"before\"]", "42[\"behind\"]"]);
    }
}

#[tokio::test]
async fn a_get_that_waits_takes_a_volatile_event_and_those_behind_it_are_dropped() {
    let io = server().await;
    let (told, mut sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let client = Polling::joined(listen(&io).await).await;
    let socket = sockets.next().await;
    for emit in ways(&io, &socket, ()) {
        let waiting = client.clone();
        let waiting = tokio::spawn(async move { waiting.packets().await });
        // As long as the GET is on its way they are dropped.
        while !waiting.is_finished() {
            emit("volatile", 1);
            tokio::task::yield_now().await;
        }
        assert!(waiting.await.unwrap().iter().all(|packet| packet == "42[\"volatile\",1,null]"));
        (2..=3).for_each(|number| emit("volatile", number));
        io.emit("last", ()).await.unwrap();
        assert_eq!(client.packets().await, ["42[\"last\"]"]);
    }
}
