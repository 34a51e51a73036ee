//! A connection's byte stream, split into the half that its task reads and the half that the shard writes to. Plain TCP
//! is taken as it is; anything else (TLS, a test's pipe) takes the same road behind one boxed type.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::http::{Io, Taken};

/// Bytes that may lie unsent in the kernel before a socket counts as full. It keeps a slow reader's lag in the log:
/// without it a stalled reader swallows megabytes of kernel memory before anybody notices.
const NOTSENT_LOWAT: u32 = 16 * 1024;

/// The half of a wire that is read by its connection's task.
pub struct Reader(ReaderKind);

enum ReaderKind {
    Tcp(OwnedReadHalf),
    Other(ReadHalf<Box<dyn Io>>),
}

/// The half of a wire that its shard writes to, never waiting.
pub struct Writer(WriterKind);

enum WriterKind {
    Tcp(OwnedWriteHalf),
    Other(RefCell<WriteHalf<Box<dyn Io>>>),
}

/// Puts a stream under the current thread's runtime and splits it.
///
/// # Errors
///
/// Those of registering the socket with the runtime.
pub fn open(stream: Taken) -> io::Result<(Reader, Writer)> {
    match stream {
        Taken::Tcp(stream) => {
            stream.set_nonblocking(true)?;
            // A kernel without the option keeps more in its buffers; nothing else changes.
            let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(NOTSENT_LOWAT);
            let (reader, writer) = TcpStream::from_std(stream)?.into_split();
            Ok((Reader(ReaderKind::Tcp(reader)), Writer(WriterKind::Tcp(writer))))
        }
        Taken::Other(stream) => {
            let (reader, writer) = tokio::io::split(stream);
            Ok((Reader(ReaderKind::Other(reader)), Writer(WriterKind::Other(RefCell::new(writer)))))
        }
    }
}

/// Puts the halves of a wire together again and takes it off the current thread's runtime, for another one to open.
///
/// # Errors
///
/// If the halves are not of one wire, or the runtime does not let go of the socket.
pub fn rejoin(reader: Reader, writer: Writer) -> io::Result<Taken> {
    let strangers = || io::Error::other("the halves are of two wires");
    match (reader.0, writer.0) {
        (ReaderKind::Tcp(reader), WriterKind::Tcp(writer)) => {
            let stream = reader.reunite(writer).map_err(|_| strangers())?;
            Ok(Taken::Tcp(stream.into_std()?))
        }
        (ReaderKind::Other(reader), WriterKind::Other(writer)) => {
            let writer = writer.into_inner();
            if reader.is_pair_of(&writer) { Ok(Taken::Other(reader.unsplit(writer))) } else { Err(strangers()) }
        }
        _ => Err(strangers()),
    }
}

impl Reader {
    /// Reads what is there into `buf`; 0 is the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        match &mut self.0 {
            ReaderKind::Tcp(stream) => ready!(Pin::new(stream).poll_read(cx, &mut buf))?,
            ReaderKind::Other(stream) => ready!(Pin::new(stream).poll_read(cx, &mut buf))?,
        }
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl Writer {
    /// Writes as much as the wire takes now; `WouldBlock` if nothing.
    ///
    /// # Errors
    ///
    /// Those of the stream. After `WouldBlock`, [`Writer::poll_writable`] tells when to try again.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            WriterKind::Tcp(stream) => stream.try_write(bytes),
            WriterKind::Other(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                let mut stream = stream.borrow_mut();
                let written = Pin::new(&mut *stream).poll_write(&mut cx, bytes);
                // A pipe may buffer until it is told to pass on.
                let _ = Pin::new(&mut *stream).poll_flush(&mut cx);
                match written {
                    Poll::Ready(result) => result,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Waits until something of `pending` can be written; writes it where the stream cannot tell otherwise. Returns how
    /// much it wrote, which may be nothing.
    pub fn poll_writable(&self, cx: &mut Context<'_>, pending: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            WriterKind::Tcp(stream) => {
                ready!(stream.as_ref().poll_write_ready(cx))?;
                Poll::Ready(Ok(0))
            }
            WriterKind::Other(stream) => {
                let mut stream = stream.borrow_mut();
                let written = ready!(Pin::new(&mut *stream).poll_write(cx, pending))?;
                let _ = Pin::new(&mut *stream).poll_flush(cx);
                Poll::Ready(Ok(written))
            }
        }
    }

    /// Ends the sending direction in order: what the kernel has taken is still sent.
    pub fn shutdown(self) {
        if let WriterKind::Other(stream) = self.0 {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut *stream.borrow_mut()).poll_shutdown(&mut cx);
        }
        // Dropping the owned half of a TCP stream shuts it down.
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("tcp", &matches!(self.0, WriterKind::Tcp(_))).finish_non_exhaustive()
    }
}
