//! The two tasks of a test client, one that reads and one that writes, and what they share. What is done with events
//! is the test's part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use trunkline_proto::ws::{self, Inflater, Item, Opcode};
use trunkline_proto::{Args, Body, Codec, Decoder, EnginePacket, Message, Messages, Parser, Version};

use super::{ClientError, Received, WAITING_MAX};
use crate::Server;
use crate::common::lock;

/// Bytes that a pipe holds in each direction before its writer has to wait.
const PIPE_BYTES: usize = 64 * 1024;
/// The longest message that the client takes. Tests of the server's own limits lie far below.
const MESSAGE_BYTES: usize = 256 << 20;
/// Frames of a client have to be masked. With what does not matter to a test.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

type Joined = oneshot::Sender<Result<Value, Value>>;

/// Something for the writing task.
pub(super) enum Outgoing {
    Bytes(Vec<u8>),
    /// Told when everything before it is written.
    Flush(oneshot::Sender<()>),
}

/// A connection as its handles see it.
#[derive(Debug)]
pub(super) struct Link {
    codec: Codec,
    deadline: Duration,
    outgoing: mpsc::Sender<Outgoing>,
    state: Mutex<State>,
    paused: watch::Sender<bool>,
    pings: watch::Sender<usize>,
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    joining: HashMap<String, (Joined, mpsc::Sender<Received>)>,
    joined: HashMap<String, mpsc::Sender<Received>>,
    answers: HashMap<(String, u64), oneshot::Sender<Args>>,
    next_ack_id: u64,
}

/// The client's end of a pipe whose other end the server serves.
pub(super) fn pipe(io: &Server) -> DuplexStream {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let (service, config) = (io.service(), io.core().config.clone());
    tokio::spawn(async move {
        // An error here is one of the client's stream, which sees it too.
        let _ = trunkline_engine::http::serve_connection(far, service, &config).await;
    });
    near
}

impl Link {
    pub(super) async fn open(
        mut stream: impl Stream,
        head: &str,
        parser: Parser,
        deadline: Duration,
    ) -> Result<Arc<Self>, ClientError> {
        let opened = tokio::time::timeout(deadline, handshake(&mut stream, head)).await;
        let early = opened.map_err(|_| ClientError::Deadline)??;
        // Who sends more than this to a server that does not read is a test that goes wrong: it panics.
        let (outgoing, to_write) = mpsc::channel(WAITING_MAX);
        let link = Arc::new(Self {
            codec: Codec { parser, version: Version::V4 },
            deadline,
            outgoing,
            state: Mutex::default(),
            paused: watch::Sender::new(false),
            pings: watch::Sender::new(0),
            ended: watch::Sender::new(false),
        });
        let (reader, writer) = tokio::io::split(stream);
        tokio::spawn(write(writer, to_write));
        tokio::spawn(read(reader, early, Arc::downgrade(&link)));
        Ok(link)
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn say(&self, encode: impl FnOnce(Codec) -> Messages) {
        let mut frames = Vec::new();
        for message in encode(self.codec) {
            put_packet(&EnginePacket::Message(message), &mut frames);
        }
        self.send(Outgoing::Bytes(frames));
    }

    pub(super) fn send(&self, outgoing: Outgoing) {
        // After the end nothing is written any more; what waits for an answer sees that itself.
        let sent = self.outgoing.try_send(outgoing);
        assert!(!matches!(sent, Err(TrySendError::Full(_))), "the server does not read, and too much waits for it");
    }

    /// Waits for what the reading task will give.
    pub(super) async fn within<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, ClientError> {
        let answer = tokio::time::timeout(self.deadline, answer).await;
        answer.map_err(|_| ClientError::Deadline)?.map_err(|_| ClientError::Ended)
    }

    pub(super) fn expect_join(&self, ns: &str, joined: Joined, events: mpsc::Sender<Received>) {
        if !*self.ended.borrow() {
            self.state().joining.insert(ns.to_owned(), (joined, events));
        }
    }

    pub(super) fn expect_answer(&self, ns: &str) -> (u64, oneshot::Receiver<Args>) {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state();
        let id = state.next_ack_id;
        state.next_ack_id += 1;
        if !*self.ended.borrow() {
            state.answers.insert((ns.to_owned(), id), answer);
        }
        (id, answered)
    }

    pub(super) fn forget(&self, ns: &str) {
        let mut state = self.state();
        state.joined.remove(ns);
        state.answers.retain(|(of, _), _| of != ns);
    }

    pub(super) fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub(super) async fn pings(&self, count: usize) -> Result<(), ClientError> {
        let mut pings = self.pings.subscribe();
        let seen = tokio::time::timeout(self.deadline, pings.wait_for(|&seen| seen >= count)).await;
        seen.map(drop).map_err(|_| ClientError::Deadline)
    }

    pub(super) async fn ended(&self) -> Result<(), ClientError> {
        let mut ended = self.ended.subscribe();
        let ended = tokio::time::timeout(self.deadline, ended.wait_for(|&ended| ended)).await;
        ended.map(drop).map_err(|_| ClientError::Deadline)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn end(&self) {
        *self.state() = State::default();
        self.ended.send_replace(true);
    }

    /// Gives a packet to who waits for it. `None` if the test has left too many events where they are.
    fn take(self: &Arc<Self>, ns: &str, body: Body) -> Option<()> {
        let mut state = self.state();
        match body {
            Body::Connect { auth } => {
                let Some((joined, events)) = state.joining.remove(ns) else { return Some(()) };
                let answer: Value = auth.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
                state.joined.insert(ns.to_owned(), events);
                let _ = joined.send(Ok(answer));
            }
            Body::ConnectError { payload } => {
                if let Some((joined, _)) = state.joining.remove(ns) {
                    let _ = joined.send(Err(serde_json::from_str(&payload).unwrap_or_default()));
                }
            }
            Body::Event { id, event } => {
                let answer = id.map(|id| (self.clone(), ns.to_owned(), id));
                if let Some(events) = state.joined.get(ns) {
                    let full = events.try_send(Received { event, answer });
                    return (!matches!(full, Err(TrySendError::Full(_)))).then_some(());
                }
            }
            Body::Ack { id, args } => {
                if let Some(answer) = state.answers.remove(&(ns.to_owned(), id)) {
                    let _ = answer.send(args);
                }
            }
            Body::Disconnect => {
                drop(state);
                self.forget(ns);
            }
        }
        Some(())
    }
}

fn put_packet(packet: &EnginePacket, out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    let opcode = packet.put_ws_payload(Version::V4, &mut payload);
    ws::put_masked_frame(out, opcode, false, MASK, &payload);
}

/// Asks for the WebSocket. Gives what was read behind the answer's head.
async fn handshake(stream: &mut impl Stream, head: &str) -> Result<Vec<u8>, ClientError> {
    let io_error = |error: std::io::Error| ClientError::Io(error.to_string());
    stream.write_all(head.as_bytes()).await.map_err(io_error)?;
    let mut read = Vec::new();
    loop {
        let end = read.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let early = read.split_off(end + 4);
            let head = String::from_utf8_lossy(&read).into_owned();
            return if head.starts_with("HTTP/1.1 101 ") { Ok(early) } else { Err(ClientError::NoWebSocket(head)) };
        }
        if stream.read_buf(&mut read).await.map_err(io_error)? == 0 {
            return Err(ClientError::Ended);
        }
    }
}

/// Writes until no handle is left, or the stream fails.
async fn write(mut writer: WriteHalf<impl Stream>, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(next) = outgoing.recv().await {
        match next {
            Outgoing::Bytes(bytes) => {
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Outgoing::Flush(written) => drop(written.send(())),
        }
    }
    let _ = writer.shutdown().await;
}

/// Reads until the stream ends.
async fn read(mut reader: ReadHalf<impl Stream>, early: Vec<u8>, link: Weak<Link>) {
    let mut frames = ws::Decoder::new(ws::Config { role_server: false, max_message: MESSAGE_BYTES, deflate: false });
    let (mut packets, mut inflater) = (Decoder::default(), Inflater::default());
    let mut chunk = early;
    loop {
        let mut at = 0;
        while let Ok(Some(item)) = frames.decode(&mut chunk, &mut at, &mut inflater) {
            let Some(link) = link.upgrade() else { return };
            if take_item(&link, &mut packets, item).is_none() {
                return link.end();
            }
        }
        let Some(mut paused) = link.upgrade().map(|link| link.paused.subscribe()) else { return };
        let going_on = paused.wait_for(|&paused| !paused).await.is_ok();
        chunk.clear();
        if !going_on || !matches!(reader.read_buf(&mut chunk).await, Ok(1..)) {
            break;
        }
    }
    if let Some(link) = link.upgrade() {
        link.end();
    }
}

/// `None` when the server closes.
fn take_item(link: &Arc<Link>, packets: &mut Decoder, item: Item) -> Option<()> {
    let packet = match item {
        Item::Text(text) => EnginePacket::decode_text(text).ok()?,
        Item::Binary(data) => EnginePacket::Message(Message::Binary(data)),
        Item::Ping(payload) => {
            let mut pong = Vec::new();
            ws::put_masked_frame(&mut pong, Opcode::Pong, false, MASK, &payload);
            link.send(Outgoing::Bytes(pong));
            return Some(());
        }
        Item::Pong(_) => return Some(()),
        Item::Close(_) => return None,
    };
    match packet {
        EnginePacket::Ping(data) => {
            let mut pong = Vec::new();
            put_packet(&EnginePacket::Pong(data), &mut pong);
            link.send(Outgoing::Bytes(pong));
            link.pings.send_modify(|seen| *seen += 1);
        }
        EnginePacket::Message(message) => {
            if let Some(packet) = packets.decode(link.codec, message).ok()? {
                link.take(&packet.ns, packet.body)?;
            }
        }
        EnginePacket::Close => return None,
        EnginePacket::Open(_) | EnginePacket::Pong(_) | EnginePacket::Upgrade | EnginePacket::Noop => {}
    }
    Some(())
}
