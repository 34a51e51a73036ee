//! A peer without a client: requests whose heads are written by hand, polling sessions and WebSockets over any stream.
//! What the server should answer is the part of the tests.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use trunkline::proto::ws;
use trunkline::testing::DEADLINE;

/// The query of a handshake over polling.
pub(crate) const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
/// The query of a handshake over WebSocket.
pub(crate) const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

const UPGRADE: [&str; 4] = [
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// What a peer talks over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// An answer to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The packets of a body that is text.
    pub(crate) fn packets(&self) -> Vec<String> {
        self.text().split('\u{1e}').map(str::to_owned).collect()
    }

    /// The open packet that it begins with.
    pub(crate) fn open(&self) -> Value {
        let text = self.text();
        assert!(text.starts_with("0{"), "{} {text}", self.status);
        serde_json::from_str(text[1..].split('\u{1e}').next().unwrap()).unwrap()
    }
}

/// The head of a request, each header with its line end; bytes, since some are no text.
fn head(method: &str, path: &str, headers: &[&[u8]]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n").into_bytes();
    for header in headers {
        head.extend_from_slice(header);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Writes a request and reads until the server closes.
pub(crate) async fn exchange(mut stream: impl Stream, request: &[u8]) -> Answer {
    stream.write_all(request).await.unwrap();
    let mut all = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut all)).await.expect("an answer in time").unwrap();
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let (body, head) = (all.split_off(end + 4), String::from_utf8(all).unwrap());
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
    Answer { status, headers: headers.collect(), body }
}

/// One request with a body on a connection of its own, which the server is asked to close behind the answer.
pub(crate) async fn request(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    exchange(stream, &plain(method, path, headers, body)).await
}

pub(crate) fn plain(method: &str, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let length = format!("content-length: {}", body.len());
    let own = ["connection: close", "content-type: text/plain;charset=UTF-8", &length];
    let headers: Vec<&[u8]> = own.iter().chain(headers).map(|header| header.as_bytes()).collect();
    let mut bytes = head(method, path, &headers);
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    request(address, "GET", path, headers, "").await
}

/// A request for a WebSocket that the server refuses.
pub(crate) async fn refused_upgrade(address: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    exchange(stream, &upgrade(path, headers)).await
}

pub(crate) fn upgrade(path: &str, headers: &[&str]) -> Vec<u8> {
    let headers: Vec<&[u8]> = UPGRADE.iter().chain(headers).map(|header| header.as_bytes()).collect();
    head("GET", path, &headers)
}

/// A header that is no text, in a request over polling or (`upgrade`) for a WebSocket.
pub(crate) async fn with_raw_header(address: SocketAddr, path: &str, upgrade: bool, header: &[u8]) -> Answer {
    let own: &[&str] = if upgrade { &UPGRADE } else { &["connection: close"] };
    let headers: Vec<&[u8]> = own.iter().map(|header| header.as_bytes()).chain([header]).collect();
    exchange(TcpStream::connect(address).await.unwrap(), &head("GET", path, &headers)).await
}

/// A session over polling.
#[derive(Clone)]
pub(crate) struct Polling {
    address: SocketAddr,
    pub(crate) sid: String,
    /// The packets of the first answer.
    pub(crate) opening: Vec<String>,
}

impl Polling {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let answer = get(address, POLLING, &[]).await;
        let sid = answer.open()["sid"].as_str().unwrap().to_owned();
        Self { address, sid, opening: answer.packets() }
    }

    /// A session in the main namespace.
    pub(crate) async fn joined(address: SocketAddr) -> Self {
        let session = Self::open(address).await;
        session.post("40").await;
        assert!(session.poll().await.starts_with("40{"));
        session
    }

    pub(crate) fn path(&self) -> String {
        format!("{POLLING}&sid={}", self.sid)
    }

    pub(crate) async fn get(&self, headers: &[&str]) -> Answer {
        get(self.address, &self.path(), headers).await
    }

    /// What one GET brings.
    pub(crate) async fn poll(&self) -> String {
        let answer = self.get(&[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// The packets that one GET brings.
    pub(crate) async fn packets(&self) -> Vec<String> {
        let answer = self.get(&[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.packets()
    }

    /// Begins a GET; it has not come to the server when this returns.
    pub(crate) fn begin_poll(&self) -> JoinHandle<Answer> {
        let session = self.clone();
        tokio::spawn(async move { session.get(&[]).await })
    }

    pub(crate) async fn post(&self, body: &str) {
        let answer = request(self.address, "POST", &self.path(), &[], body).await;
        assert_eq!((answer.status, &*answer.text()), (200, "ok"));
    }

    /// A WebSocket that wants to take over.
    pub(crate) async fn upgrade(&self) -> WebSocket<TcpStream> {
        WebSocket::dial(self.address, &format!("{WEBSOCKET}&sid={}", self.sid)).await
    }
}

/// A WebSocket that says texts and hears anything.
pub(crate) struct WebSocket<S> {
    stream: S,
    frames: ws::Decoder,
    chunk: Vec<u8>,
    at: usize,
    /// The head of the 101.
    pub(crate) head: String,
}

impl WebSocket<TcpStream> {
    pub(crate) async fn dial(address: SocketAddr, path: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), path, &[]).await
    }
}

impl<S: Stream> WebSocket<S> {
    /// Opens a WebSocket. With an offer of `permessage-deflate` it understands compressed messages.
    pub(crate) async fn over(mut stream: S, path: &str, headers: &[&str]) -> Self {
        stream.write_all(&upgrade(path, headers)).await.unwrap();
        let mut read = Vec::new();
        let end = loop {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "no answer");
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
        };
        let chunk = read.split_off(end + 4);
        let head = String::from_utf8(read).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let deflate = head.contains("permessage-deflate");
        let frames = ws::Decoder::new(ws::Config { role_server: false, max_message: 1 << 24, deflate });
        Self { stream, frames, chunk, at: 0, head }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        let mut frame = Vec::new();
        ws::put_masked_frame(&mut frame, ws::Opcode::Text, false, [1, 2, 3, 4], text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next thing that is said; none when the server closes, with a close frame or without.
    pub(crate) async fn item(&mut self) -> Option<ws::Item> {
        loop {
            match self.frames.decode(&mut self.chunk, &mut self.at, &mut ws::Inflater::default()).unwrap() {
                Some(ws::Item::Close(_)) => return None,
                Some(item) => return Some(item),
                None => {}
            }
            if self.read().await == 0 {
                return None;
            }
        }
    }

    /// The code of the close frame that the server ends it with; nothing may come before.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            let item = self.frames.decode(&mut self.chunk, &mut self.at, &mut ws::Inflater::default()).unwrap();
            match item {
                Some(ws::Item::Close(frame)) => return frame.map(|frame| frame.code),
                Some(item) => panic!("no close frame: {item:?}"),
                None => assert!(self.read().await > 0, "no close frame"),
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> String {
        match self.item().await {
            Some(ws::Item::Text(text)) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// The first two bytes of the next frame, and what it says: whether it is compressed shows in them.
    pub(crate) async fn hear_raw(&mut self) -> ([u8; 2], String) {
        while self.chunk.len() < self.at + 2 {
            assert!(self.read().await > 0, "the WebSocket has ended");
        }
        let start = [self.chunk[self.at], self.chunk[self.at + 1]];
        (start, self.hear().await)
    }

    /// Waits for the end of the stream; what is heard before is thrown away.
    pub(crate) async fn ended(mut self) {
        while self.stream.read_buf(&mut self.chunk).await.unwrap() > 0 {}
    }

    /// Waits for the server's end of it; nothing may come before.
    pub(crate) async fn gone(&mut self) {
        assert_eq!(self.item().await, None);
    }

    async fn read(&mut self) -> usize {
        self.chunk.drain(..self.at);
        self.at = 0;
        let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.chunk)).await;
        // A connection that was reset has ended too.
        read.expect("something in time").unwrap_or(0)
    }
}
