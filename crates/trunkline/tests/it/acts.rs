//! Acts on many sockets: whom they mean, for each act. That they take their place among the events is the part of
//! `rooms`.

use trunkline::testing::{Client, ClientSocket};
use trunkline::{Broadcast, Data, Server, Socket};

use crate::peer::Polling;
use crate::support::{answer_barriers, answer_marks, barrier, events_so_far, join, server_of};

/// Three clients: the first in room x, the second in x and y, the third in none.
struct Three {
    io: Server,
    _clients: Vec<Client>,
    sockets: Vec<ClientSocket>,
}

async fn three() -> Three {
    let io = server_of(2).await;
    io.on("join", |socket: Socket, Data(rooms): Data<Vec<String>>| async move { socket.join(rooms).await });
    answer_marks(&io);
    answer_barriers(&io);
    let (mut clients, mut sockets) = (Vec::new(), Vec::new());
    for rooms in [&["x"][..], &["x", "y"], &[]] {
        let (client, socket) = join(&io).await;
        socket.emit_with_ack::<()>("join", rooms).await.unwrap();
        clients.push(client);
        sockets.push(socket);
    }
    Three { io, _clients: clients, sockets }
}

impl Three {
    /// Which of them are in the room.
    async fn members(&self, room: &str) -> Vec<usize> {
        let members = self.io.to(room).fetch_sockets().await;
        let is_member = |socket: &ClientSocket| members.iter().any(|member| &**member.id() == socket.id());
        (0..self.sockets.len()).filter(|&index| is_member(&self.sockets[index])).collect()
    }
}

/// Whom an operator may mean, and who of the three that is.
fn targets(io: &Server) -> [(Broadcast, Vec<usize>); 4] {
    [
        (io.everyone(), vec![0, 1, 2]),
        (io.in_("x"), vec![0, 1]),
        (io.except("y"), vec![0, 2]),
        (io.in_("x").except("y"), vec![0]),
    ]
}

#[tokio::test]
async fn sockets_are_fetched_of_all_of_a_room_and_with_exceptions() {
    let three = three().await;
    for (target, expected) in targets(&three.io) {
        let mut found: Vec<String> =
            target.fetch_sockets().await.iter().map(|socket| socket.id().to_string()).collect();
        let mut expected: Vec<String> = expected.iter().map(|&index| three.sockets[index].id().to_owned()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn all_of_a_room_and_with_exceptions_join_and_leave() {
    let three = three().await;
    for (number, (target, expected)) in targets(&three.io).into_iter().enumerate() {
        let (one, other) = (format!("one {number}"), format!("other {number}"));
        target.sockets_join([&*one, &*other]).await.unwrap();
        assert_eq!(three.members(&one).await, expected);
        assert_eq!(three.members(&other).await, expected);
        target.sockets_leave(&*one).await.unwrap();
        assert!(three.members(&one).await.is_empty());
        // Who is not meant stays where it is.
        three.io.sockets_join(&*one).await.unwrap();
        target.sockets_leave([&*one, &*other]).await.unwrap();
        let stay: Vec<usize> = (0..3).filter(|index| !expected.contains(index)).collect();
        assert_eq!(three.members(&one).await, stay);
    }
}

#[tokio::test]
async fn all_of_a_room_and_with_exceptions_are_disconnected() {
    for number in 0..4 {
        let mut three = three().await;
        let (target, expected) = targets(&three.io)[number].clone();
        target.disconnect_sockets(false).await.unwrap();
        for (index, socket) in three.sockets.iter_mut().enumerate() {
            if expected.contains(&index) {
                assert!(socket.next_event().await.is_err());
            } else {
                assert!(events_so_far(socket).await.is_empty());
            }
        }
        assert_eq!(three.io.fetch_sockets().await.len(), 3 - expected.len());
    }
}

#[tokio::test]
async fn a_socket_leaves_all_its_rooms_at_once() {
    let three = three().await;
    three.io.on("leave all", |socket: Socket| async move {
        socket.leave(socket.rooms().await).await;
        socket.rooms().await.len()
    });
    let second = &three.sockets[1];
    assert_eq!(second.emit_with_ack::<usize>("leave all", ()).await.unwrap(), 0);
    assert_eq!(three.members("x").await, [0]);
    assert!(three.members("y").await.is_empty());
    // It is still found by its id.
    assert_eq!(three.members(second.id()).await, [1]);
    barrier(second).await;
}

/// The GET comes in the turn that walks the ban: the farewell must not pass what the client is still owed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_emitted_before_a_ban_comes_before_it_over_polling() {
    let io = server_of(1).await;
    io.on("join", |socket: Socket| async move { socket.join("banned").await });
    io.on("ban", |socket: Socket| async move {
        socket.namespace().in_("banned").disconnect_sockets(false);
    });
    let address = crate::support::listen(&io).await;
    let judge = Client::dial(address).await.unwrap().connect("/", serde_json::json!({})).await.unwrap();
    for number in 0..300 {
        let client = Polling::joined(address).await;
        client.post("42[\"join\"]").await;
        io.in_("banned").emit("before", number).await.unwrap();
        let ban = async {
            // Somewhere on the way of the GET, another place each time.
            for _ in 0..number % 60 {
                tokio::task::yield_now().await;
            }
            judge.emit("ban", ());
        };
        let (mut packets, ()) = tokio::join!(client.packets(), ban);
        while packets.last().is_none_or(|last| last != "41") {
            packets.extend(client.packets().await);
        }
        assert_eq!(packets, [format!("42[\"before\",{number}]"), "41".to_owned()]);
    }
}
