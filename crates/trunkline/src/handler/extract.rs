//! Extractors: what a handler can ask for by the types of its arguments.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytestring::ByteString;
use serde::de::DeserializeOwned;
use trunkline_proto::Args;

use crate::handler::{Ack, Context};
use crate::{DisconnectReason, Error, Socket};

/// Why a handler could not be called: the error that its client is answered with.
#[derive(Debug)]
pub struct Rejection(pub Error);

impl<E: Into<Error>> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// A type that a handler may have as an argument.
///
/// Extractors run in the order of the arguments, before the handler, on the connection's own thread; they must not
/// block. Your own are made by implementing [`FromContext::from_context`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    note = "take `Socket`, `Data<T>` with `T: DeserializeOwned`, `TryData<T>`, `Args`, `Ack`, `State<T>`, `Auth<T>`, `EventName` or `DisconnectReason`, or implement `FromContext`"
)]
pub trait FromContext: Sized {
    #[doc(hidden)]
    const TAKES_ACK: bool = false;

    /// Takes this argument out of the context.
    ///
    /// # Errors
    ///
    /// The handler is not called, and the client gets the rejection as its acknowledgement if it asked for one.
    fn from_context(context: &mut Context) -> Result<Self, Rejection>;

    #[doc(hidden)]
    fn check(_states: &States) {}
}

impl FromContext for Socket {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        Ok(context.socket.clone())
    }
}

/// The arguments of an event, read as `T`: a tuple takes all of them, any other type the first.
///
/// `Bytes` fields take attachments, at any depth. Arguments of another shape are answered with code
/// `invalid_argument`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// As [`Data`], but a wrong argument is a value and the handler is called all the same.
#[derive(Debug)]
pub struct TryData<T>(pub Result<T, Error>);

/// The name of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(pub ByteString);

/// What the client sent as `auth` when it connected to the namespace, read as `T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<T>(pub T);

/// A value given to [`crate::ServerBuilder::state`], shared by all handlers.
///
/// Registering a handler that asks for a state which was not given panics, at once and not at the first event.
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

fn read<T: DeserializeOwned>(context: &Context) -> Result<T, Error> {
    let nothing = Args::new();
    let args = context.args().unwrap_or(&nothing);
    args.extract().map_err(|error| Error::invalid_argument(error.to_string()))
}

impl<T: DeserializeOwned> FromContext for Data<T> {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        read(context).map(Self).map_err(Rejection)
    }
}

impl<T: DeserializeOwned> FromContext for TryData<T> {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        Ok(Self(read(context)))
    }
}

impl FromContext for Args {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        Ok(context.args().cloned().unwrap_or_default())
    }
}

impl FromContext for Ack {
    const TAKES_ACK: bool = true;

    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        Ok(Self::take(context))
    }
}

impl FromContext for EventName {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        let name = context.event.as_ref().map(|event| event.name.clone());
        name.map(Self).ok_or_else(|| Error::new("internal", "there is no event here").into_rejection())
    }
}

impl FromContext for DisconnectReason {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        context.reason.ok_or_else(|| Error::new("internal", "the socket has not ended").into_rejection())
    }
}

impl<T: DeserializeOwned> FromContext for Auth<T> {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        let auth = serde_json::from_str(context.socket.auth_json());
        auth.map(Self).map_err(|error| Error::invalid_argument(format!("auth: {error}")).into_rejection())
    }
}

impl<T: Send + Sync + 'static> FromContext for State<T> {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        let state = context.socket.states().get::<T>();
        state.map(Self).ok_or_else(|| Error::internal().into_rejection())
    }

    fn check(states: &States) {
        assert!(
            states.get::<T>().is_some(),
            "a handler asks for State<{}>, which was not given to ServerBuilder::state",
            type_name::<T>()
        );
    }
}

impl Error {
    fn into_rejection(self) -> Rejection {
        Rejection(self)
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Data<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Data<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// The states of a server, one of each type.
#[derive(Clone, Default)]
pub struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, state: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), state);
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").field("len", &self.0.len()).finish()
    }
}
