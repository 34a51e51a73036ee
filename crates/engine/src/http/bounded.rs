//! A stream that waits for its peer no longer than it should, to take what is written and to end. Reading is left to
//! hyper's deadlines, and a WebSocket's stream to the rules of its session.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::limits::{LINGER_BYTES_MAX, LINGER_MAX, WRITE_STALL_MAX};

/// The stream of an HTTP connection.
#[derive(Debug)]
pub(crate) struct Bounded<S> {
    stream: S,
    lifted: Arc<AtomicBool>,
    /// Set while a write waits.
    stall: Option<Pin<Box<Sleep>>>,
    /// Set once the sending direction has ended.
    linger: Option<Linger>,
}

/// Lifts the bounds of a stream that has become a WebSocket's.
#[derive(Debug)]
pub(crate) struct Bounds(Arc<AtomicBool>);

#[derive(Debug)]
struct Linger {
    sleep: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> Bounded<S> {
    pub(crate) fn new(stream: S) -> (Self, Bounds) {
        let lifted = Arc::new(AtomicBool::new(false));
        let bounds = Bounds(Arc::clone(&lifted));
        (Self { stream, lifted, stall: None, linger: None }, bounds)
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn is_lifted(&self) -> bool {
        self.lifted.load(Ordering::Relaxed)
    }

    /// Turns a write that waits too long into an error.
    fn bound<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() || self.is_lifted() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL_MAX)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Bounds {
    pub(crate) fn lift(self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bound(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            let ended = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.bound(cx, ended))?;
            if this.is_lifted() {
                return Poll::Ready(Ok(()));
            }
            let sleep = Box::pin(sleep(LINGER_MAX));
            this.linger = Some(Linger { sleep, bytes: 0 });
        }
        match &mut this.linger {
            Some(linger) => linger.poll(cx, &mut this.stream).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Linger {
    /// Throws away what still comes, until the peer ends as well or it is enough. A socket that is closed with bytes
    /// unread resets its connection, and a reset can overtake the answer that was sent before it.
    fn poll<S: AsyncRead + Unpin>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<()> {
        let mut space = [0; 4096];
        while self.bytes < LINGER_BYTES_MAX {
            if self.sleep.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut buf = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.bytes += buf.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}
