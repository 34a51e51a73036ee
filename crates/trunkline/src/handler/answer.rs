//! The way from what a handler returns to the acknowledgement that its client gets: once, and never silently not.

use std::fmt;
use std::future::Future;

use serde::Serialize;
use trunkline_proto::Args;

use crate::handler::{Context, HandlerFuture};
use crate::{Error, Socket};

/// What a handler may return. The marker `M` keeps the cases apart; it is found by inference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an acknowledgement",
    note = "return `()`, a value that is `serde::Serialize`, `Args`, or `Result<such, trunkline::Error>`"
)]
pub trait IntoAnswer<M> {
    #[doc(hidden)]
    fn into_answer(self) -> Result<Args, Error>;

    /// Panics if this is no answer though it can be serialised.
    #[doc(hidden)]
    fn check() {}
}

#[doc(hidden)]
#[derive(Debug)]
pub struct Plain;
#[doc(hidden)]
#[derive(Debug)]
pub struct Raw;
#[doc(hidden)]
#[derive(Debug)]
pub struct Fallible<M>(std::marker::PhantomData<M>);

impl<T: Serialize> IntoAnswer<Plain> for T {
    fn into_answer(self) -> Result<Args, Error> {
        Ok(Args::serialize(&self)?)
    }

    fn check() {
        // Serde has a form for it, in which a client would find its error as a success. The type system cannot tell.
        let name = std::any::type_name::<T>();
        assert!(
            !name.starts_with("core::result::Result<"),
            "a handler returns {name}, whose error is no answer: return `Result<T, trunkline::Error>`, for example with \
             `.map_err(|why| trunkline::Error::new(\"code\", why))`"
        );
    }
}

impl IntoAnswer<Raw> for Args {
    fn into_answer(self) -> Result<Args, Error> {
        Ok(self)
    }
}

impl<T: IntoAnswer<M>, E: Into<Error>, M> IntoAnswer<Fallible<M>> for Result<T, E> {
    fn into_answer(self) -> Result<Args, Error> {
        self.map_err(Into::into)?.into_answer()
    }
}

/// The right to acknowledge one event. Dropped unused, it answers with an error.
#[derive(Debug)]
pub(crate) struct AckSender {
    target: Option<(Socket, u64)>,
    /// The error that answers if nobody does.
    unanswered: &'static str,
}

impl AckSender {
    pub(crate) fn new(socket: Socket, id: u64) -> Self {
        Self { target: Some((socket, id)), unanswered: "internal" }
    }

    pub(crate) fn send(mut self, args: Args) {
        self.answer(args);
    }

    pub(crate) fn fail(mut self, error: &Error) {
        self.answer(error_args(error));
    }

    /// Lets the acknowledgement never come.
    pub(crate) fn forget(mut self) {
        self.target = None;
    }

    #[allow(clippy::needless_pass_by_value, reason = "an answer is given away")]
    fn answer(&mut self, args: Args) {
        if let Some((socket, id)) = self.target.take() {
            socket.send_ack(id, &args);
        }
    }
}

impl Drop for AckSender {
    fn drop(&mut self) {
        if self.target.is_some() {
            let message = if self.unanswered == "internal" { "internal error" } else { "the handler gave no answer" };
            self.answer(error_args(&Error::new(self.unanswered, message)));
        }
    }
}

fn error_args(error: &Error) -> Args {
    Args::serialize_one(&error.answer()).unwrap_or_default()
}

/// Answers the client of an event itself, where returning a value is not enough (from another task, or much later).
///
/// It is used at most once. Dropped unused, it answers `{"error":{"code":"no_answer",..}}`; if the client asked for no
/// acknowledgement, sending does nothing.
#[derive(Debug)]
pub struct Ack(Option<AckSender>);

impl Ack {
    pub(crate) fn take(context: &mut Context) -> Self {
        let mut sender = context.ack.take();
        if let Some(sender) = &mut sender {
            sender.unanswered = "no_answer";
        }
        Self(sender)
    }

    /// Whether the client asked for an acknowledgement.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Answers with a value; a tuple is several arguments.
    ///
    /// # Errors
    ///
    /// If the value is no JSON; the client then gets code `internal`.
    pub fn send(self, value: impl Serialize) -> Result<(), Error> {
        let args = Args::serialize(&value)?;
        self.send_args(args);
        Ok(())
    }

    /// Answers with arguments as they are.
    pub fn send_args(mut self, args: Args) {
        if let Some(sender) = self.0.take() {
            sender.send(args);
        }
    }

    /// Lets the client wait for an answer that never comes, on purpose.
    pub fn ignore(mut self) {
        if let Some(sender) = self.0.take() {
            sender.forget();
        }
    }

    /// Answers with an error.
    pub fn fail(mut self, error: &Error) {
        if let Some(sender) = self.0.take() {
            sender.fail(error);
        }
    }
}

/// The handler's future, followed by its answer.
pub(crate) fn answering<M, R: IntoAnswer<M>>(
    future: impl Future<Output = R> + Send + 'static,
    context: Context,
) -> HandlerFuture {
    let Context { socket, event, ack, .. } = context;
    let name = event.map(|event| event.name);
    Box::pin(async move {
        let answer = future.await.into_answer();
        match (ack, answer) {
            (Some(ack), Ok(args)) => ack.send(args),
            (None, Ok(_)) => {}
            (ack, Err(error)) => refuse(&socket, name.as_deref(), ack, &error),
        }
    })
}

/// An error ends the event: an answer if one was asked for, and one line in the log.
pub(crate) fn refuse(socket: &Socket, event: Option<&str>, ack: Option<AckSender>, error: &Error) {
    let (ns, id) = (socket.namespace_name(), socket.id());
    if error.source().is_some() || ack.is_none() {
        tracing::warn!(%ns, %id, event, %error, "a handler failed");
    } else {
        tracing::debug!(%ns, %id, event, %error, "a handler answered with an error");
    }
    if let Some(ack) = ack {
        ack.fail(error);
    }
}

impl fmt::Display for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_wanted() { "ack" } else { "no ack" })
    }
}
