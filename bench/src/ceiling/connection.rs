//! One connection of the limit server: what is unfinished in either direction, and the delivery that faults spoil.
//! What comes in on it is the server's.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;

use crate::faults::{Faults, Injected, altered};
use crate::poller::Poller;
use crate::wire;

/// What a connection may have sent without finishing it. More than any load sends; more ends the connection.
const UNFINISHED_BYTES_MAX: usize = 2 * wire::FRAME_BYTES_MAX;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) upgraded: bool,
    /// The beginning of something that did not come whole; no memory at rest.
    pub(super) unfinished: Vec<u8>,
    /// What the socket had no room for.
    pub(super) unsent: Vec<u8>,
    /// A message that the fault `swap` holds back until the next one has gone.
    held: Option<Vec<u8>>,
    pub(super) rooms: Vec<Vec<u8>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (unfinished, unsent, rooms) = (Vec::new(), Vec::new(), Vec::new());
        Self { stream, upgraded: false, unfinished, unsent, held: None, rooms }
    }

    pub(super) fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > UNFINISHED_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        self.unfinished = bytes.to_vec();
        Ok(())
    }

    /// A delivery: the thing that is counted, and that the faults spoil.
    pub(super) fn deliver(
        &mut self,
        poller: &Poller,
        token: usize,
        frame: &[u8],
        faults: &mut Faults,
    ) -> io::Result<()> {
        match faults.next() {
            None => self.send(poller, token, frame)?,
            Some(Injected::Drop) => return Ok(()),
            Some(Injected::Repeat) => {
                self.send(poller, token, frame)?;
                self.send(poller, token, frame)?;
            }
            Some(Injected::Alter) => self.send(poller, token, &altered(frame))?,
            Some(Injected::Swap) if self.held.is_none() => {
                self.held = Some(frame.to_vec());
                return Ok(());
            }
            Some(Injected::Swap) => self.send(poller, token, frame)?,
        }
        match self.held.take() {
            Some(held) => self.send(poller, token, &held),
            None => Ok(()),
        }
    }

    pub(super) fn send(&mut self, poller: &Poller, token: usize, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        if self.unsent.is_empty() {
            sent = match self.stream.write(bytes) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            if sent == bytes.len() {
                return Ok(());
            }
            poller.change(&self.stream, token, true)?;
        }
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    pub(super) fn flush(&mut self, poller: &Poller, token: usize) -> io::Result<()> {
        let sent = match self.stream.write(&self.unsent) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
            poller.change(&self.stream, token, false)?;
        }
        Ok(())
    }
}
