//! Clients that come back: what they are given, what they are not, and when they begin afresh. The arithmetic of it is
//! tested in the simulation, whole applications under faults by the official clients.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use trunkline::testing::{Client, ClientSocket};
use trunkline::{MemoryLimits, Recovery, Server, Socket};

use crate::peer::Polling;
use crate::peer::request;
use crate::support::{answer_barriers, barrier, seen};

async fn recovering(shards: usize) -> Server {
    server_with(shards, Recovery::memory()).await
}

async fn server_with(shards: usize, recovery: Recovery) -> Server {
    let io = Server::builder().shards(shards).recovery(recovery).build().await.unwrap();
    answer_barriers(&io);
    io.on("join", |socket: Socket, trunkline::Data(room): trunkline::Data<String>| async move {
        socket.join(room).await;
    });
    io.on("leave", |socket: Socket, trunkline::Data(room): trunkline::Data<String>| async move {
        socket.leave(room).await;
    });
    io.on("who", |socket: Socket| async move {
        let rooms: Vec<String> = socket.rooms().await.iter().map(ToString::to_string).collect();
        json!({ "recovered": socket.recovered(), "rooms": rooms, "name": socket.data::<String>("name") })
    });
    io
}

async fn enter(io: &Server, auth: Value) -> (Client, ClientSocket) {
    let client = Client::open(io).await.unwrap();
    let socket = client.connect("/", auth).await.unwrap();
    (client, socket)
}

async fn member(io: &Server, room: &str) -> (Client, ClientSocket) {
    let (client, socket) = enter(io, json!({})).await;
    socket.emit_with_ack::<()>("join", room).await.unwrap();
    (client, socket)
}

/// Loses the connection, and waits until the server knows.
async fn lose(io: &Server, lost: (Client, ClientSocket)) -> Value {
    let auth = lost.1.comes_back();
    let before = io.connections();
    drop(lost);
    while io.connections() == before {
        tokio::task::yield_now().await;
    }
    auth
}

async fn recovered(socket: &ClientSocket) -> bool {
    socket.emit_with_ack::<Value>("who", ()).await.unwrap()["recovered"].as_bool().unwrap()
}

/// The numbers that came until a barrier.
async fn numbers(socket: &mut ClientSocket, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(socket.next_event().await.unwrap().args().get(0).unwrap());
    }
    numbers
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    for shards in [1, 4] {
        let io = recovering(shards).await;
        let mut lost = member(&io, "r").await;
        for number in 0..3 {
            io.to("r").emit("n", number).await.unwrap();
        }
        assert_eq!(numbers(&mut lost.1, 3).await, [0, 1, 2]);
        let id = lost.1.id().to_owned();
        let auth = lose(&io, lost).await;
        for number in 3..100 {
            io.to("r").emit("n", number).await.unwrap();
        }
        let (_client, mut back) = enter(&io, auth).await;
        assert_eq!(back.id(), id);
        io.to("r").emit("n", 100).await.unwrap();
        assert_eq!(numbers(&mut back, 98).await, (3..=100).collect::<Vec<_>>());
        let who = back.emit_with_ack::<Value>("who", ()).await.unwrap();
        assert_eq!((&who["recovered"], &who["rooms"]), (&json!(true), &json!(["r"])));
    }
}

#[tokio::test]
async fn a_client_without_an_event_yet_gets_everything_since_it_came() {
    let io = recovering(2).await;
    let lost = member(&io, "r").await;
    io.to("r").emit("n", 1).await.unwrap();
    // It has been sent, but the client has never looked at it.
    let auth = lose(&io, lost).await;
    assert!(auth.get("offset").is_none());
    io.to("r").emit("n", 2).await.unwrap();
    let (_client, mut back) = enter(&io, auth).await;
    assert_eq!(numbers(&mut back, 2).await, [1, 2]);
}

#[tokio::test]
async fn a_pong_confirms_what_was_written_before_its_ping() {
    let ping = Duration::from_millis(20);
    let io = Server::builder().shards(1).ping_interval(ping).recovery(Recovery::memory()).build().await.unwrap();
    answer_barriers(&io);
    let lost = enter(&io, json!({})).await;
    io.emit("n", 1).await.unwrap();
    barrier(&lost.1).await;
    // A ping behind the event, its pong, and what the server reads after that.
    lost.0.pings(20).await.unwrap();
    barrier(&lost.1).await;
    let auth = lose(&io, lost).await;
    assert!(auth.get("offset").is_none(), "the test has not taken the event");
    io.emit("n", 2).await.unwrap();
    let (_client, mut back) = enter(&io, auth).await;
    assert_eq!(numbers(&mut back, 1).await, [2]);
}

#[tokio::test]
async fn a_connection_that_is_not_known_to_be_dead_gives_its_session_up() {
    let io = recovering(4).await;
    let (tell, mut told) = seen();
    let connected = tell.clone();
    io.on_connect(move |socket: Socket| {
        let tell = connected.clone();
        async move { tell.send(format!("connect {}", socket.recovered())).unwrap() }
    });
    io.on_disconnect(move |reason: trunkline::DisconnectReason| {
        let tell = tell.clone();
        async move { tell.send(format!("disconnect {reason}")).unwrap() }
    });
    let mut old = member(&io, "r").await;
    io.to("r").emit("n", 1).await.unwrap();
    assert_eq!(numbers(&mut old.1, 1).await, [1]);
    let (_client, mut back) = enter(&io, old.1.comes_back()).await;
    io.to("r").emit("n", 2).await.unwrap();
    assert_eq!(numbers(&mut back, 1).await, [2]);
    old.0.ended().await.unwrap();
    assert_eq!(told.take(3).await, ["connect false", "disconnect transport close", "connect true"]);
}

#[tokio::test]
async fn the_handlers_of_the_old_connection_are_done_before_those_of_the_new_begin() {
    let io = recovering(2).await;
    let (tell, mut told) = seen();
    let (go, gate) = tokio::sync::watch::channel(false);
    let slow = tell.clone();
    io.on("slow", move || {
        let (tell, mut gate) = (slow.clone(), gate.clone());
        async move {
            tell.send("slow begins").unwrap();
            gate.wait_for(|&open| open).await.unwrap();
            tell.send("slow ends").unwrap();
        }
    });
    io.on("next", move || {
        let tell = tell.clone();
        async move { tell.send("next").unwrap() }
    });
    let old = enter(&io, json!({})).await;
    old.1.emit("slow", ());
    assert_eq!(told.next().await, "slow begins");
    let (_client, back) = enter(&io, old.1.comes_back()).await;
    back.emit("next", ());
    go.send(true).unwrap();
    barrier(&back).await;
    assert_eq!(told.rest(), ["slow ends", "next"]);
}

#[tokio::test]
async fn memberships_are_history_in_a_replay() {
    let io = recovering(2).await;
    let lost = member(&io, "a").await;
    lost.1.emit_with_ack::<()>("join", "b").await.unwrap();
    io.to("a").emit("n", 1).await.unwrap();
    io.to("b").emit("n", 2).await.unwrap();
    lost.1.emit_with_ack::<()>("leave", "b").await.unwrap();
    io.to("b").emit("n", 3).await.unwrap();
    let auth = lose(&io, lost).await;
    // Acts reach who is away.
    io.to("a").sockets_join("c").await.unwrap();
    io.to("c").emit("n", 4).await.unwrap();
    io.to("c").sockets_leave("a").await.unwrap();
    io.to("a").emit("n", 5).await.unwrap();
    io.except("c").emit("n", 6).await.unwrap();
    io.emit("n", 7).await.unwrap();
    let (_client, mut back) = enter(&io, auth).await;
    assert_eq!(numbers(&mut back, 4).await, [1, 2, 4, 7]);
    assert_eq!(back.emit_with_ack::<Value>("who", ()).await.unwrap()["rooms"], json!(["c"]));
}

#[tokio::test]
async fn who_was_made_to_leave_while_away_begins_afresh() {
    let io = recovering(2).await;
    let lost = member(&io, "r").await;
    let id = lost.1.id().to_owned();
    let auth = lose(&io, lost).await;
    io.in_("r").disconnect_sockets(true).await.unwrap();
    let (_client, back) = enter(&io, auth).await;
    assert!(!recovered(&back).await);
    assert_ne!(back.id(), id);
}

#[tokio::test]
async fn who_left_begins_afresh() {
    let io = recovering(2).await;
    let (client, socket) = member(&io, "r").await;
    let auth = socket.comes_back();
    socket.disconnect();
    let again = client.connect("/", auth).await.unwrap();
    assert!(!recovered(&again).await);
}

#[tokio::test]
async fn events_for_one_socket_and_its_data_wait_for_it() {
    let io = recovering(2).await;
    io.on("name", |socket: Socket, trunkline::Data(name): trunkline::Data<String>| async move {
        socket.set_data("name", name).map_err(trunkline::Error::from)
    });
    let lost = enter(&io, json!({})).await;
    lost.1.emit_with_ack::<()>("name", "anna").await.unwrap();
    let id = lost.1.id().to_owned();
    let auth = lose(&io, lost).await;
    io.to(id.as_str()).emit("n", 1).await.unwrap();
    let (_client, mut back) = enter(&io, auth).await;
    assert_eq!(numbers(&mut back, 1).await, [1]);
    assert_eq!(back.emit_with_ack::<Value>("who", ()).await.unwrap()["name"], json!("anna"));
}

#[tokio::test]
async fn what_passes_the_log_does_not_spoil_the_way_back() {
    let io = recovering(1).await;
    let mut lost = member(&io, "r").await;
    io.to("r").emit("n", 1).await.unwrap();
    io.to("r").volatile().emit("vol", "a string at the end").await.unwrap();
    io.to("r").local().emit("local", "another").await.unwrap();
    io.on("self", |socket: Socket| async move {
        socket.volatile().emit("vol", "one more");
    });
    for name in ["n", "vol", "local"] {
        assert_eq!(lost.1.next_event().await.unwrap().name(), name);
    }
    lost.1.emit_with_ack::<()>("self", ()).await.unwrap();
    assert_eq!(lost.1.next_event().await.unwrap().name(), "vol");
    let auth = lose(&io, lost).await;
    io.to("r").emit("n", 2).await.unwrap();
    let (_client, mut back) = enter(&io, auth).await;
    assert_eq!(numbers(&mut back, 1).await, [2]);
    assert!(recovered(&back).await);
}

#[tokio::test]
async fn an_offset_that_is_not_ours_is_the_applications_own() {
    let io = recovering(2).await;
    for offset in [json!("123"), json!(5), json!("ffffffff-zz")] {
        let lost = member(&io, "r").await;
        let mut auth = lose(&io, lost).await;
        auth["offset"] = offset;
        let (_client, back) = enter(&io, auth).await;
        assert!(!recovered(&back).await);
    }
    // One of another log counts as none.
    let lost = member(&io, "r").await;
    let mut auth = lose(&io, lost).await;
    io.to("r").emit("n", 1).await.unwrap();
    auth["offset"] = json!("00000000-1");
    let (_client, mut back) = enter(&io, auth).await;
    assert_eq!(numbers(&mut back, 1).await, [1]);
    assert!(recovered(&back).await);
}

#[tokio::test]
async fn a_log_that_has_passed_the_client_says_so() {
    let memory = MemoryLimits { entries: 8, ..MemoryLimits::default() };
    let io = Server::builder().shards(1).memory(memory).recovery(Recovery::memory()).build().await.unwrap();
    io.on("who", |socket: Socket| async move { json!({ "recovered": socket.recovered() }) });
    let lost = enter(&io, json!({})).await;
    let auth = lose(&io, lost).await;
    for number in 0..40 {
        io.emit("n", number).await.unwrap();
    }
    let (_client, back) = enter(&io, auth).await;
    assert!(!recovered(&back).await);
}

#[tokio::test]
async fn a_session_is_valid_for_as_long_as_the_application_says() {
    let io = recovering(2).await;
    io.middleware(|socket: Socket| async move {
        let auth: Value = socket.auth().unwrap_or_default();
        let end = auth["ends"].as_bool().unwrap_or_default();
        socket.set_valid_until(end.then_some(SystemTime::UNIX_EPOCH));
        Ok::<_, trunkline::ConnectError>(())
    });
    for (ends, comes_back) in [(false, true), (true, false)] {
        let lost = enter(&io, json!({ "ends": ends })).await;
        barrier(&lost.1).await;
        let auth = lose(&io, lost).await;
        let (_client, back) = enter(&io, auth).await;
        assert_eq!(recovered(&back).await, comes_back);
    }
}

#[tokio::test]
async fn a_session_is_forgotten_after_the_window() {
    let io = server_with(1, Recovery::memory().window(Duration::ZERO)).await;
    let lost = enter(&io, json!({})).await;
    let auth = lose(&io, lost).await;
    // The turn that forgets it comes before the one that takes this client in.
    let (_client, back) = enter(&io, auth).await;
    assert!(!recovered(&back).await);
}

#[tokio::test]
async fn middlewares_are_asked_again_if_the_application_wants_it() {
    for skip in [true, false] {
        let io = server_with(2, Recovery::memory().skip_middlewares(skip)).await;
        let (tell, mut told) = seen();
        io.middleware(move |socket: Socket| {
            let tell = tell.clone();
            async move {
                tell.send(socket.recovered()).unwrap();
                Ok::<_, trunkline::ConnectError>(())
            }
        });
        let lost = member(&io, "r").await;
        let auth = lose(&io, lost).await;
        io.to("r").emit("n", 1).await.unwrap();
        let (_client, mut back) = enter(&io, auth).await;
        assert_eq!(numbers(&mut back, 1).await, [1]);
        assert!(recovered(&back).await);
        let asked: &[bool] = if skip { &[false] } else { &[false, true] };
        assert_eq!(told.rest(), asked);
    }
}

#[tokio::test]
async fn a_client_that_cannot_come_back_gets_no_offset() {
    let io = server_with(1, Recovery::memory().clients_if(|handshake| handshake.query("old").is_none())).await;
    let client = Client::opening().query("old", "1").open(&io).await.unwrap();
    let mut socket = client.connect("/", json!({})).await.unwrap();
    assert_eq!(socket.comes_back(), json!({}));
    socket.emit_with_ack::<()>("join", "r").await.unwrap();
    io.to("r").emit("n", 1).await.unwrap();
    assert_eq!(socket.next_event().await.unwrap().args().len(), 1);
}

#[tokio::test]
async fn every_namespace_of_a_connection_comes_back_by_itself() {
    let io = recovering(4).await;
    let other = io.of("/other");
    let client = Client::open(&io).await.unwrap();
    let main = client.connect("/", json!({})).await.unwrap();
    let second = client.connect("/other", json!({})).await.unwrap();
    let ids = [main.id().to_owned(), second.id().to_owned()];
    let auths = [main.comes_back(), second.comes_back()];
    drop((client, main, second));
    while io.connections() > 0 {
        tokio::task::yield_now().await;
    }
    io.emit("n", 1).await.unwrap();
    other.emit("n", 2).await.unwrap();
    let client = Client::open(&io).await.unwrap();
    let mut main = client.connect("/", &auths[0]).await.unwrap();
    let mut second = client.connect("/other", &auths[1]).await.unwrap();
    assert_eq!([main.id(), second.id()], [&ids[0], &ids[1]]);
    assert_eq!(numbers(&mut main, 1).await, [1]);
    assert_eq!(numbers(&mut second, 1).await, [2]);
    // A session is one namespace's.
    let wrong = client.connect("/third", &auths[0]).await;
    assert!(wrong.is_err(), "nobody has made it");
}

#[tokio::test]
async fn without_recovery_there_is_nothing_to_come_back_to() {
    let io = crate::support::server().await;
    let (_client, mut socket) = enter(&io, json!({})).await;
    io.emit("n", 1).await.unwrap();
    assert_eq!(socket.next_event().await.unwrap().args().len(), 1);
    assert_eq!(socket.comes_back(), json!({}));
    let (_client, again) = enter(&io, json!({ "pid": "abc", "offset": "00000000-1" })).await;
    assert_eq!(again.comes_back(), json!({}));
}

/// Browsers and boxes on the way send a request again when its connection breaks, and the client never knows.
#[tokio::test]
async fn a_request_that_is_sent_again_is_not_taken_twice_and_its_answer_not_lost() {
    let io = recovering(2).await;
    let (tell, mut told) = seen();
    io.on("once", move || {
        let tell = tell.clone();
        async move { tell.send(()).unwrap() }
    });
    let address = crate::support::listen(&io).await;
    let client = Polling::joined(address).await;
    let post = format!("{}&t=post1", client.path());
    for _ in 0..2 {
        let answer = request(address, "POST", &post, &[], "42[\"once\"]").await;
        assert_eq!((answer.status, &*answer.text()), (200, "ok"));
    }
    request(address, "POST", &format!("{}&t=post2", client.path()), &[], "421[\"barrier\"]").await;
    let get = format!("{}&t=get1", client.path());
    assert_eq!(request(address, "GET", &get, &[], "").await.text(), "431[]");
    told.next().await;
    assert!(told.rest().is_empty());
    // What was in the answer is not kept: the session ends, and the client comes back for it.
    assert_eq!(request(address, "GET", &get, &[], "").await.status, 400);
    while io.connections() > 0 {
        tokio::task::yield_now().await;
    }
}
