//! A small client for tests of your own handlers, over a pipe in memory or loopback; it speaks Engine.IO 4 and
//! Socket.IO 5 over WebSocket. It is no client for production: it does not reconnect, and it keeps what nobody asks for.
//!
//! ```
//! use serde_json::json;
//! use trunkline::testing::Client;
//! use trunkline::{Data, Server, Socket};
//!
//! /// What is to be tested.
//! fn register(io: &Server) {
//!     io.on_connect(|socket: Socket| async move { socket.join("lobby").await });
//!     io.on("say", |socket: Socket, Data(text): Data<String>| async move {
//!         socket.to("lobby").emit("said", &text);
//!         text.len()
//!     });
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a test of yours this is the body of a `#[tokio::test]`.
//! let io = Server::builder().shards(1).build().await?;
//! register(&io);
//! let (anna, mut bert) = (Client::open(&io).await?, Client::open(&io).await?);
//! let (anna, mut bert) = (anna.connect("/", json!({})).await?, bert.connect("/", json!({})).await?);
//!
//! let length: usize = anna.emit_with_ack("say", "hello").await?;
//! assert_eq!(length, 5);
//! assert_eq!(bert.next_event().await?.read::<String>()?, "hello");
//! io.close().await;
//! # Ok(()) }
//! ```

mod pump;

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use trunkline_proto::{Args, Event, Parser};

use self::pump::{Link, Outgoing};
use crate::Server;

/// How long a client waits for anything, unless [`Opening::deadline`] says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Events that may wait to be taken by the test, and packets that may wait to be written.
pub const WAITING_MAX: usize = 64 * 1024;

/// One connection to a server; its sockets are made with [`Client::connect`].
///
/// It answers the heartbeat. When it and its sockets are dropped, the connection is closed.
#[derive(Clone, Debug)]
pub struct Client(Arc<Link>);

/// What a connection is opened with, for [`Client::opening`].
#[derive(Clone, Debug, Default)]
pub struct Opening {
    query: String,
    headers: String,
    parser: Option<Parser>,
    deadline: Option<Duration>,
}

/// A client's place in one namespace.
#[derive(Debug)]
pub struct ClientSocket {
    link: Arc<Link>,
    ns: String,
    id: String,
    private_id: Option<String>,
    offset: Option<String>,
    events: mpsc::Receiver<Received>,
}

/// An event that the server emitted.
#[derive(Debug)]
pub struct Received {
    event: Event,
    /// Where the answer goes, if one was asked for.
    answer: Option<(Arc<Link>, String, u64)>,
}

/// The answer to an event, to be awaited.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, ClientError>> + Send>>;

/// Why something of a client came to nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientError {
    /// The namespace refused: the payload of its `connect_error`, `{"message":..,"data":..}`.
    Refused(serde_json::Value),
    /// Nothing came within the deadline.
    Deadline,
    /// The socket or its connection has ended.
    Ended,
    /// The HTTP request was not answered with a WebSocket: the head of the answer.
    NoWebSocket(String),
    /// A value is no JSON, or not of the type asked for.
    Value(String),
    /// The stream failed.
    Io(String),
}

/// Makes one of the server's threads panic, as a fault in this crate would: the whole server ends by it.
pub fn break_shard(io: &Server, shard: usize) {
    io.core().mailbox(shard).send(crate::mailbox::Command::Panic);
}

impl Client {
    /// Opens a connection over a pipe in memory.
    ///
    /// # Errors
    ///
    /// If the server refuses the request.
    pub async fn open(io: &Server) -> Result<Self, ClientError> {
        Self::opening().open(io).await
    }

    /// Opens a connection over TCP to a server that listens under the default path, on this machine or anywhere.
    ///
    /// # Errors
    ///
    /// As [`Client::open`], and those of the network.
    pub async fn dial(address: SocketAddr) -> Result<Self, ClientError> {
        Self::opening().dial(address).await
    }

    /// Begins a connection with query parameters or headers of its own.
    #[must_use]
    pub fn opening() -> Opening {
        Opening::default()
    }

    /// Joins a namespace with this `auth`, which has to be a JSON object.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with what the client's `connect_error` would tell.
    pub async fn connect(&self, ns: &str, auth: impl Serialize) -> Result<ClientSocket, ClientError> {
        let auth = serde_json::to_string(&auth).map_err(|error| ClientError::Value(error.to_string()))?;
        // A test that takes none of so many events has its connection ended.
        let (events, received) = mpsc::channel(WAITING_MAX);
        let (joined, answer) = oneshot::channel();
        self.0.expect_join(ns, joined, events);
        self.0.say(|codec| codec.connect_auth(ns, Some(&auth)));
        let joined = self.0.within(answer).await?.map_err(ClientError::Refused)?;
        let text = |name: &str| joined[name].as_str().map(str::to_owned);
        let (id, private_id) = (text("sid").unwrap_or_default(), text("pid"));
        Ok(ClientSocket { link: self.0.clone(), ns: ns.to_owned(), id, private_id, offset: None, events: received })
    }

    /// Waits until everything sent so far has been written. While the server does not read, that is not before it does.
    ///
    /// # Errors
    ///
    /// If that takes longer than the deadline, or the connection ends first.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let (written, done) = oneshot::channel();
        self.0.send(Outgoing::Flush(written));
        self.0.within(done).await
    }

    /// Stops reading, as a client does whose machine or network is too slow, or goes on.
    pub fn pause(&self, paused: bool) {
        self.0.pause(paused);
    }

    /// Waits until the server has ended the connection.
    ///
    /// # Errors
    ///
    /// If it does not within the deadline.
    pub async fn ended(&self) -> Result<(), ClientError> {
        self.0.ended().await
    }

    /// Waits until the server has sent so many pings since the connection was opened.
    ///
    /// # Errors
    ///
    /// If it does not within the deadline.
    pub async fn pings(&self, count: usize) -> Result<(), ClientError> {
        self.0.pings(count).await
    }
}

impl Opening {
    /// Adds a query parameter, which has to be encoded already.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push_str(&format!("&{name}={value}"));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The parser of a server that is dialled; over a pipe it is the server's.
    #[must_use]
    pub fn parser(mut self, parser: Parser) -> Self {
        self.parser = Some(parser);
        self
    }

    /// How long this client waits for anything; [`DEADLINE`] by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// As [`Client::open`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn open(self, io: &Server) -> Result<Client, ClientError> {
        let parser = self.parser.unwrap_or(io.core().options.parser);
        let path = io.core().config.path.clone();
        self.speak(pump::pipe(io), &path, parser).await
    }

    /// As [`Client::dial`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn dial(self, address: SocketAddr) -> Result<Client, ClientError> {
        let stream = tokio::net::TcpStream::connect(address).await;
        let stream = stream.map_err(|error| ClientError::Io(error.to_string()))?;
        let parser = self.parser.unwrap_or_default();
        self.speak(stream, "/socket.io", parser).await
    }

    async fn speak(self, stream: impl pump::Stream, path: &str, parser: Parser) -> Result<Client, ClientError> {
        let head = format!(
            "GET {path}/?EIO=4&transport=websocket{} HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
            self.query, self.headers
        );
        let deadline = self.deadline.unwrap_or(DEADLINE);
        Ok(Client(Link::open(stream, &head, parser, deadline).await?))
    }
}

impl ClientSocket {
    /// The id that the server gave it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What an official client sends as `auth` when it comes back: its private id, and the offset of the last event that
    /// was taken here. An empty object if the server gave no private id.
    #[must_use]
    pub fn comes_back(&self) -> serde_json::Value {
        let mut auth = serde_json::json!({});
        if let Some(private_id) = &self.private_id {
            auth["pid"] = private_id.as_str().into();
            if let Some(offset) = &self.offset {
                auth["offset"] = offset.as_str().into();
            }
        }
        auth
    }

    /// Sends an event; a tuple is several arguments. It is written when the server reads.
    ///
    /// # Panics
    ///
    /// If the data is no JSON, or more than [`WAITING_MAX`] packets wait to be written.
    pub fn emit(&self, event: &str, data: impl Serialize) {
        let event = Event::new(event.to_owned(), Args::serialize(&data).expect("test data is JSON"));
        self.link.say(|codec| codec.event(&self.ns, None, &event, None));
    }

    /// Sends an event, now, and waits for the answer, read as `T`: a tuple takes all arguments, any other type the first.
    /// The future does not borrow the socket: events can be taken before it is awaited.
    ///
    /// # Errors
    ///
    /// [`ClientError::Deadline`] if none comes in time after this call is awaited.
    ///
    /// # Panics
    ///
    /// If the data is no JSON.
    pub fn emit_with_ack<T: DeserializeOwned + 'static>(&self, event: &str, data: impl Serialize) -> Answer<T> {
        let event = Event::new(event.to_owned(), Args::serialize(&data).expect("test data is JSON"));
        let (id, answer) = self.link.expect_answer(&self.ns);
        self.link.say(|codec| codec.event(&self.ns, Some(id), &event, None));
        let link = self.link.clone();
        Box::pin(async move {
            let answer = link.within(answer).await?;
            answer.extract().map_err(|error| ClientError::Value(error.to_string()))
        })
    }

    /// The next event, of whatever name.
    ///
    /// # Errors
    ///
    /// [`ClientError::Deadline`] if none comes in time, [`ClientError::Ended`] once the server has ended the socket and
    /// all events before that were taken.
    pub async fn next_event(&mut self) -> Result<Received, ClientError> {
        let next = tokio::time::timeout(self.link.deadline(), self.events.recv()).await;
        let next = next.map_err(|_| ClientError::Deadline)?.ok_or(ClientError::Ended)?;
        if self.private_id.is_some() && next.answer.is_none() && next.event.args.last_is_string() {
            self.offset = next.event.args.get(next.event.args.len() - 1).ok();
        }
        Ok(next)
    }

    /// Leaves the namespace. The connection stays as long as its [`Client`].
    pub fn disconnect(self) {
        self.link.say(|codec| codec.disconnect(&self.ns));
        self.link.forget(&self.ns);
    }
}

impl Received {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.event.name
    }

    /// Its arguments.
    #[must_use]
    pub fn args(&self) -> &Args {
        &self.event.args
    }

    /// Its arguments read as `T`: a tuple takes all of them, any other type the first.
    ///
    /// # Errors
    ///
    /// If they are of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        self.event.args.extract().map_err(|error| ClientError::Value(error.to_string()))
    }

    /// Whether the server asked for an answer.
    #[must_use]
    pub fn wants_answer(&self) -> bool {
        self.answer.is_some()
    }

    /// Answers it; nothing happens if no answer was asked for. It may be called again, as a client may that misbehaves.
    ///
    /// # Panics
    ///
    /// If the data is no JSON.
    pub fn answer(&self, data: impl Serialize) {
        let args = Args::serialize(&data).expect("test data is JSON");
        if let Some((link, ns, id)) = &self.answer {
            link.say(|codec| codec.ack(ns, *id, &args));
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(payload) => write!(f, "the namespace refused: {payload}"),
            Self::Deadline => f.write_str("nothing came within the deadline"),
            Self::Ended => f.write_str("the socket has ended"),
            Self::NoWebSocket(head) => write!(f, "no WebSocket but {head:?}"),
            Self::Value(why) | Self::Io(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ClientError {}
