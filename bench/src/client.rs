//! One raw client: a non-blocking socket, the opening handshake of WebSocket, Engine.IO 4 and Socket.IO 5, heartbeats,
//! and the cutting of the stream into packets. What packets mean and when to send some is the load's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use crate::wire::{self, CLOSE, Parsed, TEXT};

/// What a client tells its load.
#[derive(Debug)]
pub enum Event<'a> {
    /// The namespace was joined.
    Joined,
    /// A Socket.IO packet came, without the Engine.IO type.
    Packet(&'a [u8]),
}

/// A connection, from its first byte on.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    phase: Phase,
    unfinished: Vec<u8>,
    unsent: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Upgrading,
    Opening,
    Joining,
    Joined,
}

impl Client {
    /// Connects to the server on this machine and sends the upgrade. The connecting itself waits, which on loopback is
    /// for nothing but room in the listener's queue.
    pub fn connect(port: u16) -> io::Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        stream.write_all(&wire::upgrade_request(port))?;
        Ok(Self { stream, phase: Phase::Upgrading, unfinished: Vec::new(), unsent: Vec::new() })
    }

    /// Sends bytes. Returns whether some are left for [`Client::flush`].
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let sent = if self.unsent.is_empty() { some(self.stream.write(bytes))? } else { 0 };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(!self.unsent.is_empty())
    }

    /// Sends what is left. Returns whether some still is.
    pub fn flush(&mut self) -> io::Result<bool> {
        let sent = some(self.stream.write(&self.unsent))?;
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
        Ok(!self.unsent.is_empty())
    }

    /// Reads once and tells `on_event` what came. An error is the end of the connection.
    pub fn read(&mut self, scratch: &mut [u8], mut on_event: impl FnMut(Event<'_>)) -> io::Result<()> {
        let read = match self.stream.read(scratch) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            read => some(read)?,
        };
        if self.unfinished.is_empty() {
            let used = self.take_in(&scratch[..read], &mut on_event)?;
            self.unfinished.extend_from_slice(&scratch[used..read]);
        } else {
            let mut whole = std::mem::take(&mut self.unfinished);
            whole.extend_from_slice(&scratch[..read]);
            let used = self.take_in(&whole, &mut on_event)?;
            if used < whole.len() {
                whole.drain(..used);
                self.unfinished = whole;
            }
        }
        Ok(())
    }

    /// Takes whole packets and returns how many bytes those were.
    fn take_in(&mut self, bytes: &[u8], on_event: &mut impl FnMut(Event<'_>)) -> io::Result<usize> {
        let mut used = 0;
        if self.phase == Phase::Upgrading {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            check_upgrade(&bytes[..end])?;
            self.phase = Phase::Opening;
            used = end + 4;
        }
        loop {
            match wire::parse_frame(&bytes[used..]) {
                Parsed::Frame(frame) => {
                    self.handle(frame.opcode, &bytes[used + frame.start..used + frame.end], on_event)?;
                    used += frame.end;
                }
                Parsed::Partial => return Ok(used),
                Parsed::Broken => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }

    fn handle(&mut self, opcode: u8, payload: &[u8], on_event: &mut impl FnMut(Event<'_>)) -> io::Result<()> {
        match (opcode, self.phase, payload) {
            // The end of the stream follows.
            (CLOSE, ..) => {}
            (TEXT, Phase::Opening, [b'0', b'{', ..]) => {
                self.phase = Phase::Joining;
                self.send_text(b"40")?;
            }
            (TEXT, Phase::Joining, [b'4', b'0', b'{', ..]) => {
                self.phase = Phase::Joined;
                on_event(Event::Joined);
            }
            (TEXT, _, b"2") => self.send_text(b"3")?,
            (TEXT, Phase::Joined, [b'4', packet @ ..]) => on_event(Event::Packet(packet)),
            _ => return Err(ErrorKind::InvalidData.into()),
        }
        Ok(())
    }

    fn send_text(&mut self, text: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(16);
        wire::push_client_frame(&mut frame, TEXT, text);
        self.send(&frame).map(drop)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A socket that is not ready has moved no bytes.
fn some(moved: io::Result<usize>) -> io::Result<usize> {
    match moved {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        moved => moved,
    }
}

fn check_upgrade(head: &[u8]) -> io::Result<()> {
    let accepted = head.windows(wire::ACCEPT_KEY.len()).any(|window| window == wire::ACCEPT_KEY.as_bytes());
    if head.starts_with(b"HTTP/1.1 101 ") && accepted { Ok(()) } else { Err(ErrorKind::ConnectionRefused.into()) }
}
