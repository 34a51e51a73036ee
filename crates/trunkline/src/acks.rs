//! Answers that are waited for: of one socket, and of the many that a broadcast asked.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;
use trunkline_delivery::SocketId;
use trunkline_proto::Args;

use crate::common::lock;

/// Questions that one socket has not answered yet.
#[derive(Debug, Default)]
pub(crate) struct OpenAcks(Mutex<Vec<(u64, oneshot::Sender<Args>)>>);

impl OpenAcks {
    /// Waits for the answer under this id; a question nobody waits for any more is forgotten.
    pub(crate) fn open(&self, id: u64) -> oneshot::Receiver<Args> {
        let (sender, receiver) = oneshot::channel();
        let mut open = lock(&self.0);
        open.retain(|(_, sender)| !sender.is_closed());
        open.push((id, sender));
        receiver
    }

    /// Gives the answer to who waits for it. False if nobody does.
    pub(crate) fn answer(&self, id: u64, args: Args) -> Result<(), Args> {
        let mut open = lock(&self.0);
        let Some(at) = open.iter().position(|(open, _)| *open == id) else { return Err(args) };
        let (_, sender) = open.swap_remove(at);
        sender.send(args)
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).iter().all(|(_, sender)| sender.is_closed())
    }

    /// The socket has ended: nothing is answered any more.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

/// Broadcasts of a namespace that wait for answers, by their ack id.
#[derive(Debug, Default)]
pub(crate) struct Surveys(Mutex<HashMap<u64, Arc<Survey>>>);

/// One broadcast that asks for answers.
#[derive(Debug, Default)]
pub(crate) struct Survey(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    /// Shards that have not said yet whom they asked; unknown until it was routed.
    shards: Option<usize>,
    asked: HashSet<SocketId>,
    /// Some who were asked have ended.
    left: bool,
    answers: Vec<Args>,
    waker: Option<Waker>,
}

impl Surveys {
    pub(crate) fn open(self: &Arc<Self>, id: u64) -> (Arc<Survey>, SurveyGuard) {
        let survey = Arc::new(Survey::default());
        lock(&self.0).insert(id, survey.clone());
        (survey.clone(), SurveyGuard { surveys: self.clone(), id, survey })
    }

    /// A socket has ended: nobody waits for it any more.
    pub(crate) fn left(&self, id: &SocketId) {
        lock(&self.0).values().for_each(|survey| survey.leave(id));
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Survey>> {
        lock(&self.0).get(&id).cloned()
    }
}

impl Survey {
    /// So many shards were asked.
    pub(crate) fn routed(&self, shards: usize) {
        let mut answers = lock(&self.0);
        answers.shards = Some(answers.shards.unwrap_or(0) + shards);
        wake(answers);
    }

    /// A shard has asked this socket.
    pub(crate) fn expect(&self, id: &SocketId) {
        lock(&self.0).asked.insert(id.clone());
    }

    /// A shard has asked all of its sockets.
    pub(crate) fn shard_done(&self) {
        let mut answers = lock(&self.0);
        answers.shards = answers.shards.map(|left| left.saturating_sub(1));
        wake(answers);
    }

    /// A socket answers; only the first answer of one that was asked counts.
    pub(crate) fn answer(&self, id: &SocketId, args: Args) {
        let mut answers = lock(&self.0);
        if answers.asked.remove(id) {
            answers.answers.push(args);
            wake(answers);
        }
    }

    /// A socket has ended; if it was asked, it will not answer.
    fn leave(&self, id: &SocketId) {
        let mut answers = lock(&self.0);
        if answers.asked.remove(id) {
            answers.left = true;
            wake(answers);
        }
    }
}

fn wake(mut answers: MutexGuard<'_, Answers>) {
    let waker = answers.waker.take();
    drop(answers);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Resolves when everybody who was asked has answered, or ended: then it is an error with the answers that came.
#[derive(Debug)]
pub(crate) struct SurveyGuard {
    surveys: Arc<Surveys>,
    id: u64,
    survey: Arc<Survey>,
}

impl SurveyGuard {
    /// The answers so far.
    pub(crate) fn take(&self) -> Vec<Args> {
        std::mem::take(&mut lock(&self.survey.0).answers)
    }
}

impl Future for SurveyGuard {
    type Output = Result<Vec<Args>, Vec<Args>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answers = lock(&self.survey.0);
        if answers.shards == Some(0) && answers.asked.is_empty() {
            let came = std::mem::take(&mut answers.answers);
            return Poll::Ready(if answers.left { Err(came) } else { Ok(came) });
        }
        answers.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for SurveyGuard {
    fn drop(&mut self) {
        // Sockets that never answer leave nothing behind.
        lock(&self.surveys.0).remove(&self.id);
    }
}
