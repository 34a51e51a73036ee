//! What a server tells the `metrics` facade. It has a process of its own, for the recorder is the process's.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;
use trunkline::testing::Client;
use trunkline::{Recovery, Server, Socket};

/// Keeps the numbers by name and labels.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

struct Counts(Arc<AtomicU64>);

impl HistogramFn for Counts {
    fn record(&self, _value: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Book {
    fn number(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = [vec![key.name().to_owned()], labels].concat().join(" ");
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn get(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |number| number.load(Ordering::Relaxed))
    }

    /// Gauges are doubles by their bits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
    fn gauge(&self, name: &str) -> u64 {
        f64::from_bits(self.get(name)) as u64
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Counts(self.number(key))))
    }
}

#[tokio::test]
async fn the_figures_are_told() {
    let book = Book::default();
    metrics::set_global_recorder(book.clone()).unwrap();
    let io = Server::builder().shards(2).recovery(Recovery::memory()).build().await.unwrap();
    io.on("turn", |socket: Socket| async move {
        socket.emit("n", ());
    });
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = Client::open(&io).await.unwrap();
        let socket = client.connect("/", json!({})).await.unwrap();
        clients.push((client, socket));
    }
    assert_eq!(book.gauge("trunkline_connections"), 3);
    for number in 0..10 {
        io.emit("n", number).await.unwrap();
    }
    let (lost, socket) = clients.pop().unwrap();
    let auth = socket.comes_back();
    drop((lost, socket));
    // Shards tell once in a second, when they have a turn: the others make some.
    while book.gauge("trunkline_sessions_away") != 1 || book.get("trunkline_deliveries_total") < 20 {
        for (_, socket) in &mut clients {
            socket.emit("turn", ());
            socket.next_event().await.unwrap();
        }
    }
    assert_eq!((book.gauge("trunkline_members"), book.gauge("trunkline_connections")), (3, 2));
    let client = Client::open(&io).await.unwrap();
    client.connect("/", auth).await.unwrap();
    let client = Client::open(&io).await.unwrap();
    client.connect("/", json!({ "pid": "nobody's" })).await.unwrap();
    assert_eq!(book.get("trunkline_returns_total result=recovered"), 1);
    assert_eq!(book.get("trunkline_returns_total result=unknown"), 1);
    assert!(book.get("trunkline_entries_appended_total") >= 14, "ten events and four sessions");
    assert!(book.gauge("trunkline_log_ring_bytes") > 0);
}
