//! What an emit returns: a place that was taken, and whether the log has the entry yet.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use trunkline_delivery::Position;
use trunkline_log::{AppendError, Appended};

use crate::EmitError;
use crate::common::lock;

/// An emit under way.
///
/// The event took its place in order when `emit` was called; nothing has to be done with this value. Awaiting it gives
/// the position once the log has the entry, or why it does not. What was emitted to nobody's log (volatile, local)
/// has no position of its own and resolves to the one it stands behind.
pub struct Commit(State);

enum State {
    Known(Result<Position, EmitError>),
    Batch(Arc<BatchCommit>, usize),
}

/// The outcome of a batch, shared by the emits in it.
#[derive(Debug, Default)]
pub(crate) struct BatchCommit(Mutex<Outcome>);

#[derive(Debug, Default)]
struct Outcome {
    result: Option<Result<Appended, AppendError>>,
    waiting: Vec<Waker>,
}

impl BatchCommit {
    pub(crate) fn resolve(&self, result: Result<Appended, AppendError>) {
        let waiting = {
            let mut outcome = lock(&self.0);
            outcome.result = Some(result);
            std::mem::take(&mut outcome.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Resolves with what became of the batch.
    pub(crate) fn outcome(self: Arc<Self>) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        std::future::poll_fn(move |cx| {
            let mut outcome = lock(&self.0);
            match &outcome.result {
                Some(result) => Poll::Ready(result.clone()),
                None => {
                    outcome.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }
}

impl Commit {
    pub(crate) fn known(result: Result<Position, EmitError>) -> Self {
        Self(State::Known(result))
    }

    pub(crate) fn in_batch(batch: Arc<BatchCommit>, index: usize) -> Self {
        Self(State::Batch(batch, index))
    }
}

impl Future for Commit {
    type Output = Result<Position, EmitError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.0 {
            State::Known(result) => Poll::Ready(result.clone()),
            State::Batch(batch, index) => {
                let mut outcome = lock(&batch.0);
                match &outcome.result {
                    Some(Ok(Appended::New(positions))) => {
                        Poll::Ready(positions.get(*index).copied().ok_or(EmitError::Closed))
                    }
                    // Only batches with a key are, and their entries have no commit of their own.
                    Some(Ok(Appended::Known(_))) => Poll::Ready(Err(EmitError::Closed)),
                    Some(Err(error)) => Poll::Ready(Err(EmitError::Append(error.clone()))),
                    None => {
                        outcome.waiting.push(cx.waker().clone());
                        Poll::Pending
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Known(result) => f.debug_tuple("Commit").field(result).finish(),
            State::Batch(_, index) => f.debug_struct("Commit").field("place", index).finish_non_exhaustive(),
        }
    }
}
