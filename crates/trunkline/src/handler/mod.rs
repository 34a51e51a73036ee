//! Handlers: async functions of extractors, registered once on a namespace (or on one socket). What they return is the
//! acknowledgement. The list of who listens to what is `table`.

mod answer;
pub(crate) mod dispatch;
mod extract;
mod table;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use answer::{Ack, IntoAnswer};
pub(crate) use answer::{AckSender, refuse};
pub(crate) use extract::States;
pub use extract::{Auth, Data, EventName, FromContext, Rejection, State, TryData};
pub(crate) use table::{AnyListener, Listener, Listeners};
pub use table::{ListenerId, Unhandled};

use trunkline_proto::Event;

use crate::{Batch, ConnectError, DisconnectReason, Error, Key, Socket};

pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = ()> + Send>>;
pub(crate) type MiddlewareFuture = Pin<Box<dyn Future<Output = Result<(), ConnectError>> + Send>>;

/// What a handler is called with; extractors take their part of it.
#[derive(Debug)]
pub struct Context {
    pub(crate) socket: Socket,
    pub(crate) event: Option<Event>,
    pub(crate) ack: Option<AckSender>,
    pub(crate) reason: Option<DisconnectReason>,
    /// What a keyed handler fills.
    pub(crate) batch: Option<Batch>,
}

impl Context {
    /// The socket that it is about.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The name of the event, if it is one.
    #[must_use]
    pub fn event_name(&self) -> Option<&str> {
        self.event.as_ref().map(|event| &*event.name)
    }

    /// The arguments of the event; none where there is no event.
    #[must_use]
    pub fn args(&self) -> Option<&trunkline_proto::Args> {
        self.event.as_ref().map(|event| &event.args)
    }

    /// Why the socket ended, in `on_disconnecting` and `on_disconnect`.
    #[must_use]
    pub fn reason(&self) -> Option<DisconnectReason> {
        self.reason
    }
}

/// An async function that can be registered with [`crate::Namespace::on`] and its kin.
///
/// It takes up to eight extractors ([`FromContext`]) and returns what the client gets as its acknowledgement, if it
/// asked for one: any serialisable value, `()` for an empty one, or a `Result` of these with [`crate::Error`]. Registering one
/// that returns a `Result` with another error panics: its client would take the error for a success.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a valid event handler",
    label = "not a valid handler",
    note = "a handler is a function or closure `Fn(extractors..) -> impl Future<Output = answer> + Send` of at most 8 arguments",
    note = "each argument is an extractor: `Socket`, `Data<T>`, `TryData<T>`, `Args`, `Ack`, `State<T>`, `Auth<T>`, `EventName`, `DisconnectReason`, or your own `FromContext`",
    note = "the answer is `()`, a value that is `serde::Serialize`, `Args`, or `Result<such, trunkline::Error>`",
    note = "the future must be `Send`: no `Rc`, no lock guard of std across an `.await`"
)]
pub trait Handler<M>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call(&self, context: Context) -> Result<HandlerFuture, Box<(Context, Rejection)>>;
    #[doc(hidden)]
    fn takes_ack() -> bool;
    #[doc(hidden)]
    fn check(states: &States);
}

/// A handler that is registered with [`crate::Namespace::on_keyed`]: as [`Handler`], but it takes a [`Batch`] to fill and
/// returns `Result<T, trunkline::Error>` with a serialisable `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a valid handler of a keyed event",
    label = "not a valid keyed handler",
    note = "it is `Fn(extractors..) -> impl Future<Output = Result<T, trunkline::Error>> + Send` of at most 8 arguments, one of them `Batch`",
    note = "each argument is an extractor: `Batch`, `Socket`, `Data<T>`, `TryData<T>`, `Args`, `State<T>`, `Auth<T>`, `EventName`, or your own `FromContext`"
)]
pub trait KeyedHandler<M>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call(&self, context: Context) -> Result<AnswerFuture, Box<(Context, Rejection)>>;
    #[doc(hidden)]
    fn check(states: &States);
}

pub(crate) type AnswerFuture = Pin<Box<dyn Future<Output = Result<trunkline_proto::Args, Error>> + Send>>;

/// A keyed handler whose types are forgotten, with the function that finds the key.
struct ErasedKeyed<H, K, T, M>(Arc<H>, K, std::marker::PhantomData<fn() -> (T, M)>);

impl<H, K, T, M> AnyHandler for ErasedKeyed<H, K, T, M>
where
    H: KeyedHandler<M>,
    K: Fn(&T) -> Key + Send + Sync + 'static,
    T: serde::de::DeserializeOwned + 'static,
    M: 'static,
{
    fn call(&self, mut context: Context) -> Result<HandlerFuture, Box<(Context, Rejection)>> {
        let said = match <Data<T> as FromContext>::from_context(&mut context) {
            Ok(Data(said)) => said,
            Err(rejection) => return Err(Box::new((context, rejection))),
        };
        let handler = self.0.clone();
        Ok(crate::keyed::run(context, (self.1)(&said), move |context| handler.call(context)))
    }
}

pub(crate) fn erase_keyed<H, K, T, M>(key: K, handler: H) -> Arc<dyn AnyHandler>
where
    H: KeyedHandler<M>,
    K: Fn(&T) -> Key + Send + Sync + 'static,
    T: serde::de::DeserializeOwned + 'static,
    M: 'static,
{
    Arc::new(ErasedKeyed(Arc::new(handler), key, std::marker::PhantomData))
}

/// An async function that lets a socket into a namespace, or refuses it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a valid middleware",
    label = "not a valid middleware",
    note = "a middleware is `Fn(extractors..) -> impl Future<Output = Result<(), E>> + Send` where `E: Into<ConnectError>` (a string is)"
)]
pub trait Middleware<M>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call(&self, context: Context) -> Result<MiddlewareFuture, Rejection>;
    #[doc(hidden)]
    fn check(states: &States);
}

/// A handler whose types are forgotten.
pub(crate) trait AnyHandler: Send + Sync {
    fn call(&self, context: Context) -> Result<HandlerFuture, Box<(Context, Rejection)>>;
}

/// A middleware whose types are forgotten.
pub(crate) trait AnyMiddleware: Send + Sync {
    fn call(&self, context: Context) -> Result<MiddlewareFuture, Rejection>;
}

struct Erased<H, M>(H, std::marker::PhantomData<fn() -> M>);

impl<H: Handler<M>, M: 'static> AnyHandler for Erased<H, M> {
    fn call(&self, context: Context) -> Result<HandlerFuture, Box<(Context, Rejection)>> {
        self.0.call(context)
    }
}

struct ErasedMiddleware<H, M>(H, std::marker::PhantomData<fn() -> M>);

impl<H: Middleware<M>, M: 'static> AnyMiddleware for ErasedMiddleware<H, M> {
    fn call(&self, context: Context) -> Result<MiddlewareFuture, Rejection> {
        self.0.call(context)
    }
}

pub(crate) fn erase<M: 'static>(handler: impl Handler<M>) -> Arc<dyn AnyHandler> {
    Arc::new(Erased(handler, std::marker::PhantomData))
}

pub(crate) fn erase_middleware<M: 'static>(handler: impl Middleware<M>) -> Arc<dyn AnyMiddleware> {
    Arc::new(ErasedMiddleware(handler, std::marker::PhantomData))
}

macro_rules! handlers {
    ($($arg:ident),*) => {
        #[allow(non_snake_case, unused_mut, unused_variables, clippy::allow_attributes,
            reason = "the case of no arguments uses none of it")]
        impl<F, Fut, R, M, $($arg),*> Handler<(M, $($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: IntoAnswer<M>,
            $($arg: FromContext,)*
        {
            fn call(&self, mut context: Context) -> Result<HandlerFuture, Box<(Context, Rejection)>> {
                $(
                    let $arg = match $arg::from_context(&mut context) {
                        Ok(found) => found,
                        Err(rejection) => return Err(Box::new((context, rejection))),
                    };
                )*
                let future = self($($arg),*);
                Ok(answer::answering(future, context))
            }

            fn takes_ack() -> bool {
                false $(|| $arg::TAKES_ACK)*
            }

            fn check(states: &States) {
                $($arg::check(states);)*
                R::check();
            }
        }

        #[allow(non_snake_case, unused_mut, unused_variables, clippy::allow_attributes,
            reason = "the case of no arguments uses none of it")]
        impl<F, Fut, T, $($arg),*> KeyedHandler<(T, $($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<T, Error>> + Send + 'static,
            T: serde::Serialize,
            $($arg: FromContext,)*
        {
            fn call(&self, mut context: Context) -> Result<AnswerFuture, Box<(Context, Rejection)>> {
                $(
                    let $arg = match $arg::from_context(&mut context) {
                        Ok(found) => found,
                        Err(rejection) => return Err(Box::new((context, rejection))),
                    };
                )*
                let future = self($($arg),*);
                Ok(Box::pin(async move { Ok(trunkline_proto::Args::serialize(&future.await?)?) }))
            }

            fn check(states: &States) {
                $($arg::check(states);)*
            }
        }

        #[allow(non_snake_case, unused_mut, unused_variables, clippy::allow_attributes,
            reason = "the case of no arguments uses none of it")]
        impl<F, Fut, E, $($arg),*> Middleware<(E, $($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<(), E>> + Send + 'static,
            E: Into<ConnectError>,
            $($arg: FromContext,)*
        {
            fn call(&self, mut context: Context) -> Result<MiddlewareFuture, Rejection> {
                $(let $arg = $arg::from_context(&mut context)?;)*
                let future = self($($arg),*);
                Ok(Box::pin(async move { future.await.map_err(Into::into) }))
            }

            fn check(states: &States) {
                $($arg::check(states);)*
            }
        }
    };
}

handlers!();
handlers!(A1);
handlers!(A1, A2);
handlers!(A1, A2, A3);
handlers!(A1, A2, A3, A4);
handlers!(A1, A2, A3, A4, A5);
handlers!(A1, A2, A3, A4, A5, A6);
handlers!(A1, A2, A3, A4, A5, A6, A7);
handlers!(A1, A2, A3, A4, A5, A6, A7, A8);
