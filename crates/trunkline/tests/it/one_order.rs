//! One order: what many tasks and threads emit reaches every member of a room in the same order, whatever shard and
//! transport it is on, also while it changes the transport.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use trunkline::testing::Client;
use trunkline::{Server, Socket};

use crate::peer::{WebSocket, request};
use crate::support::{listen, seen, server_of};

const BROADCASTS: usize = 100;
const WEBSOCKETS: usize = 14;
const POLLING: usize = 8;
const UPGRADING: usize = 8;
const CLIENTS: usize = WEBSOCKETS + POLLING + UPGRADING;

type Order = Vec<u32>;

fn numbers_in(packets: &str, order: &mut Order) {
    for packet in packets.split('\u{1e}') {
        if let Some(event) = packet.strip_prefix("42") {
            let (_, number): (String, u32) = serde_json::from_str(event).unwrap();
            order.push(number);
        }
    }
}

async fn over_websocket(address: SocketAddr) -> Order {
    let client = Client::dial(address).await.unwrap();
    let mut socket = client.connect("/", json!({})).await.unwrap();
    let mut order = Order::new();
    while order.len() < BROADCASTS {
        order.push(socket.next_event().await.unwrap().read().unwrap());
    }
    order
}

/// Opens a session over polling and joins; gives the path of its further requests.
async fn open_polling(address: SocketAddr) -> String {
    let open = request(address, "GET", "/socket.io/?EIO=4&transport=polling", &[], "").await;
    let open: Value = serde_json::from_str(&open.text()[1..]).unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    assert_eq!(request(address, "POST", &path, &[], "40").await.text(), "ok");
    path
}

async fn over_polling(address: SocketAddr) -> Order {
    let path = open_polling(address).await;
    let mut order = Order::new();
    while order.len() < BROADCASTS {
        numbers_in(&request(address, "GET", &path, &[], "").await.text(), &mut order);
    }
    order
}

/// Polls until some events have come, and takes the rest over a WebSocket.
async fn across_the_upgrade(address: SocketAddr, upgrade_after: usize) -> Order {
    let path = open_polling(address).await;
    let mut order = Order::new();
    while order.len() < upgrade_after {
        numbers_in(&request(address, "GET", &path, &[], "").await.text(), &mut order);
    }
    let mut wire = WebSocket::dial(address, &path.replace("polling", "websocket")).await;
    wire.say("2probe").await;
    // The client polls on until it is told that the probe was taken.
    let (pong, poll) = tokio::join!(wire.hear(), request(address, "GET", &path, &[], ""));
    assert_eq!(pong, "3probe");
    numbers_in(&poll.text(), &mut order);
    wire.say("5").await;
    while order.len() < BROADCASTS {
        numbers_in(&wire.hear().await, &mut order);
    }
    order
}

/// Half from threads of their own, half from tasks, each a few.
fn broadcast_from_everywhere(io: &Server) {
    let each = u32::try_from(BROADCASTS / 20).unwrap();
    for emitter in 0..20_u32 {
        let io = io.clone();
        let emit = move |number| drop(io.to("room").emit("event", emitter * each + number));
        if emitter % 2 == 0 {
            std::thread::spawn(move || (0..each).for_each(emit));
        } else {
            tokio::spawn(async move {
                for number in 0..each {
                    emit(number);
                    tokio::task::yield_now().await;
                }
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_of_a_room_see_one_order_whatever_their_shard_and_transport() {
    let io = server_of(4).await;
    let (told, mut joined) = seen();
    io.on_connect(move |socket: Socket| {
        let told = told.clone();
        async move {
            socket.join("room").await;
            let _ = told.send(());
        }
    });
    let address = listen(&io).await;
    let mut clients: Vec<JoinHandle<Order>> = Vec::new();
    clients.extend((0..WEBSOCKETS).map(|_| tokio::spawn(over_websocket(address))));
    clients.extend((0..POLLING).map(|_| tokio::spawn(over_polling(address))));
    clients.extend((0..UPGRADING).map(|number| tokio::spawn(across_the_upgrade(address, number * 8))));
    joined.take(CLIENTS).await;

    broadcast_from_everywhere(&io);

    let mut orders = Vec::new();
    for client in clients {
        orders.push(client.await.unwrap());
    }
    let first = orders[0].clone();
    for order in &orders {
        assert_eq!(order, &first);
    }
    let mut all = first;
    all.sort_unstable();
    assert_eq!(all, (0..u32::try_from(BROADCASTS).unwrap()).collect::<Vec<_>>(), "each came once");
    assert_eq!(io.history("room").await.unwrap().len(), BROADCASTS);
    io.close().await;
}
