//! Emitting to many: whom an operator means, and answers of many. Rooms themselves are the part of `rooms`.

use std::time::Duration;

use serde_json::Value;
use trunkline::testing::{Client, ClientSocket};
use trunkline::{AckError, Bytes, Data, Server, Socket};

use crate::support::{answer_barriers, answer_marks, barrier, events_so_far, join, server_of};

/// Three clients: `a` in room x, `b` in x and y, `c` in no room.
struct Three {
    _clients: [Client; 3],
    sockets: [ClientSocket; 3],
}

async fn three(io: &Server) -> Three {
    io.on("join", |socket: Socket, Data(rooms): Data<Vec<String>>| async move { socket.join(rooms).await });
    answer_marks(io);
    answer_barriers(io);
    let ((a_client, a), (b_client, b), (c_client, c)) = (join(io).await, join(io).await, join(io).await);
    a.emit_with_ack::<()>("join", vec!["x"]).await.unwrap();
    b.emit_with_ack::<()>("join", vec!["x", "y"]).await.unwrap();
    Three { _clients: [a_client, b_client, c_client], sockets: [a, b, c] }
}

impl Three {
    fn id(&self, index: usize) -> String {
        self.sockets[index].id().to_owned()
    }

    /// The events that each has got so far.
    async fn got(&mut self) -> [Vec<String>; 3] {
        let [a, b, c] = &mut self.sockets;
        [events_so_far(a).await, events_so_far(b).await, events_so_far(c).await]
    }
}

fn names(lists: [&[&str]; 3]) -> [Vec<String>; 3] {
    lists.map(|list| list.iter().map(|name| (*name).to_owned()).collect())
}

#[tokio::test]
async fn an_operator_means_the_members_of_its_rooms_once_each() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    io.emit("everybody", ());
    io.to("x").emit("x", ());
    io.to("y").emit("y", ());
    io.to(["x", "y"]).emit("x or y", ());
    io.to("x").to("y").in_("x").emit("chained", ());
    io.to("nobody").emit("nobody", ());
    io.send("hello");
    assert_eq!(
        three.got().await,
        names([
            &["everybody", "x", "x or y", "chained", "message"],
            &["everybody", "x", "y", "x or y", "chained", "message"],
            &["everybody", "message"],
        ])
    );
}

#[tokio::test]
async fn except_leaves_out_rooms_and_ids() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    io.except("y").emit("not y", ());
    io.except(three.id(0)).emit("not a", ());
    io.to("x").except("y").emit("x not y", ());
    io.to("x").except([three.id(0), three.id(1)]).emit("none", ());
    io.to(three.id(2)).emit("c", ());
    io.to("x").except("x").emit("none", ());
    assert_eq!(three.got().await, names([&["not y", "x not y"], &["not a"], &["not y", "not a", "c"]]));
}

#[tokio::test]
async fn operators_of_a_socket_leave_the_sender_out() {
    let io = server_of(2).await;
    io.on("go", |socket: Socket| async move {
        socket.broadcast().emit("rest", ());
        socket.to("x").emit("x", ());
        socket.in_("x").except("y").emit("x not y", ());
        socket.except("y").emit("not y", ());
        socket.local().emit("local", ());
    });
    let mut three = three(&io).await;
    three.sockets[0].emit_with_ack::<()>("go", ()).await.unwrap();
    assert_eq!(three.got().await, names([&[], &["rest", "x", "local"], &["rest", "not y", "local"]]));
}

#[tokio::test]
async fn operators_are_immutable_and_can_be_kept() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    let x = io.to("x");
    let not_y = x.except("y");
    let _ = x.to("y").local().volatile().compress(false).timeout(Duration::from_millis(1));
    x.emit("x", ());
    not_y.emit("not y", ());
    x.emit("x again", ());
    assert_eq!(three.got().await, names([&["x", "not y", "x again"], &["x", "x again"], &[]]));
}

#[tokio::test]
async fn local_volatile_and_uncompressed_events_arrive_in_order_with_the_others() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    io.emit("1", ());
    io.local().to("x").emit("2", ());
    io.emit("3", ());
    io.compress(false).to("x").emit("4", ());
    io.volatile().to("x").emit("5", ());
    io.local().emit("6", ());
    let all = &["1", "2", "3", "4", "5", "6"][..];
    assert_eq!(three.got().await, names([all, all, &["1", "3", "6"]]));
}

/// The names of the next events, each of which is answered.
async fn answered(socket: &mut ClientSocket, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        let event = socket.next_event().await.unwrap();
        names.push(event.name().to_owned());
        event.answer(());
    }
    names
}

/// A local broadcast went behind what stood in line for later entries, and a volatile one was dropped for that.
#[tokio::test]
async fn what_a_handler_sends_in_any_way_arrives_in_the_order_of_its_calls() {
    let io = server_of(1).await;
    io.on("go", |socket: Socket| async move {
        let io = socket.namespace();
        socket.emit("1", ());
        socket.volatile().emit("2", ());
        io.local().emit("3", ());
        socket.emit("4", ());
        let _: () = socket.emit_with_ack("5", ()).await?;
        io.volatile().emit("6", ());
        socket.emit("7", ());
        socket.volatile().emit("8", ());
        Ok::<_, trunkline::Error>(())
    });
    let (_client, mut socket) = join(&io).await;
    socket.emit("go", ());
    assert_eq!(answered(&mut socket, 8).await, ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[tokio::test]
async fn what_a_handler_sends_to_one_client_comes_behind_its_local_broadcast() {
    let io = server_of(1).await;
    io.on("go", |socket: Socket| async move {
        socket.namespace().local().emit("first", ());
        socket.volatile().emit("second", ());
    });
    let (_client, mut socket) = join(&io).await;
    socket.emit("go", ());
    assert_eq!(answered(&mut socket, 2).await, ["first", "second"]);
}

/// What another thread sent to one client did not wait for the entries that this thread had emitted before.
#[tokio::test]
async fn what_another_thread_sends_to_one_client_comes_behind_what_it_emitted() {
    let io = server_of(2).await;
    let (told, mut sockets) = crate::support::seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let (_client, mut client_socket) = join(&io).await;
    let socket = sockets.next().await;
    for _ in 0..50 {
        socket.emit("1", ());
        socket.volatile().emit("2", ());
        io.emit("3", ());
        let (answer, names) = tokio::join!(socket.emit_with_ack::<()>("4", ()), answered(&mut client_socket, 4));
        assert_eq!(names, ["1", "2", "3", "4"]);
        answer.unwrap();
    }
}

#[tokio::test]
async fn binary_is_broadcast_at_any_depth() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    let data = Bytes::from_static(b"\x00\xff");
    io.emit("file", (1, vec![data.clone()])).await.unwrap();
    for socket in &mut three.sockets {
        let (number, list): (u8, Vec<Bytes>) = socket.next_event().await.unwrap().read().unwrap();
        assert_eq!((number, &list[0]), (1, &data));
    }
}

/// Asks all of `x`, and lets `a` and `b` answer with these values.
async fn ask_x(io: &Server, three: &mut Three, answers: [Option<u32>; 2]) -> Result<Vec<u32>, AckError> {
    let [a, b, _] = &mut three.sockets;
    let answering = async {
        for (socket, answer) in [a, b].into_iter().zip(answers) {
            let question = socket.next_event().await.unwrap();
            assert!(question.wants_answer());
            if let Some(answer) = answer {
                question.answer(answer);
                // Answers twice: the second does not count.
                question.answer(99);
                barrier(socket).await;
            }
        }
    };
    let question = io.to("x").timeout(Duration::from_millis(200));
    tokio::join!(question.emit_with_ack("question", ()), answering).0
}

#[tokio::test]
async fn a_broadcast_with_answers_gives_all_of_them() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    assert_eq!(ask_x(&io, &mut three, [Some(1), Some(2)]).await, Ok(vec![1, 2]));
    assert_eq!(three.got().await, names([&[], &[], &[]]));
}

#[tokio::test]
async fn answers_that_came_in_time_are_in_the_timeout() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    let Err(AckError::Timeout(answers)) = ask_x(&io, &mut three, [Some(1), None]).await else { panic!("all answered") };
    assert_eq!(answers.iter().map(|args| args.get::<u32>(0).unwrap()).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_broadcast_that_addresses_nobody_has_no_answers_at_once() {
    let io = server_of(2).await;
    let answers: Vec<Value> = io.to("nobody").emit_with_ack("question", ()).await.unwrap();
    assert!(answers.is_empty());
    let answers: Vec<Value> = io.emit_with_ack("question", ()).await.unwrap();
    assert!(answers.is_empty());
}

#[tokio::test]
async fn late_and_foreign_answers_are_ignored() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    let Err(AckError::Timeout(_)) = ask_x(&io, &mut three, [None, None]).await else { panic!("all answered") };
    // The late answer of `a`, under an id that is known to be the first; then one of `c`, which nobody asked.
    let (a_question, c) = (io.to(three.id(0)).timeout(Duration::from_millis(500)), three.id(2));
    let asking = a_question.emit_with_ack::<u32>("question", ());
    let [a, _, c_socket] = &mut three.sockets;
    let (answers, ()) = tokio::join!(asking, async {
        let question = a.next_event().await.unwrap();
        let asked_c = io.to(c);
        let (_, ()) = tokio::join!(asked_c.emit_with_ack::<u32>("other", ()), async {
            c_socket.next_event().await.unwrap().answer(7);
        });
        barrier(c_socket).await;
        question.answer(1);
    });
    assert_eq!(answers, Ok(vec![1]));
}

#[tokio::test]
async fn a_broadcast_with_answers_takes_binary_both_ways() {
    let io = server_of(2).await;
    let mut three = three(&io).await;
    let y = io.to("y");
    let asking = y.emit_with_ack::<Bytes>("question", Bytes::from_static(b"q"));
    let (answers, ()) = tokio::join!(asking, async {
        let question = three.sockets[1].next_event().await.unwrap();
        question.answer(question.read::<Bytes>().unwrap());
    });
    assert_eq!(answers.unwrap(), [Bytes::from_static(b"q")]);
}

#[tokio::test]
async fn a_handler_may_ask_many_and_answer_with_what_they_said() {
    let io = server_of(2).await;
    io.on("poll", |socket: Socket| async move {
        let answers: Vec<u32> = socket.to("x").emit_with_ack("question", ()).await?;
        Ok::<_, trunkline::Error>(answers.iter().sum::<u32>())
    });
    let mut three = three(&io).await;
    let [a, b, c] = &mut three.sockets;
    let sum = c.emit_with_ack::<u32>("poll", ());
    a.next_event().await.unwrap().answer(3);
    b.next_event().await.unwrap().answer(4);
    assert_eq!(sum.await.unwrap(), 7);
}
