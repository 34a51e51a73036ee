//! That connections leave nothing behind. A process of its own, since it looks at the whole process.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use serde_json::json;
use trunkline::testing::Client;
use trunkline::{Auth, Data, NotFound, Server, Socket};

/// Connections from the first to the last, in groups that are open at a time.
const CYCLES: usize = 20_000;
const AT_A_TIME: usize = 50;
/// What a heap may grow by from fragments alone; a leak of one word a cycle would be hidden, one of a buffer not.
const BYTES_MAX: usize = 8 << 20;

#[derive(Debug, PartialEq)]
struct Count {
    connections: usize,
    sockets: usize,
    rooms: usize,
    namespaces: usize,
    descriptors: usize,
    threads: usize,
    tasks: usize,
}

struct Rooms(std::sync::Arc<std::sync::atomic::AtomicUsize>);

fn entries(path: &str) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

impl Rooms {
    fn watch(io: &Server) -> Self {
        use std::sync::atomic::Ordering::Relaxed;
        let rooms = Self(std::sync::Arc::default());
        let count = rooms.0.clone();
        io.on_room_event(move |event| match event {
            trunkline::RoomEvent::Created { .. } => drop(count.fetch_add(1, Relaxed)),
            trunkline::RoomEvent::Deleted { .. } => drop(count.fetch_sub(1, Relaxed)),
            _ => {}
        });
        rooms
    }

    async fn count(&self, io: &Server) -> Count {
        Count {
            connections: io.connections(),
            sockets: io.fetch_sockets().await.len(),
            rooms: self.0.load(std::sync::atomic::Ordering::Relaxed),
            namespaces: io.of("/child-1").fetch_sockets().await.len(),
            descriptors: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        }
    }

    /// Counts when everything that was begun has ended.
    async fn settled(&self, io: &Server, expected: &Count) -> Count {
        let deadline = tokio::time::Instant::now() + trunkline::testing::DEADLINE;
        loop {
            let count = self.count(io).await;
            if count == *expected || tokio::time::Instant::now() > deadline {
                return count;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn server() -> Server {
    let io = Server::builder().shards(2).cleanup_empty_child_namespaces(true).build().await.unwrap();
    io.on_connect(|socket: Socket| async move { socket.join(["everybody", &*format!("own-{}", socket.id())]).await });
    io.on("echo", |socket: Socket, Data(text): Data<String>| async move {
        socket.on("own", || async {});
        socket.once("never", || async {});
        text
    });
    let parent = io.of_pattern("^/child-").unwrap();
    parent.middleware(|Auth(auth): Auth<serde_json::Value>| async move {
        if auth["refuse"] == true { Err("refused") } else { Ok(()) }
    });
    io
}

/// One connection, which ends in one of the ways that connections end.
async fn cycle(address: std::net::SocketAddr, io: Server, number: usize) {
    let client = if number % 4 == 3 { Client::open(&io).await } else { Client::dial(address).await }.unwrap();
    let socket = client.connect("/", json!({})).await.unwrap();
    assert_eq!(socket.emit_with_ack::<String>("echo", "x").await.unwrap(), "x");
    match number % 5 {
        0 => socket.disconnect(),
        1 => drop(client.connect("/child-1", json!({})).await.unwrap()),
        2 => drop(client.connect(&format!("/child-{number}"), json!({ "refuse": true })).await.unwrap_err()),
        3 => {
            io.in_(socket.id()).disconnect_sockets(true).await.unwrap();
            client.ended().await.unwrap();
        }
        _ => {}
    }
}

async fn cycles(address: std::net::SocketAddr, io: &Server, count: usize) {
    for group in 0..count / AT_A_TIME {
        let open: Vec<_> =
            (0..AT_A_TIME).map(|number| tokio::spawn(cycle(address, io.clone(), group * AT_A_TIME + number))).collect();
        for cycle in open {
            cycle.await.unwrap();
        }
    }
}

#[tokio::test]
async fn twenty_thousand_connections_leave_everything_where_it_was() {
    let io = server().await;
    let rooms = Rooms::watch(&io);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = io.clone();
    tokio::spawn(async move { serving.serve(listener, NotFound).await });
    // What is made at first need is made before the first look.
    let nothing = rooms.count(&io).await;
    cycles(address, &io, CYCLES / 10).await;
    let before = rooms.settled(&io, &nothing).await;
    assert_eq!(before, nothing);
    let memory = resident();

    cycles(address, &io, CYCLES).await;

    let after = rooms.settled(&io, &nothing).await;
    assert_eq!(after, nothing);
    let grown = resident().saturating_sub(memory);
    assert!(grown < BYTES_MAX, "{grown} bytes more than before");
    io.close().await;
}
