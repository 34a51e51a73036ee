//! Requests that wait for something new in the log: how many there may be, and who wakes them.
//! Whether what is new concerns them, they see for themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};
use trunkline::{Position, Server};

/// Requests that may wait at a time. One beyond that is refused: whoever polls comes again.
const WAITING_MAX: usize = 256;
/// They are woken at most so often, however busy the log is.
const WAKE_PAUSE: Duration = Duration::from_millis(20);

/// The places of those who wait; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    places: Arc<Semaphore>,
    head: watch::Receiver<Position>,
}

impl Waiting {
    /// The places, and what has to run for those who wait in them.
    pub(super) fn new(io: &Server) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (tell, head) = watch::channel(io.committed());
        (Self { places: Arc::new(Semaphore::new(WAITING_MAX)), head }, watch_log(io.clone(), tell))
    }

    /// A place to wait in, if one is free.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Waits until the log has something after this position; false if it has not at the deadline, or is closed.
    pub(super) async fn something_after(&self, position: Position, deadline: Instant) -> bool {
        let mut head = self.head.clone();
        matches!(timeout_at(deadline, head.wait_for(|head| *head > position)).await, Ok(Ok(_)))
    }
}

/// One watcher for all who wait. It ends when the log is closed.
async fn watch_log(io: Server, tell: watch::Sender<Position>) {
    let mut told = *tell.borrow();
    while let Some(position) = io.changed(told).await {
        told = position;
        tell.send_replace(position);
        sleep(WAKE_PAUSE).await;
    }
}
