//! Handlers of one socket, beside those that its namespace has for all.

use std::sync::Arc;

use trunkline_proto::Event;

use crate::handler::{AnyListener, Handler, ListenerId, erase};
use crate::namespace::listener;
use crate::{Error, History, Socket};

impl Socket {
    /// As [`Namespace::on`](crate::Namespace::on), for this socket alone. It costs a table of its own, some hundred bytes a connection:
    /// handlers that all sockets share belong on the namespace.
    pub fn on<M: 'static, H: Handler<M>>(&self, event: &str, handler: H) -> ListenerId {
        self.add_listener::<M, H>(event, handler, false)
    }

    /// As [`Socket::on`], for the next event of this name only.
    pub fn once<M: 'static, H: Handler<M>>(&self, event: &str, handler: H) -> ListenerId {
        self.add_listener::<M, H>(event, handler, true)
    }

    fn add_listener<M: 'static, H: Handler<M>>(&self, event: &str, handler: H, once: bool) -> ListenerId {
        H::check(self.states());
        let listener = listener::<M, H>(handler, false, once);
        let id = listener.id;
        self.change_listeners(|listeners| listeners.add(event, listener));
        id
    }

    /// A `once` listener has had its event, wherever it was registered.
    pub(crate) fn forget_listener(&self, id: ListenerId) {
        if !self.own_listeners().is_some_and(|_| self.off(id)) {
            self.namespace().off(id);
        }
    }

    /// Takes off a handler that was registered on this socket. False if it is not there.
    pub fn off(&self, id: ListenerId) -> bool {
        self.change_listeners(|listeners| listeners.remove(id))
    }

    /// As [`Namespace::on_any`](crate::Namespace::on_any), for this socket alone.
    pub fn on_any(&self, call: impl Fn(&Self, &Event) + Send + Sync + 'static) -> ListenerId {
        let id = ListenerId::next();
        self.change_listeners(|listeners| listeners.any.push(AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// As [`Namespace::prepend_any`](crate::Namespace::prepend_any), for this socket alone: before its own listeners,
    /// after those of its namespace.
    pub fn prepend_any(&self, call: impl Fn(&Self, &Event) + Send + Sync + 'static) -> ListenerId {
        let id = ListenerId::next();
        self.change_listeners(|listeners| listeners.any.insert(0, AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// As [`Namespace::on_any_outgoing`](crate::Namespace::on_any_outgoing), for this socket alone.
    pub fn on_any_outgoing(&self, call: impl Fn(&Self, &Event) + Send + Sync + 'static) -> ListenerId {
        self.server().expect_outgoing_listeners();
        let id = ListenerId::next();
        self.change_listeners(|listeners| listeners.any_outgoing.push(AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// As [`Socket::on_any_outgoing`], before this socket's own listeners that are there.
    pub fn prepend_any_outgoing(&self, call: impl Fn(&Self, &Event) + Send + Sync + 'static) -> ListenerId {
        self.server().expect_outgoing_listeners();
        let id = ListenerId::next();
        self.change_listeners(|listeners| listeners.any_outgoing.insert(0, AnyListener { id, call: Arc::new(call) }));
        id
    }

    /// As [`Namespace::packet_middleware`](crate::Namespace::packet_middleware), for this socket alone.
    pub fn packet_middleware<F, Fut>(&self, middleware: F)
    where
        F: Fn(Self, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Event, Error>> + Send + 'static,
    {
        self.change_listeners(|listeners| {
            listeners.packet_middleware.push(Arc::new(move |socket, event| Box::pin(middleware(socket, event))));
        });
    }

    /// As [`Namespace::on_disconnect`](crate::Namespace::on_disconnect), for this socket alone.
    pub fn on_disconnect<M: 'static, H: Handler<M>>(&self, handler: H) {
        H::check(self.states());
        let handler = erase(handler);
        self.change_listeners(|listeners| listeners.disconnect.push(handler));
    }

    /// The past of a room of its namespace; see [`Namespace::history`](crate::Namespace::history).
    pub fn history(&self, room: &str) -> History {
        self.namespace().history(room)
    }
}
