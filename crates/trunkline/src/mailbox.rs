//! What other threads leave for a shard: items of the log, and commands. The shard takes all of it at the start of a
//! turn.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;

use tokio::sync::oneshot;
use trunkline_delivery::{Item, Position, Room, Target};
use trunkline_engine::http::Taken;
use trunkline_proto::ws::WindowBits;
use trunkline_proto::{EnginePacket, Version};

use crate::common::lock;
use crate::handshake::Handshake;
use crate::shard::{ConnRef, FetchReply, Moving, Private};

/// The in-tray of one shard.
///
/// It has no bound of its own: every command has a waiting request, connection or caller behind it, which are bounded
/// where they begin, and items are bounded by what the log takes.
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Mutex<Tray>);

/// Something that has a place among the entries of the log.
#[derive(Debug)]
pub(crate) enum Mail {
    /// An entry or a cast.
    Item(Item),
    /// What is to be said to single connections behind the casts before it.
    Late(Vec<(ConnRef, Private)>),
}

#[derive(Debug, Default)]
struct Tray {
    mail: Vec<Mail>,
    commands: Vec<Command>,
    waker: Option<Waker>,
    closed: bool,
}

/// Something a shard is asked to do.
pub(crate) enum Command {
    /// A new session; polling ones get their first answer through `reply`.
    Open(Box<NewSession>),
    /// A GET waits for packets.
    Poll { sid: Arc<str>, version: Version, tag: u64, reply: oneshot::Sender<Reply> },
    /// A POST begins; its body is still to come.
    PostBegin { sid: Arc<str>, version: Version, tag: u64, reply: oneshot::Sender<Reply> },
    /// The packets of a POST.
    Post { sid: Arc<str>, body: PostBody, reply: oneshot::Sender<Reply> },
    /// The body of a POST was cut short or cannot be taken.
    PostFailed { sid: Arc<str>, close: bool },
    /// A request that no session accepts, such as PUT.
    Touch { sid: Arc<str>, version: Version, reply: oneshot::Sender<Reply> },
    /// A WebSocket for a session that polls: asked before the upgrade is answered.
    ProbeBegin { sid: Arc<str>, version: Version, reply: oneshot::Sender<Reply> },
    /// The WebSocket itself.
    Probe { sid: Arc<str>, stream: Taken, leftover: bytes::Bytes, deflate: Option<WindowBits> },
    /// A connection that moves here, to the session that its client comes back to.
    Adopt(Box<Moving>),
    /// A connection that had moved away has ended.
    Forget { sid: Arc<str> },
    /// Something for one connection, behind what the sender's thread has emitted before.
    Private { conn: ConnRef, after: Position, item: Private },
    /// Ends a connection behind what the sender's thread has emitted before.
    Finish { conn: ConnRef, after: Position },
    /// A socket joins or leaves rooms.
    Rooms { conn: ConnRef, ns: Arc<str>, change: RoomChange, done: oneshot::Sender<Vec<Room>> },
    /// Closes the connection; its clients come back.
    Close { conn: ConnRef },
    /// Has a socket's session written again.
    Record { conn: ConnRef, ns: Arc<str> },
    /// Makes a socket leave its namespace.
    Disconnect { conn: ConnRef, ns: Arc<str>, close: bool },
    /// The sockets that a target means now, with their rooms.
    Fetch { target: Target, reply: FetchReply },
    /// An append that was started elsewhere and did not finish at once.
    Drive(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
    /// A TCP connection that another thread accepted, to be served here.
    Serve(crate::listen::Accepted),
    /// A fault of ours, for tests of what becomes of it.
    #[cfg(feature = "testing")]
    Panic,
    /// Ends every connection; `done` is dropped when all are gone.
    Shutdown { done: oneshot::Sender<()> },
}

/// A change of one socket's rooms.
#[derive(Debug)]
pub(crate) enum RoomChange {
    Join(Vec<Room>),
    Leave(Vec<Room>),
    /// Only asks which they are.
    Show,
}

/// A session to be opened on a shard.
pub(crate) struct NewSession {
    pub(crate) sid: String,
    pub(crate) version: Version,
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) b64: bool,
    pub(crate) wire: NewWire,
}

/// What a new session speaks over.
pub(crate) enum NewWire {
    Polling(oneshot::Sender<Reply>),
    WebSocket { stream: Taken, leftover: bytes::Bytes, deflate: Option<WindowBits> },
}

/// The body of a POST.
#[derive(Debug)]
pub(crate) struct PostBody {
    pub(crate) body: bytes::Bytes,
    pub(crate) binary: bool,
    /// Its headers, for programs that speak Engine.IO alone.
    pub(crate) headers: Option<Arc<str>>,
}

/// A shard's answer to a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The packets of a polling answer.
    Packets { packets: Vec<EnginePacket>, b64: bool, compress: bool },
    /// The request may go on.
    Go,
    /// The packets of a POST were taken.
    Taken,
    /// There is no such session.
    UnknownSid,
    /// The session speaks over another transport.
    TransportMismatch,
    /// The session speaks another protocol version.
    ProtocolMismatch,
    /// A second GET or POST at a time; the session is over. Also what answers requests of a session that ends.
    Overlap,
    /// The session cannot be upgraded (again).
    NoUpgrade,
}

impl Mailbox {
    /// Leaves an item; whoever leaves the last one of a batch wakes the shard.
    pub(crate) fn push_item(&self, item: Item) {
        self.tray().mail.push(Mail::Item(item));
    }

    /// Leaves what is to be said to single connections behind the casts before it.
    pub(crate) fn push_late(&self, late: Vec<(ConnRef, Private)>) {
        self.tray().mail.push(Mail::Late(late));
    }

    /// Leaves a command and wakes the shard. Dropped, with the reply it holds, if the shard has ended.
    pub(crate) fn send(&self, command: Command) {
        let mut tray = self.tray();
        if tray.closed {
            return;
        }
        tray.commands.push(command);
        let waker = tray.waker.take();
        drop(tray);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn wake(&self) {
        let waker = self.tray().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes what is there. If there is nothing and a waker is given, it is woken when something comes.
    pub(crate) fn take(&self, mail: &mut VecDeque<Mail>, commands: &mut Vec<Command>) {
        let mut tray = self.tray();
        mail.extend(tray.mail.drain(..));
        commands.append(&mut tray.commands);
    }

    /// Whether something is there; if not, the waker is kept.
    pub(crate) fn has_mail(&self, waker: &Waker) -> bool {
        let mut tray = self.tray();
        let mail = !tray.mail.is_empty() || !tray.commands.is_empty();
        if !mail && !tray.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            tray.waker = Some(waker.clone());
        }
        mail
    }

    pub(crate) fn close(&self) {
        let mut tray = self.tray();
        tray.closed = true;
        let commands = std::mem::take(&mut tray.commands);
        tray.mail.clear();
        drop(tray);
        drop(commands);
    }

    fn tray(&self) -> MutexGuard<'_, Tray> {
        lock(&self.0)
    }
}

impl Command {
    /// The session that it is about, if it is a request's.
    pub(crate) fn sid(&self) -> Option<&Arc<str>> {
        match self {
            Self::Poll { sid, .. }
            | Self::PostBegin { sid, .. }
            | Self::Post { sid, .. }
            | Self::PostFailed { sid, .. }
            | Self::Touch { sid, .. }
            | Self::ProbeBegin { sid, .. }
            | Self::Probe { sid, .. } => Some(sid),
            _ => None,
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Command")
    }
}
