//! A log that takes its time, or takes nothing: what waits for it, and who is told. The logs themselves are tested in
//! `trunkline-log`.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;
use trunkline::log::{
    Adapter, AppendError, Appended, Batch, BoxFuture, HistoryQuery, Keep, Memory, Page, PageLimit, Pin, ReadError,
};
use trunkline::testing::{Client, ClientError};
use trunkline::{Bytes, Data, Key, Position, Recovery, Server, Socket};

use crate::peer::{WEBSOCKET, WebSocket};
use crate::support::{listen, seen};

/// What becomes of appends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gate {
    Open,
    Waits,
    Refuses,
}

/// The log in memory behind a gate.
#[derive(Debug)]
struct Gated {
    inner: Arc<Memory>,
    gate: watch::Receiver<Gate>,
}

impl Adapter for Gated {
    fn append(&self, batch: Batch) -> BoxFuture<Result<Appended, AppendError>> {
        let (inner, mut gate) = (self.inner.clone(), self.gate.clone());
        Box::pin(async move {
            match *gate.wait_for(|&gate| gate != Gate::Waits).await.unwrap() {
                Gate::Refuses => return Err(AppendError::Unavailable("the gate is closed".to_owned())),
                Gate::Open | Gate::Waits => {}
            }
            inner.append(batch).await
        })
    }

    fn answer(&self, key: &[u8]) -> BoxFuture<Result<Option<Bytes>, ReadError>> {
        self.inner.answer(key)
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    fn keep(&self, keep: Keep) {
        self.inner.keep(keep);
    }

    fn pin(&self, after: Position) -> Result<Pin, ReadError> {
        self.inner.pin(after)
    }

    fn acts(&self) -> BoxFuture<Result<Vec<Arc<trunkline::log::Entry>>, ReadError>> {
        self.inner.acts()
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble()
    }

    fn committed(&self) -> Position {
        self.inner.committed()
    }

    fn tail(&self, after: Position) -> Page {
        self.inner.tail(after)
    }

    fn changed(&self, after: Position) -> BoxFuture<()> {
        self.inner.changed(after)
    }

    fn read(&self, after: Position, limit: PageLimit) -> BoxFuture<Result<Page, ReadError>> {
        self.inner.read(after, limit)
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<Arc<trunkline::log::Entry>>, ReadError>> {
        self.inner.history(query)
    }

    fn close(&self) -> BoxFuture<()> {
        self.inner.close()
    }
}

async fn gated() -> (Server, watch::Sender<Gate>) {
    let (gate, receiver) = watch::channel(Gate::Open);
    let log = Gated { inner: Arc::default(), gate: receiver };
    let io = Server::builder().shards(1).recovery(Recovery::adapter(Arc::new(log))).build().await.unwrap();
    (io, gate)
}

#[tokio::test]
async fn an_answer_stands_behind_what_its_handler_emitted_however_slow_the_log_is() {
    let (io, gate) = gated().await;
    let (tell, mut told) = seen();
    io.on("go", move |socket: Socket| {
        let tell = tell.clone();
        async move {
            socket.emit("first", ());
            // Long enough for the append to be under way.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            tell.send(()).unwrap();
        }
    });
    let address = listen(&io).await;
    let mut wire = WebSocket::dial(address, WEBSOCKET).await;
    assert!(wire.hear().await.starts_with("0{"));
    wire.say("40").await;
    assert!(wire.hear().await.starts_with("40{"));
    for _ in 0..20 {
        gate.send(Gate::Waits).unwrap();
        wire.say("421[\"go\"]").await;
        told.next().await;
        gate.send(Gate::Open).unwrap();
        assert!(wire.hear().await.starts_with("42[\"first\""));
        assert_eq!(wire.hear().await, "431[]");
    }
}

#[tokio::test]
async fn nobody_is_told_what_the_log_does_not_have() {
    let (io, gate) = gated().await;
    io.on("emit", |socket: Socket| async move {
        socket.emit("event", ());
    });
    io.on("join", |socket: Socket| async move { socket.join("r").await });
    io.on_keyed(
        "publish",
        |key: &String| Key::from(key),
        |tx: trunkline::Batch| async move {
            tx.emit("published", ());
            Ok("stored")
        },
    );
    for event in ["emit", "join", "publish"] {
        let client = Client::open(&io).await.unwrap();
        let socket = client.connect("/", json!({})).await.unwrap();
        gate.send(Gate::Refuses).unwrap();
        let answer = socket.emit_with_ack::<serde_json::Value>(event, "key").await;
        assert_eq!(answer, Err(ClientError::Ended), "{event}");
        client.ended().await.unwrap();
        io.emit("event", ()).await.unwrap_err();
        gate.send(Gate::Open).unwrap();
    }
    let client = Client::open(&io).await.unwrap();
    let socket = client.connect("/", json!({})).await.unwrap();
    assert_eq!(socket.emit_with_ack::<String>("publish", "key").await, Ok("stored".to_owned()));
}

#[tokio::test]
async fn who_connects_while_the_log_takes_nothing_is_not_let_in_and_not_refused() {
    let (io, gate) = gated().await;
    gate.send(Gate::Refuses).unwrap();
    let client = Client::open(&io).await.unwrap();
    assert_eq!(client.connect("/", json!({})).await.err(), Some(ClientError::Ended));
    gate.send(Gate::Open).unwrap();
    let client = Client::open(&io).await.unwrap();
    client.connect("/", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_try_that_races_the_first_gets_its_answer() {
    let (io, gate) = gated().await;
    let (tell, mut told) = seen();
    io.on_keyed(
        "publish",
        |(key, _): &(String, u32)| Key::from(key),
        move |tx: trunkline::Batch, Data((_, number)): Data<(String, u32)>| {
            let tell = tell.clone();
            async move {
                tell.send(number).unwrap();
                tx.emit("published", number);
                Ok(number)
            }
        },
    );
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = Client::open(&io).await.unwrap();
        clients.push(client.connect("/", json!({})).await.unwrap());
    }
    gate.send(Gate::Waits).unwrap();
    let answers: Vec<_> = clients
        .iter()
        .zip(0..)
        .map(|(client, number)| client.emit_with_ack::<u32>("publish", ("key", number)))
        .collect();
    let first = told.next().await;
    gate.send(Gate::Open).unwrap();
    for answer in answers {
        assert_eq!(answer.await, Ok(first));
    }
    assert!(told.rest().is_empty(), "a second try waits for the first of its process");
    for client in &mut clients {
        assert_eq!(client.next_event().await.unwrap().args().get::<u32>(0).unwrap(), first);
    }
}
