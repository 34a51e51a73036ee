//! Who listens to what, on a namespace or on one socket. Tables are values: a change makes a new one, and events under
//! way keep the one they began with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use trunkline_proto::Event;

use crate::handler::{AnyHandler, AnyMiddleware};
use crate::{Error, Socket};

/// Names a registered handler, so that it can be taken off again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

impl ListenerId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What happens to an event that nobody listens to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unhandled {
    /// Nothing, as in Socket.IO: an acknowledgement that was asked for never comes.
    #[default]
    Ignore,
    /// It is answered with code `not_handled`, if an acknowledgement was asked for.
    Reject,
}

/// A handler of an event.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) handler: Arc<dyn AnyHandler>,
    pub(crate) takes_ack: bool,
    /// Runs beside the socket's other events.
    pub(crate) concurrent: bool,
    /// Spent after its first event.
    pub(crate) once: Option<Arc<AtomicBool>>,
}

impl Listener {
    /// Whether it is to be called; a `once` listener only the first time this is asked.
    pub(crate) fn claim(&self) -> bool {
        self.once.as_ref().is_none_or(|spent| !spent.swap(true, Ordering::AcqRel))
    }
}

type AnyFn = Arc<dyn Fn(&Socket, &Event) + Send + Sync>;
type PacketFuture = std::pin::Pin<Box<dyn Future<Output = Result<Event, Error>> + Send>>;
/// A middleware of the events of a socket.
pub(crate) type PacketMiddleware = Arc<dyn Fn(Socket, Event) -> PacketFuture + Send + Sync>;
/// Told of an event that a packet middleware refused.
pub(crate) type Refusal = Arc<dyn Fn(&Socket, &Error) + Send + Sync>;

/// A catch-all listener.
#[derive(Clone)]
pub(crate) struct AnyListener {
    pub(crate) id: ListenerId,
    pub(crate) call: AnyFn,
}

/// Everything registered on a namespace or on one socket.
#[derive(Clone, Default)]
pub(crate) struct Listeners {
    pub(crate) middleware: Vec<Arc<dyn AnyMiddleware>>,
    pub(crate) connect: Vec<Arc<dyn AnyHandler>>,
    pub(crate) events: HashMap<Box<str>, Vec<Listener>>,
    pub(crate) any: Vec<AnyListener>,
    pub(crate) any_outgoing: Vec<AnyListener>,
    pub(crate) packet_middleware: Vec<PacketMiddleware>,
    pub(crate) error: Vec<Refusal>,
    pub(crate) disconnecting: Vec<Arc<dyn AnyHandler>>,
    pub(crate) disconnect: Vec<Arc<dyn AnyHandler>>,
    pub(crate) unhandled: Unhandled,
}

impl Listeners {
    pub(crate) fn add(&mut self, event: &str, listener: Listener) {
        self.events.entry(event.into()).or_default().push(listener);
    }

    /// Takes a listener off, wherever it is. False if there is none.
    pub(crate) fn remove(&mut self, id: ListenerId) -> bool {
        let mut removed = false;
        for list in self.events.values_mut() {
            let before = list.len();
            list.retain(|listener| listener.id != id);
            removed |= before != list.len();
        }
        self.events.retain(|_, list| !list.is_empty());
        for list in [&mut self.any, &mut self.any_outgoing] {
            let before = list.len();
            list.retain(|listener| listener.id != id);
            removed |= before != list.len();
        }
        removed
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("events", &self.events.keys()).finish_non_exhaustive()
    }
}
