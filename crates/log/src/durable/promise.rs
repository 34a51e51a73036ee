//! An answer that one thread owes to a future of another. A promise that is dropped unkept is told as such, so that nobody
//! waits for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
enum State<T> {
    Open(Option<Waker>),
    Kept(T),
    Broken,
}

/// Who owes.
#[derive(Debug)]
pub(crate) struct Promise<T>(Arc<Mutex<State<T>>>);

/// Who waits; `None` if the promise was dropped.
#[derive(Debug)]
pub(crate) struct Promised<T>(Arc<Mutex<State<T>>>);

/// Both sides.
pub(crate) fn promise<T>() -> (Promise<T>, Promised<T>) {
    let state = Arc::new(Mutex::new(State::Open(None)));
    (Promise(state.clone()), Promised(state))
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Promise<T> {
    pub(crate) fn keep(self, value: T) {
        self.settle(State::Kept(value));
    }

    fn settle(&self, end: State<T>) {
        let before = {
            let mut state = lock(&self.0);
            match *state {
                State::Open(_) => std::mem::replace(&mut *state, end),
                State::Kept(_) | State::Broken => return,
            }
        };
        if let State::Open(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.settle(State::Broken);
    }
}

impl<T> Future for Promised<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.0);
        match std::mem::replace(&mut *state, State::Broken) {
            State::Open(_) => {
                *state = State::Open(Some(cx.waker().clone()));
                Poll::Pending
            }
            State::Kept(value) => Poll::Ready(Some(value)),
            State::Broken => Poll::Ready(None),
        }
    }
}
