//! A connection as its shard keeps it: where its frames go and what waits for it. What it reads, and the handlers of
//! its sockets, belong to its task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::oneshot;
use trunkline_delivery::{MemberKey, Position};
use trunkline_engine::wheel::Millis;
use trunkline_engine::wire::Writer;
use trunkline_proto::heartbeat::Heartbeat;
use trunkline_proto::ws::WindowBits;
use trunkline_proto::{EnginePacket, Event, Messages, Version};

use crate::DisconnectReason;
use crate::mailbox::{PostBody, Reply};
use crate::receipt::Receipt;
use crate::shard::frames::{FrameKind, List};
use crate::socket::Socket;

/// Names a connection of one shard; stale once the connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnRef {
    pub(crate) key: u32,
    pub(crate) generation: u32,
}

/// Something for one connection that is ordered after a position but not kept in the log.
#[derive(Debug)]
pub(crate) enum Private {
    /// A Socket.IO packet.
    Messages(Messages),
    /// An event that is dropped unless it can be written at once; it is encoded where it gets its place.
    Volatile(Box<VolatileEvent>),
    /// An event that is not kept in the log; a volatile one is dropped unless it can be written at once.
    Event { messages: Messages, compress: bool, volatile: bool },
    /// A frame of the WebSocket itself.
    Frame(Bytes),
    /// An Engine.IO packet.
    Engine(EnginePacket),
    /// An Engine.IO message of the application, which is told when the wire has taken it.
    Tracked(EnginePacket, Receipt),
    /// The last of a socket: this packet, if there is one to be sent, and then nothing more of its namespace.
    Farewell { member: MemberKey, messages: Messages },
    /// The end of the connection, when everything before it is written.
    Finish,
}

/// A volatile event for one client, which carries what the client has as its offset.
#[derive(Clone, Debug)]
pub(crate) struct VolatileEvent {
    pub(crate) ns: Arc<str>,
    pub(crate) event: Event,
    pub(crate) compress: bool,
}

/// Output of this turn.
#[derive(Debug)]
pub(crate) enum Segment {
    /// Entries.
    List(List),
    /// A passing item.
    Private(Position, Private),
}

/// Where frames go.
#[derive(Debug)]
pub(crate) enum Outlet {
    /// A WebSocket, and what of a frame the kernel has not taken yet.
    WebSocket { writer: Writer, unsent: Vec<u8> },
    /// Long-polling: writable while a GET is parked.
    Polling { parked: Option<oneshot::Sender<Reply>>, b64: bool, posting: bool, seen: Seen },
    /// Nowhere any more.
    Gone,
}

/// The last requests of a polling session, by what makes each one different (`t`); 0 where there is none. Browsers and
/// boxes on the way send a request again when its connection breaks, without the client knowing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) get: u64,
    pub(crate) post: u64,
}

/// A socket of the connection, as the shard sees it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) member: MemberKey,
    pub(crate) socket: Socket,
    /// It has ended: it joins nothing any more, and its client may join the namespace anew beside it.
    pub(crate) ending: bool,
    /// Its farewell is in the output: nothing more is delivered to it. It goes when that is written, for until then the
    /// wire may block, and what was before has to be delivered again.
    pub(crate) left: bool,
    /// The last entry in its output, or where it began: what a passing event gives as offset.
    pub(crate) offset: Position,
    /// The last entry that its outgoing catch-all listeners were told; one that is put back comes again.
    pub(crate) told: Position,
}

/// Something for the connection's task.
pub(crate) enum Order {
    /// The body of a POST; the reply is given when its packets were taken.
    Post(PostBody, oneshot::Sender<Reply>),
    /// A WebSocket that wants to take over from polling.
    Probe { stream: trunkline_engine::http::Taken, leftover: Bytes, deflate: Option<WindowBits> },
    /// The socket of this namespace has ended: its handlers are to be told.
    Ended { ns: Arc<str>, reason: DisconnectReason },
}

/// When something about a connection is due, in milliseconds of its shard.
#[derive(Debug)]
pub(crate) struct Deadlines {
    pub(crate) heart: Heartbeat,
    /// A namespace has to be joined by then.
    pub(crate) join_by: Option<Millis>,
    /// The upgrade has to be finished by then.
    pub(crate) upgrade_by: Option<Millis>,
    /// A closing connection is cut by then.
    pub(crate) close_by: Option<Millis>,
    /// The tick that the wheel holds for it.
    pub(crate) scheduled: Option<u32>,
}

impl Deadlines {
    /// The earliest of them.
    pub(crate) fn next(&self) -> Millis {
        let others = [self.join_by, self.upgrade_by, self.close_by];
        others.into_iter().flatten().fold(self.heart.deadline(), Millis::min)
    }
}

/// A connection.
pub(crate) struct Conn {
    pub(crate) generation: u32,
    pub(crate) sid: Arc<str>,
    pub(crate) version: Version,
    pub(crate) kind: FrameKind,
    pub(crate) outlet: Outlet,
    pub(crate) seats: SmallVec<[Seat; 1]>,
    /// What this turn writes.
    pub(crate) pending: SmallVec<[Segment; 1]>,
    /// What waits until the members have caught up, or the wire is writable.
    pub(crate) passing: VecDeque<(Position, Private)>,
    /// It is in the list of connections that this turn writes.
    pub(crate) touched: bool,
    /// The wire takes nothing at the moment: all its members are behind, and private items wait.
    pub(crate) blocked: bool,
    /// Some of its members are behind; cleared when all stand at the head.
    pub(crate) catching_up: bool,
    /// The application has ended it: what the peer still says is not taken.
    pub(crate) finish_asked: bool,
    /// The end of the connection is in what is unsent.
    pub(crate) finishing: bool,
    /// A ping is to go before everything else.
    pub(crate) ping_owed: bool,
    /// Pings that were not answered yet: while it is not read there may be several.
    pub(crate) pings_open: u32,
    /// It is not read at the moment, because its handlers are behind.
    pub(crate) paused: bool,
    /// An upgrade has been probed: waiting polls are released.
    pub(crate) probed: bool,
    pub(crate) upgrade_timed_out: bool,
    /// Tracked messages that the wire took and the application was not told of yet.
    pub(crate) flushed: usize,
    pub(crate) orders: Vec<Order>,
    pub(crate) deadlines: Deadlines,
    /// It is over, for this reason; its task ends it.
    pub(crate) closed: Option<DisconnectReason>,
    /// Its task, asleep.
    pub(crate) waker: Waker,
}

impl Conn {
    /// A connection without sockets. A polling one is not writable before its first GET.
    pub(crate) fn new(generation: u32, sid: Arc<str>, kind: FrameKind, outlet: Outlet, deadlines: Deadlines) -> Self {
        Self {
            generation,
            sid,
            version: kind.codec.version,
            kind,
            blocked: matches!(outlet, Outlet::Polling { .. }),
            catching_up: matches!(outlet, Outlet::Polling { .. }),
            outlet,
            seats: SmallVec::new(),
            pending: SmallVec::new(),
            passing: VecDeque::new(),
            touched: false,
            finish_asked: false,
            finishing: false,
            ping_owed: false,
            pings_open: 0,
            paused: false,
            probed: false,
            upgrade_timed_out: false,
            flushed: 0,
            orders: Vec::new(),
            deadlines,
            closed: None,
            waker: Waker::noop().clone(),
        }
    }

    /// Ends the connection for this reason, unless it has ended, and wakes its task to see to the rest.
    pub(crate) fn close(&mut self, reason: DisconnectReason) {
        if self.closed.is_none() {
            self.closed = Some(reason);
            self.waker.wake_by_ref();
        }
    }

    /// The wire has taken a tracked message.
    pub(crate) fn handed_over(&mut self, receipt: Receipt) {
        receipt.handed_over();
        self.flushed += 1;
        self.waker.wake_by_ref();
    }

    /// Writes what is left of the last frame. True when all of it is gone.
    pub(crate) fn poll_unsent(&mut self, cx: &mut Context<'_>) -> bool {
        let Outlet::WebSocket { writer, unsent } = &mut self.outlet else { return false };
        loop {
            match writer.poll_writable(cx, unsent) {
                Poll::Pending => return false,
                Poll::Ready(Ok(written)) => drop(unsent.drain(..written)),
                Poll::Ready(Err(_)) => {
                    self.close(DisconnectReason::TransportClose);
                    return false;
                }
            }
            match writer.try_write(unsent) {
                _ if unsent.is_empty() => break,
                Ok(written) => drop(unsent.drain(..written)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => {
                    self.close(DisconnectReason::TransportClose);
                    return false;
                }
            }
            if unsent.is_empty() {
                break;
            }
        }
        // Nothing is kept at rest.
        *unsent = Vec::new();
        true
    }

    /// Ends the wire: a waiting poll is answered, a WebSocket closed.
    pub(crate) fn end_wire(&mut self, reason: DisconnectReason) {
        match std::mem::replace(&mut self.outlet, Outlet::Gone) {
            Outlet::Polling { parked: Some(reply), b64, .. } => {
                // "close packet `1` while a GET waits: GET answers `6`"
                let last =
                    if reason == DisconnectReason::TransportClose { EnginePacket::Noop } else { EnginePacket::Close };
                let _ = reply.send(Reply::Packets { packets: vec![last], b64, compress: false });
            }
            Outlet::WebSocket { writer, unsent } => {
                if unsent.is_empty() && reason == DisconnectReason::ServerShuttingDown {
                    let mut close = Vec::new();
                    trunkline_proto::ws::put_close(&mut close, None, "");
                    let _ = writer.try_write(&close);
                }
                writer.shutdown();
            }
            Outlet::Polling { .. } | Outlet::Gone => {}
        }
    }

    /// The seat in this namespace that has not ended.
    pub(crate) fn seat_in(&self, ns: &str) -> Option<&Seat> {
        self.seats.iter().find(|seat| !seat.ending && **seat.socket.namespace_name() == *ns)
    }

    /// From now on the seat is not found by its namespace.
    pub(crate) fn end_seat(&mut self, member: MemberKey) {
        self.seats.iter_mut().filter(|seat| seat.member == member).for_each(|seat| seat.ending = true);
    }

    /// Whether this member's farewell is in the output, and nothing more is for it.
    pub(crate) fn set_left(&mut self, member: MemberKey, left: bool) {
        self.seats.iter_mut().filter(|seat| seat.member == member).for_each(|seat| seat.left = left);
    }

    pub(crate) fn seat_of(&self, member: MemberKey) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.member == member)
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("sid", &self.sid).finish_non_exhaustive()
    }
}
