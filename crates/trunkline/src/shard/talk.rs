//! One namespace of one connection, from CONNECT to the last handler: joining, joined, gone, and what waits meanwhile.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytestring::ByteString;
use tokio::sync::oneshot;
use trunkline_proto::{Args, Event, Version};

use super::task::{ConnTask, End};
use super::{Private, Shard};
use crate::dynamic::Asked;
use crate::handler::HandlerFuture;
use crate::handler::MiddlewareFuture;
use crate::handler::dispatch::{self, Dispatch, poll_handler};
use crate::namespace::NamespaceCore;
use crate::server::auth_value;
use crate::shard::recover::Return;
use crate::socket::{Place, Shared, Socket};
use crate::{ConnectError, DisconnectReason, limits};

type Admission = Pin<Box<dyn Future<Output = Result<Arc<NamespaceCore>, ConnectError>> + Send>>;

/// A conversation in one namespace.
pub(super) struct Talk {
    pub(super) ns: Arc<str>,
    auth: Option<ByteString>,
    socket: Option<Socket>,
    /// The session it comes back to.
    back: Option<Box<Return>>,
    /// Dropped when its last handler is done: who takes the session over waits for that.
    over: Option<oneshot::Sender<()>>,
    stage: Stage,
    /// Events that wait for the handlers before them.
    pub(super) inbox: VecDeque<Incoming>,
    /// Handlers that run beside the others.
    beside: Vec<HandlerFuture>,
    /// The name of the event that was handled last.
    pub(super) latest: ByteString,
    /// It takes no further packets.
    pub(super) ending: bool,
    /// Why it ends; the handlers are told when those before have returned.
    end: Option<DisconnectReason>,
}

/// An event of the client.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) id: Option<u64>,
    pub(super) event: Event,
}

enum Stage {
    /// It is being found out whether there is such a namespace.
    Admission(Admission),
    /// The client comes back; what was committed before is to be walked first, for it may have ended the session.
    CatchingUp(oneshot::Receiver<()>, Arc<NamespaceCore>),
    /// The middlewares are asked.
    Middlewares(MiddlewareFuture),
    /// The handlers of the connection before it are still running.
    Behind(oneshot::Receiver<()>),
    /// No handler runs.
    Idle,
    /// A handler runs; the next event waits.
    Running(HandlerFuture),
    /// The handlers for the end run.
    Leaving(HandlerFuture),
    /// Nothing is left to do.
    Over,
}

impl Talk {
    fn new(ns: Arc<str>, auth: Option<ByteString>, admission: Admission) -> Self {
        Self {
            ns,
            auth,
            socket: None,
            back: None,
            over: None,
            stage: Stage::Admission(admission),
            inbox: VecDeque::new(),
            beside: Vec::new(),
            latest: ByteString::new(),
            ending: false,
            end: None,
        }
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.stage, Stage::Admission(_) | Stage::CatchingUp(..) | Stage::Middlewares(_))
    }

    /// Whether a handler of an event runs.
    pub(super) fn is_handling(&self) -> bool {
        matches!(self.stage, Stage::Running(_)) || !self.beside.is_empty()
    }

    /// Nothing is handled at the moment.
    pub(super) fn forget_latest(&mut self) {
        self.latest = ByteString::new();
    }

    /// Whether its client can come back.
    pub(super) fn has_session(&self) -> bool {
        self.socket.as_ref().is_some_and(Socket::has_session)
    }

    /// Whether one of its handlers waits for the client's own answer.
    pub(super) fn is_asking(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| !socket.acks().is_empty())
    }

    pub(super) fn take_ack(&self, id: u64, args: Args) {
        let Some(socket) = &self.socket else { return };
        if let Err(args) = socket.acks().answer(id, args)
            && let Some(survey) = socket.namespace_core().surveys().get(id)
        {
            survey.answer(socket.id(), args);
        }
    }

    /// The socket has ended. What came before the client's own leaving is still handled; after the server's it is not.
    pub(super) fn end(&mut self, reason: DisconnectReason) {
        self.ending = true;
        self.end.get_or_insert(reason);
        if reason == DisconnectReason::ServerNamespaceDisconnect {
            self.inbox.clear();
        }
    }

    /// The client is gone before it was let in: nobody hears of it.
    pub(super) fn abandon(&mut self, shard: &Shard) {
        self.stage = Stage::Over;
        self.ending = true;
        self.inbox.clear();
        self.release(shard);
    }

    fn release(&mut self, shard: &Shard) {
        if let Some(socket) = self.socket.take() {
            shard.server().leave_namespace(socket.namespace_core());
        }
    }

    fn poll_beside(&mut self, cx: &mut Context<'_>) {
        self.beside.retain_mut(|handler| poll_handler(handler, cx).is_pending());
    }
}

impl ConnTask {
    /// A CONNECT came for this namespace.
    pub(super) fn connect(&mut self, ns: &str, auth: Option<ByteString>) -> Result<(), End> {
        if self.talks.iter().any(|talk| *talk.ns == *ns && !talk.ending) {
            return Err(End(DisconnectReason::ForcedClose));
        }
        self.evicted.retain(|evicted| **evicted != *ns);
        let server = self.shard.server().clone();
        let refused = |why: &str| -> Admission { Box::pin(std::future::ready(Err(ConnectError::new(why)))) };
        let (name, admission) = if self.talks.len() >= limits::NAMESPACES_PER_CONNECTION {
            (ns.into(), refused("too many namespaces on this connection"))
        } else if ns.len() > limits::NAMESPACE_NAME {
            (ns.into(), refused("the name of the namespace is too long"))
        } else if let Some(found) = server.find_namespace(ns) {
            let admission: Admission = Box::pin(std::future::ready(Ok(found.clone())));
            (found.name().clone(), admission)
        } else {
            let asked = Asked {
                name: ns.to_owned(),
                auth: auth_value(auth.as_ref()),
                handshake: self.connection.handshake.clone(),
            };
            let admission: Admission = Box::pin(async move { server.admit(asked).await });
            (ns.into(), admission)
        };
        self.talks.push(Talk::new(name, auth, admission));
        Ok(())
    }

    /// The client left this namespace.
    pub(super) fn leave(&mut self, index: usize) {
        let talk = &mut self.talks[index];
        if talk.is_joining() {
            let shard = self.shard.clone();
            if let Some(socket) = &talk.socket {
                shard.drop_seat(self.conn, &talk.ns, socket);
            }
            talk.abandon(&shard);
            return;
        }
        let ns = talk.ns.clone();
        let at = self.shard.server().hub().distributed();
        let reason = DisconnectReason::ClientNamespaceDisconnect;
        self.shard.end_socket(self.conn, &ns, at, reason, Default::default());
        // Told at once: the next packet of the same read may join it again.
        self.take_orders();
        self.shard.want_turn();
    }

    /// Polls what the sockets have to do. True if something was done.
    pub(super) fn poll_talks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        for index in 0..self.talks.len() {
            // A socket that takes the place of one that still ends waits for it.
            let ns = &self.talks[index].ns;
            if self.talks[..index].iter().any(|earlier| earlier.ns == *ns && !matches!(earlier.stage, Stage::Over)) {
                continue;
            }
            self.talks[index].poll_beside(cx);
            while self.step(index, cx) {
                progress = true;
            }
        }
        let shard = self.shard.clone();
        self.talks.retain(|talk| {
            let over = matches!(talk.stage, Stage::Over) && talk.beside.is_empty();
            if over {
                talk.release(&shard);
            }
            !over
        });
        progress
    }

    /// One step of one socket. False if it has to wait or is over.
    fn step(&mut self, index: usize, cx: &mut Context<'_>) -> bool {
        let talk = &mut self.talks[index];
        match &mut talk.stage {
            Stage::Over => false,
            Stage::Admission(admission) => match catch_unwind(AssertUnwindSafe(|| admission.as_mut().poll(cx))) {
                Ok(Poll::Pending) => false,
                Ok(Poll::Ready(admitted)) => self.admitted(index, admitted),
                Err(_) => {
                    tracing::error!(ns = %talk.ns, "the function of a dynamic namespace panicked");
                    self.admitted(index, Err(ConnectError::new("internal error")))
                }
            },
            Stage::CatchingUp(walked, namespace) => {
                if Pin::new(walked).poll(cx).is_pending() {
                    return false;
                }
                let namespace = namespace.clone();
                let back = talk.auth.as_deref().and_then(Return::parse);
                self.enter(index, namespace, back)
            }
            Stage::Middlewares(middlewares) => {
                let verdict = catch_unwind(AssertUnwindSafe(|| middlewares.as_mut().poll(cx)));
                match verdict {
                    Ok(Poll::Pending) => false,
                    Ok(Poll::Ready(verdict)) => self.judged(index, verdict),
                    Err(_) => {
                        tracing::error!(ns = %talk.ns, "a middleware panicked");
                        self.judged(index, Err(ConnectError::new("internal error")))
                    }
                }
            }
            Stage::Behind(before) => {
                // An error says that the other end is gone, which is how it answers.
                if Pin::new(before).poll(cx).is_pending() {
                    return false;
                }
                self.begin_handling(index)
            }
            Stage::Running(handler) => {
                if poll_handler(handler, cx).is_pending() {
                    return false;
                }
                talk.stage = Stage::Idle;
                true
            }
            Stage::Leaving(handler) => {
                if poll_handler(handler, cx).is_pending() {
                    return false;
                }
                talk.stage = Stage::Over;
                true
            }
            Stage::Idle => self.next(index),
        }
    }

    /// There is such a namespace, or not.
    fn admitted(&mut self, index: usize, admitted: Result<Arc<NamespaceCore>, ConnectError>) -> bool {
        let namespace = match admitted {
            Ok(namespace) => namespace,
            Err(error) => {
                self.refuse(index, &error);
                return true;
            }
        };
        let talk = &mut self.talks[index];
        talk.ns = namespace.name().clone();
        let back = talk.auth.as_deref().filter(|_| self.shard.can_recover(self.conn)).and_then(Return::parse);
        if back.is_some()
            && let Some(walked) = self.shard.until_walked()
        {
            talk.stage = Stage::CatchingUp(walked, namespace);
            return true;
        }
        self.enter(index, namespace, back)
    }

    /// The client gets its session back, or a socket of its own.
    fn enter(&mut self, index: usize, namespace: Arc<NamespaceCore>, back: Option<Return>) -> bool {
        namespace.sockets.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        let talk = &self.talks[index];
        if let Some(back) = back
            && let Some((id, shared)) = self.shard.claimed(&talk.ns, &back)
        {
            let auth = talk.auth.clone();
            let socket = Socket::new(self.place(namespace), id, auth, shared, true);
            let skip = socket.server().options.recovery.as_ref().is_some_and(|recovery| recovery.skip_middlewares);
            let talk = &mut self.talks[index];
            talk.socket = Some(socket);
            talk.back = Some(Box::new(back));
            return if skip { self.judged(index, Ok(())) } else { self.ask_middlewares(index) };
        }
        self.begin_afresh(index, namespace)
    }

    /// The client gets a socket of its own, if the middlewares let it in.
    fn begin_afresh(&mut self, index: usize, namespace: Arc<NamespaceCore>) -> bool {
        let talk = &self.talks[index];
        let id = match self.codec.version {
            Version::V4 => self.shard.new_id(),
            Version::V3 if &*talk.ns == "/" => self.connection.sid.to_string(),
            Version::V3 => format!("{}#{}", talk.ns, self.connection.sid),
        };
        let private_id = self.shard.can_recover(self.conn).then(|| self.shard.new_id().into());
        let shared = Arc::new(Shared { private_id, ..Shared::default() });
        let socket = Socket::new(self.place(namespace), id.into(), talk.auth.clone(), shared, false);
        let at = self.shard.fence();
        self.shard.core.borrow_mut().seat(self.conn, &talk.ns, socket.id().clone(), socket.clone(), at);
        self.talks[index].socket = Some(socket);
        self.ask_middlewares(index)
    }

    fn place(&self, ns: Arc<NamespaceCore>) -> Place {
        Place {
            server: self.shard.server().clone(),
            ns,
            shard: self.shard.index(),
            conn: self.conn,
            codec: self.codec,
            connection: self.connection.clone(),
        }
    }

    fn ask_middlewares(&mut self, index: usize) -> bool {
        let talk = &mut self.talks[index];
        let Some(socket) = talk.socket.clone() else { return false };
        match catch_unwind(AssertUnwindSafe(|| dispatch::middlewares(&socket))) {
            Ok(Some(middlewares)) => {
                talk.stage = Stage::Middlewares(middlewares);
                true
            }
            Ok(None) => self.judged(index, Ok(())),
            Err(_) => self.judged(index, Err(ConnectError::new("internal error"))),
        }
    }

    /// The middlewares have let it in, or not.
    fn judged(&mut self, index: usize, verdict: Result<(), ConnectError>) -> bool {
        let talk = &mut self.talks[index];
        let Some(socket) = talk.socket.clone() else { return false };
        if let Err(error) = verdict {
            self.shard.drop_seat(self.conn, &talk.ns, &socket);
            self.refuse(index, &error);
            return true;
        }
        if let Some(back) = talk.back.take() {
            let Some(resumed) = self.shard.resume(self.conn, &socket, &back, self.codec) else {
                return self.begin_afresh(index, socket.namespace_core().clone());
            };
            talk.over = Some(resumed.over);
            if let Some(before) = resumed.before {
                talk.stage = Stage::Behind(before);
                return true;
            }
        } else if socket.has_session() {
            talk.over = self.shard.open_session(self.conn, &socket, self.codec);
            if talk.over.is_none() {
                talk.abandon(&self.shard);
                return true;
            }
        } else if !self.shard.let_in(self.conn, &talk.ns, &socket, self.codec) {
            talk.abandon(&self.shard);
            return true;
        }
        self.begin_handling(index)
    }

    /// It is connected: its first handler runs.
    fn begin_handling(&mut self, index: usize) -> bool {
        let talk = &mut self.talks[index];
        let Some(socket) = talk.socket.clone() else { return false };
        let connected = catch_unwind(AssertUnwindSafe(|| dispatch::connected(&socket))).ok().flatten();
        talk.stage = connected.map_or(Stage::Idle, Stage::Running);
        true
    }

    fn refuse(&mut self, index: usize, error: &ConnectError) {
        let talk = &mut self.talks[index];
        let messages = if error.message == "Invalid namespace" {
            self.codec.invalid_namespace(&talk.ns)
        } else {
            let data = error.data.as_ref().map(ToString::to_string);
            self.codec.connect_error(&talk.ns, &error.message, data.as_deref())
        };
        self.shard.private(self.conn, Private::Messages(messages));
        talk.abandon(&self.shard);
    }

    /// Begins what waits next. False if nothing does.
    fn next(&mut self, index: usize) -> bool {
        let talk = &mut self.talks[index];
        let Some(socket) = talk.socket.clone() else { return false };
        if talk.beside.len() >= limits::CONCURRENT_EVENTS {
            return false;
        }
        if let Some(Incoming { id, event }) = talk.inbox.pop_front() {
            talk.latest = event.name.clone();
            let dispatched = catch_unwind(AssertUnwindSafe(|| dispatch::dispatch(&socket, event, id)));
            match dispatched {
                Ok(Dispatch::Done) => {}
                Ok(Dispatch::Run(handler)) => talk.stage = Stage::Running(handler),
                Ok(Dispatch::Beside(handler)) => talk.beside.push(handler),
                Err(_) => tracing::error!(ns = %talk.ns, event = %talk.latest, "a handler panicked"),
            }
            return true;
        }
        if let Some(reason) = talk.end.filter(|_| talk.beside.is_empty()) {
            talk.stage = Stage::Leaving(dispatch::ended(&socket, reason));
            return true;
        }
        false
    }
}

impl Shard {
    /// Makes a seated socket a member of its namespace and sends CONNECT. False if it is gone meanwhile.
    fn let_in(&self, conn: super::ConnRef, ns: &Arc<str>, socket: &Socket, codec: trunkline_proto::Codec) -> bool {
        self.fence();
        let Some(member) = self.core.borrow().member(conn, ns) else { return false };
        let (at, _) = self.server.hub().join(ns, None, self.index);
        let mut core = self.core.borrow_mut();
        core.delivery.join(member, None, at);
        if let Some(found) = core.conn_mut(conn) {
            found.deadlines.join_by = None;
        }
        core.private_after(conn, at, Private::Messages(codec.connect(ns, socket.id(), None)));
        drop(core);
        socket.set_connected();
        self.want_turn();
        true
    }

    /// Takes a socket off that was not let in, with the rooms it has joined meanwhile.
    fn drop_seat(&self, conn: super::ConnRef, ns: &Arc<str>, socket: &Socket) {
        let mut core = self.core.borrow_mut();
        let Some(member) = core.member(conn, ns) else { return };
        let at = self.server.hub().distributed();
        let rooms = core.rooms_of(member);
        core.delivery.leave_all(member, at);
        if let Some(found) = core.conn_mut(conn) {
            found.end_seat(member);
        }
        core.private_after(conn, at, Private::Farewell { member, messages: Default::default() });
        drop(core);
        self.tell_left(ns, socket.id(), &rooms);
        self.want_turn();
    }
}
