//! Clients that do not read: they lag while others are served, get everything in order when they read again, and are
//! closed when the log has passed them. Slow handlers are the part of `dispatch`.

use serde_json::json;
use trunkline::testing::{Client, ClientSocket};
use trunkline::{Bytes, DisconnectReason, MemoryLimits, Server, Socket};

use crate::support::{Seen, answer_barriers, barrier, listen, seen, server};

const EVENTS: u32 = 400;
const BYTES: usize = 64 * 1024;

async fn joined(client: &Client) -> ClientSocket {
    let socket = client.connect("/", json!({})).await.unwrap();
    barrier(&socket).await;
    socket
}

fn ends(io: &Server) -> Seen<(trunkline::SocketId, DisconnectReason)> {
    let (told, ends) = seen();
    io.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        let _ = told.send((socket.id().clone(), reason));
        async {}
    });
    ends
}

/// Emits far more than pipes and kernels hold, and lets the quick client take each before the next is emitted.
async fn emit_all(io: &Server, quick: &mut ClientSocket) {
    let payload = Bytes::from(vec![7; BYTES]);
    for number in 0..EVENTS {
        io.emit("event", (number, payload.clone())).await.unwrap();
        let (got, _): (u32, Bytes) = quick.next_event().await.unwrap().read().unwrap();
        assert_eq!(got, number);
    }
}

async fn takes_all(socket: &mut ClientSocket) {
    for number in 0..EVENTS {
        let (got, payload): (u32, Bytes) = socket.next_event().await.unwrap().read().unwrap();
        assert_eq!((got, payload.len()), (number, BYTES));
    }
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_member_that_does_not_read_lags_alone_and_gets_everything_in_order_later() {
    let io = server().await;
    answer_barriers(&io);
    let address = listen(&io).await;
    let (slow_client, quick_client) = (Client::dial(address).await.unwrap(), Client::dial(address).await.unwrap());
    let (mut slow, mut quick) = (joined(&slow_client).await, joined(&quick_client).await);

    slow_client.pause(true);
    emit_all(&io, &mut quick).await;
    barrier(&quick).await;
    slow_client.pause(false);

    takes_all(&mut slow).await;
    barrier(&slow).await;
}

#[tokio::test]
async fn a_member_behind_on_a_pipe_gets_everything_in_order_too() {
    let io = server().await;
    answer_barriers(&io);
    let (slow_client, quick_client) = (Client::open(&io).await.unwrap(), Client::open(&io).await.unwrap());
    let (mut slow, mut quick) = (joined(&slow_client).await, joined(&quick_client).await);

    slow_client.pause(true);
    emit_all(&io, &mut quick).await;
    slow_client.pause(false);

    takes_all(&mut slow).await;
}

/// Each of many members that lag would cost what it lacks if it had a queue; what they lack is in the log, once.
#[tokio::test]
async fn many_members_that_lag_cost_no_more_memory_than_one() {
    const MEMBERS: usize = 50;
    let io = server().await;
    answer_barriers(&io);
    let address = listen(&io).await;
    let quick_client = Client::dial(address).await.unwrap();
    let mut quick = joined(&quick_client).await;
    let mut slow = Vec::new();
    for _ in 0..MEMBERS {
        let client = Client::dial(address).await.unwrap();
        let socket = joined(&client).await;
        client.pause(true);
        slow.push((client, socket));
    }
    let before = resident();

    emit_all(&io, &mut quick).await;

    let grown = resident().saturating_sub(before);
    let lacking = MEMBERS * EVENTS as usize * BYTES;
    assert!(grown < lacking / 4, "{grown} bytes more, for {lacking} bytes that are lacking");
    assert_eq!(io.fetch_sockets().await.len(), MEMBERS + 1);
}

#[tokio::test]
async fn a_ring_that_passes_a_cursor_closes_that_connection_and_only_that() {
    let limits = MemoryLimits { entries: 16, ..MemoryLimits::default() };
    let io = Server::builder().shards(1).memory(limits).build().await.unwrap();
    answer_barriers(&io);
    let mut ends = ends(&io);
    let address = listen(&io).await;
    let (slow_client, quick_client) = (Client::dial(address).await.unwrap(), Client::dial(address).await.unwrap());
    let (slow, mut quick) = (joined(&slow_client).await, joined(&quick_client).await);

    slow_client.pause(true);
    emit_all(&io, &mut quick).await;
    // It is found out when the member is served next.
    slow_client.pause(false);

    let (id, reason) = ends.next().await;
    assert_eq!((&*id, reason), (slow.id(), DisconnectReason::TransportError));
    slow_client.ended().await.unwrap();
    barrier(&quick).await;
    assert!(ends.rest().is_empty());
    let again = Client::dial(address).await.unwrap();
    barrier(&joined(&again).await).await;
}

#[tokio::test]
async fn volatile_events_are_dropped_for_who_does_not_read_and_the_others_come_all() {
    let io = server().await;
    answer_barriers(&io);
    let address = listen(&io).await;
    let (slow_client, quick_client) = (Client::dial(address).await.unwrap(), Client::dial(address).await.unwrap());
    let (mut slow, mut quick) = (joined(&slow_client).await, joined(&quick_client).await);

    slow_client.pause(true);
    emit_all(&io, &mut quick).await;
    io.volatile().emit("volatile", ());
    io.emit("last", ());
    assert_eq!(quick.next_event().await.unwrap().name(), "volatile");
    assert_eq!(quick.next_event().await.unwrap().name(), "last");
    slow_client.pause(false);

    takes_all(&mut slow).await;
    assert_eq!(slow.next_event().await.unwrap().name(), "last");
}
