//! Engine.IO alone: when a program hears that what it sent has been handed to the transport, and what of it still waits.
//! How its sessions end is the part of `closing`.

use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use trunkline::{EngineEvent, EngineSocket, Message, NotSent, Sent, Server};

use crate::peer::{Polling, WEBSOCKET, WebSocket};
use crate::support::{Seen, listen, seen};

/// What a session tells, in short.
type Told = (EngineSocket, String);

async fn engine() -> (Server, SocketAddr, Seen<Told>) {
    let (tell, told) = seen();
    let io = Server::builder()
        .shards(1)
        .engine(move |socket, event| {
            let line = match event {
                EngineEvent::Flush(count) => format!("flush {count}"),
                EngineEvent::Drain => format!("drain, {} unsent", socket.unsent()),
                EngineEvent::Message(Message::Text(text)) => text.to_string(),
                other => format!("{other:?}"),
            };
            let _ = tell.send((socket.clone(), line));
        })
        .build()
        .await
        .unwrap();
    let address = listen(&io).await;
    (io, address, told)
}

async fn next(told: &mut Seen<Told>) -> String {
    told.next().await.1
}

fn text(text: impl Into<String>) -> Message {
    Message::Text(text.into().into())
}

/// What a receipt says now.
fn now(sent: &mut Sent) -> Poll<Result<(), NotSent>> {
    pin!(sent).poll(&mut Context::from_waker(Waker::noop()))
}

fn all(sent: &mut [Sent]) -> Vec<Poll<Result<(), NotSent>>> {
    sent.iter_mut().map(now).collect()
}

#[tokio::test]
async fn over_websocket_receipts_come_in_order_once_each() {
    let (_io, address, mut told) = engine().await;
    let mut client = WebSocket::dial(address, WEBSOCKET).await;
    client.hear().await;
    let (socket, line) = told.next().await;
    assert_eq!((&*line, socket.unsent()), ("Open", 0));
    let mut sent: Vec<Sent> = (0..3).map(|number| socket.send_tracked(text(number.to_string()))).collect();
    // When the last one is told, those before have been.
    assert_eq!(sent.pop().unwrap().await, Ok(()));
    assert_eq!(all(&mut sent), [Poll::Ready(Ok(())); 2]);
    for number in 0..3 {
        assert_eq!(client.hear().await, format!("4{number}"));
    }
}

#[tokio::test]
async fn over_polling_what_was_sent_waits_visibly_for_a_poll() {
    let (_io, address, mut told) = engine().await;
    let session = Polling::open(address).await;
    let (socket, _) = told.next().await;
    let mut sent: Vec<Sent> = (0..20).map(|number| socket.send_tracked(text(number.to_string()))).collect();
    session.post("4barrier").await;
    assert_eq!(next(&mut told).await, "barrier");
    assert_eq!((socket.unsent(), now(&mut sent[0])), (20, Poll::Pending));

    // An answer holds sixteen packets: a flush, and nothing is drained.
    assert_eq!(session.poll().await.split('\u{1e}').count(), 16);
    assert_eq!(next(&mut told).await, "flush 16");
    assert_eq!(socket.unsent(), 4);
    assert_eq!(all(&mut sent[..16]), [Poll::Ready(Ok(())); 16]);
    assert_eq!(all(&mut sent[16..]), [Poll::Pending; 4]);
    assert_eq!(session.poll().await, "416\u{1e}417\u{1e}418\u{1e}419");
    assert_eq!([next(&mut told).await, next(&mut told).await], ["flush 4", "drain, 0 unsent"]);
    assert_eq!(all(&mut sent[16..]), [Poll::Ready(Ok(())); 4]);
}

#[tokio::test]
async fn what_waits_during_an_upgrade_is_handed_to_the_websocket() {
    let (_io, address, mut told) = engine().await;
    let session = Polling::open(address).await;
    let (socket, _) = told.next().await;
    let mut before = socket.send_tracked(text("before"));
    let mut upgrade = session.upgrade().await;
    upgrade.say("2probe").await;
    assert_eq!(upgrade.hear().await, "3probe");
    let mut during = socket.send_tracked(text("during"));
    session.post("4barrier").await;
    assert_eq!(next(&mut told).await, "barrier");
    assert_eq!((socket.unsent(), now(&mut before), now(&mut during)), (2, Poll::Pending, Poll::Pending));
    assert_eq!(socket.transport(), "polling");

    upgrade.say("5").await;
    assert_eq!([upgrade.hear().await, upgrade.hear().await], ["4before", "4during"]);
    assert_eq!((before.await, during.await), (Ok(()), Ok(())));
    assert_eq!([next(&mut told).await, next(&mut told).await], ["flush 2", "drain, 0 unsent"]);
    assert_eq!(socket.transport(), "websocket");
    assert_eq!(socket.send_tracked(text("after")).await, Ok(()));
    assert_eq!(upgrade.hear().await, "4after");
}

#[tokio::test]
async fn what_was_never_sent_is_said_to_be_when_the_session_ends() {
    let (io, address, mut told) = engine().await;
    let session = Polling::open(address).await;
    let (socket, _) = told.next().await;
    let waiting = socket.send_tracked(text("nobody polls"));
    session.post("1").await;
    assert_eq!(next(&mut told).await, "Close(TransportClose)");
    assert_eq!(waiting.await, Err(NotSent));
    assert_eq!(socket.unsent(), 0);
    assert_eq!(socket.send_tracked(text("after the end")).await, Err(NotSent));

    let _session = Polling::open(address).await;
    let (socket, _) = told.next().await;
    let waiting = socket.send_tracked(text("nobody polls"));
    io.close().await;
    assert_eq!(next(&mut told).await, "Close(ServerShuttingDown)");
    assert_eq!(waiting.await, Err(NotSent));
    assert_eq!(socket.send_tracked(text("after the end")).await, Err(NotSent));
}

#[tokio::test]
async fn what_was_sent_before_a_close_is_flushed_and_drained_before_the_end() {
    let (_io, address, mut told) = engine().await;
    let mut client = WebSocket::dial(address, WEBSOCKET).await;
    client.hear().await;
    let (socket, _) = told.next().await;
    socket.send(text("last words"));
    socket.close();
    assert_eq!(client.hear().await, "4last words");
    client.gone().await;
    let expected = ["flush 1", "drain, 0 unsent", "Close(ForcedServerClose)"];
    for line in expected {
        assert_eq!(next(&mut told).await, line);
    }
}
