//! What many tests need: a server, clients that have joined, and a record of what was seen. Behaviour is tested
//! elsewhere.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use trunkline::testing::{Client, ClientSocket, DEADLINE};
use trunkline::{NotFound, Server};

/// A server of one shard.
pub(crate) async fn server() -> Server {
    server_of(1).await
}

pub(crate) async fn server_of(shards: usize) -> Server {
    Server::builder().shards(shards).build().await.unwrap()
}

/// A client in the main namespace, on a connection of its own.
pub(crate) async fn join(io: &Server) -> (Client, ClientSocket) {
    join_in(io, "/").await
}

pub(crate) async fn join_in(io: &Server, ns: &str) -> (Client, ClientSocket) {
    let client = Client::open(io).await.unwrap();
    let socket = client.connect(ns, json!({})).await.unwrap();
    (client, socket)
}

/// Serves on a port of the system's choice.
pub(crate) async fn listen(io: &Server) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let io = io.clone();
    tokio::spawn(async move { io.serve(listener, NotFound).await });
    address
}

/// What handlers saw, in order, for the test to wait for.
pub(crate) struct Seen<T>(mpsc::UnboundedReceiver<T>);

pub(crate) fn seen<T>() -> (mpsc::UnboundedSender<T>, Seen<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Seen(receiver))
}

impl<T> Seen<T> {
    pub(crate) async fn next(&mut self) -> T {
        tokio::time::timeout(DEADLINE, self.0.recv()).await.expect("nothing was seen in time").expect("nobody is left")
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<T> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.next().await);
        }
        all
    }

    /// What has been seen and not been taken; the test has made sure that nothing is under way.
    pub(crate) fn rest(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// The answer that an error becomes.
pub(crate) fn error(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message } })
}

/// The code of an answer that is an error.
pub(crate) fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("no error")
}

/// A handler to ask when everything sent before has been handled, and everything emitted before has come.
pub(crate) fn answer_barriers(io: &trunkline::Namespace) {
    io.on("barrier", || async {});
}

pub(crate) async fn barrier(socket: &ClientSocket) {
    socket.emit_with_ack::<()>("barrier", ()).await.unwrap();
}

/// The names of the events that came before an answer to a barrier sent now.
pub(crate) async fn events_so_far(socket: &mut ClientSocket) -> Vec<String> {
    socket.emit("mark", ());
    let mut names = Vec::new();
    loop {
        let event = socket.next_event().await.unwrap();
        if event.name() == "marked" {
            return names;
        }
        names.push(event.name().to_owned());
    }
}

/// Lets [`events_so_far`] work.
pub(crate) fn answer_marks(ns: &trunkline::Namespace) {
    ns.on("mark", |socket: trunkline::Socket| async move {
        socket.emit("marked", ());
    });
}
