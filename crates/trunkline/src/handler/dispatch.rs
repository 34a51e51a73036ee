//! From an event to the futures of its handlers. Which thread polls them, and when the next event begins, is the
//! connection task's part.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use trunkline_proto::Event;

use crate::handler::table::PacketMiddleware;
use crate::handler::{AckSender, AnyHandler, Context, HandlerFuture, Listener, Listeners, Unhandled, answer};
use crate::{ConnectError, DisconnectReason, Error, Socket};

/// What is to be done for an event.
pub(crate) enum Dispatch {
    /// Nothing more.
    Done,
    /// This, before the socket's next event.
    Run(HandlerFuture),
    /// This, beside the socket's other events.
    Beside(HandlerFuture),
}

/// Finds the handlers of an event that the client sent.
pub(crate) fn dispatch(socket: &Socket, event: Event, id: Option<u64>) -> Dispatch {
    // First of all: it answers if a listener panics.
    let ack = id.map(|id| AckSender::new(socket.clone(), id));
    let shared = socket.namespace_core().listeners();
    let own = socket.own_listeners();
    for listener in shared.any.iter().chain(own.iter().flat_map(|own| &own.any)) {
        (listener.call)(socket, &event);
    }
    let guards = shared.packet_middleware.iter().chain(own.iter().flat_map(|own| &own.packet_middleware));
    let guards: Vec<_> = guards.cloned().collect();
    if !guards.is_empty() {
        return Dispatch::Run(Box::pin(guarded(socket.clone(), event, ack, guards)));
    }
    call(socket, event, ack, &shared, own.as_deref())
}

fn call(
    socket: &Socket,
    event: Event,
    ack: Option<AckSender>,
    shared: &Listeners,
    own: Option<&Listeners>,
) -> Dispatch {
    let of = |table: &Listeners| table.events.get(&*event.name).map_or(&[][..], Vec::as_slice).to_vec();
    let single = match (shared.events.get(&*event.name).map(Vec::as_slice), own) {
        (Some([listener]), None) => Some(listener.clone()),
        _ => None,
    };
    if let Some(listener) = single.filter(|listener| listener.once.is_none()) {
        return call_one(socket, event, ack, &listener);
    }
    let mut listeners = of(shared);
    listeners.extend(own.map(of).unwrap_or_default());
    listeners.retain(Listener::claim);
    for spent in listeners.iter().filter(|listener| listener.once.is_some()) {
        socket.forget_listener(spent.id);
    }
    if listeners.is_empty() {
        nobody_listens(&event, ack, shared.unhandled);
        return Dispatch::Done;
    }
    Dispatch::Run(Box::pin(call_all(socket.clone(), event, ack, listeners)))
}

fn call_one(socket: &Socket, event: Event, ack: Option<AckSender>, listener: &Listener) -> Dispatch {
    match start(socket, event, ack, &*listener.handler) {
        None => Dispatch::Done,
        Some(future) if listener.concurrent => Dispatch::Beside(future),
        Some(future) => Dispatch::Run(future),
    }
}

/// Runs the extractors and makes the handler's future; answers itself where an extractor refuses.
fn start(socket: &Socket, event: Event, ack: Option<AckSender>, handler: &dyn AnyHandler) -> Option<HandlerFuture> {
    let context = Context { socket: socket.clone(), event: Some(event), ack, reason: None, batch: None };
    match handler.call(context) {
        Ok(future) => Some(future),
        Err(refused) => {
            let (mut context, rejection) = *refused;
            let ack = context.ack.take();
            answer::refuse(socket, context.event_name(), ack, &rejection.0);
            None
        }
    }
}

/// Several handlers of one event, one after another. The acknowledgement is the first one's that takes it as an
/// argument, else that of the first.
async fn call_all(socket: Socket, event: Event, ack: Option<AckSender>, listeners: Vec<Listener>) {
    let answering = listeners.iter().position(|listener| listener.takes_ack).unwrap_or(0);
    let mut ack = ack;
    for (index, listener) in listeners.iter().enumerate() {
        let ack = if index == answering { ack.take() } else { None };
        if let Some(future) = start(&socket, event.clone(), ack, &*listener.handler) {
            future.await;
        }
    }
}

async fn guarded(socket: Socket, event: Event, ack: Option<AckSender>, guards: Vec<PacketMiddleware>) {
    let name = event.name.clone();
    let mut event = event;
    for guard in guards {
        event = match guard(socket.clone(), event).await {
            Ok(event) => event,
            Err(error) => {
                for told in &socket.namespace_core().listeners().error {
                    told(&socket, &error);
                }
                answer::refuse(&socket, Some(&name), ack, &error);
                return;
            }
        };
    }
    // "only if still connected": a middleware may have ended the socket.
    if !socket.is_connected() {
        return;
    }
    let next = call(&socket, event, ack, &socket.namespace_core().listeners(), socket.own_listeners().as_deref());
    match next {
        Dispatch::Done => {}
        Dispatch::Run(future) | Dispatch::Beside(future) => future.await,
    }
}

fn nobody_listens(event: &Event, ack: Option<AckSender>, unhandled: Unhandled) {
    match (ack, unhandled) {
        (Some(ack), Unhandled::Reject) => {
            ack.fail(&Error::new("not_handled", format!("nobody handles {:?}", &*event.name)));
        }
        // As in the reference: the acknowledgement never comes.
        (Some(ack), Unhandled::Ignore) => ack.forget(),
        (None, _) => {}
    }
}

/// The middlewares of a namespace, as they are now; `None` if there are none.
pub(crate) fn middlewares(socket: &Socket) -> Option<crate::handler::MiddlewareFuture> {
    let listeners = socket.namespace_core().listeners();
    if listeners.middleware.is_empty() {
        return None;
    }
    let middlewares = listeners.middleware.clone();
    let socket = socket.clone();
    Some(Box::pin(async move {
        for middleware in middlewares {
            let context = Context { socket: socket.clone(), event: None, ack: None, reason: None, batch: None };
            let verdict = middleware.call(context).map_err(|rejection| {
                ConnectError::new(rejection.0.message()).with_data(serde_json::json!({ "code": rejection.0.code() }))
            })?;
            verdict.await?;
        }
        Ok(())
    }))
}

/// The handlers for a socket that has connected; `None` if there are none.
pub(crate) fn connected(socket: &Socket) -> Option<HandlerFuture> {
    let handlers = socket.namespace_core().listeners().connect.clone();
    (!handlers.is_empty()).then(|| -> HandlerFuture { Box::pin(run_all(socket.clone(), handlers, None)) })
}

/// The handlers for a socket that has ended.
pub(crate) fn ended(socket: &Socket, reason: DisconnectReason) -> HandlerFuture {
    let shared = socket.namespace_core().listeners();
    let own = socket.own_listeners();
    let both = |of: fn(&Listeners) -> &Vec<Arc<dyn AnyHandler>>| -> Vec<_> {
        of(&shared).iter().chain(own.iter().flat_map(|own| of(own))).cloned().collect()
    };
    let (disconnecting, disconnect) = (both(|table| &table.disconnecting), both(|table| &table.disconnect));
    let socket = socket.clone();
    Box::pin(async move {
        run_all(socket.clone(), disconnecting, Some(reason)).await;
        socket.forget_rooms();
        run_all(socket, disconnect, Some(reason)).await;
    })
}

/// Runs handlers one after another. A panic ends the one that it is in.
async fn run_all(socket: Socket, handlers: Vec<Arc<dyn AnyHandler>>, reason: Option<DisconnectReason>) {
    for handler in handlers {
        let context = Context { socket: socket.clone(), event: None, ack: None, reason, batch: None };
        match catch_unwind(AssertUnwindSafe(|| handler.call(context))) {
            Ok(Ok(mut future)) => poll_fn(|cx| poll_handler(&mut future, cx)).await,
            Ok(Err(refused)) => answer::refuse(&socket, None, None, &refused.1.0),
            Err(_) => tracing::error!(ns = %socket.namespace_name(), "a handler panicked"),
        }
    }
}

/// Polls a handler; one that panics has ended, and its client is answered by what it leaves behind.
pub(crate) fn poll_handler(handler: &mut HandlerFuture, cx: &mut std::task::Context<'_>) -> Poll<()> {
    catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))).unwrap_or_else(|_| {
        tracing::error!("a handler panicked; the event ends, the connection goes on");
        Poll::Ready(())
    })
}

/// Calls a listener that runs within a shard's turn: one that panics does not take the shard along.
pub(crate) fn guarded_call(what: &str, call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!("{what} panicked");
    }
}
