//! What becomes of a message on its way to one client's wire: counted until the wire has taken it, and told to who
//! asked. When that happens is left to the shard's way out.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::socket::Connection;

/// Goes with a message; dropped on the way, the message was not sent.
pub(crate) struct Receipt {
    connection: Arc<Connection>,
    told: Option<oneshot::Sender<()>>,
}

/// Resolves when a message has been handed to the transport: it was written to the WebSocket, where the end of the last
/// one may still wait for room, or a polling answer holds it. That says nothing of whether the client has read it.
///
/// Messages of a session are handed over in the order they were sent. Dropping this changes nothing.
#[derive(Debug)]
pub struct Sent(oneshot::Receiver<()>);

/// The session ended before the message was handed to its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSent;

impl Receipt {
    /// Counts a message.
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        connection.unsent.fetch_add(1, Ordering::Relaxed);
        Self { connection, told: None }
    }

    /// Counts a message whose end somebody wants to know.
    pub(crate) fn told(connection: Arc<Connection>) -> (Self, Sent) {
        let (told, sent) = oneshot::channel();
        let mut receipt = Self::new(connection);
        receipt.told = Some(told);
        (receipt, Sent(sent))
    }

    /// The wire has taken the message.
    pub(crate) fn handed_over(mut self) {
        let told = self.told.take();
        // Counted off first: who is told finds it so.
        drop(self);
        if let Some(told) = told {
            // Nobody has to wait for it.
            let _ = told.send(());
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.connection.unsent.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("told", &self.told.is_some()).finish_non_exhaustive()
    }
}

impl Future for Sent {
    type Output = Result<(), NotSent>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| NotSent)
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session ended before the message was sent")
    }
}

impl std::error::Error for NotSent {}
