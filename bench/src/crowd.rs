//! All clients of one run on one thread: readiness, reading, sending, connecting anew. When nothing is ready it sleeps
//! for a moment instead of waiting to be woken, so that waking the generator is never part of the server's CPU time.
//! What is sent and what is owed is the load's.

use std::io;
use std::time::{Duration, Instant};

use crate::client::{Client, Event};
use crate::poller::Poller;
use crate::wire::{self, TEXT};

/// How long nothing is done when nothing is ready: the grain of every latency.
const NAP: Duration = Duration::from_micros(50);

/// Bytes one read takes at most.
const SCRATCH_BYTES: usize = 256 * 1024;

/// What a load decides.
pub trait Load {
    /// The client `who` joined the namespace.
    fn joined(&mut self, who: usize, out: &mut Outbox);
    /// The client `who` got a Socket.IO packet at `now`.
    fn packet(&mut self, who: usize, packet: &[u8], now: Instant, out: &mut Outbox);
    /// The connection of the client `who` is over.
    fn closed(&mut self, who: usize, now: Instant, out: &mut Outbox);
}

/// What a load wants done once it returns.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Who sends the bytes up to where.
    sends: Vec<(usize, usize)>,
    connects: Vec<usize>,
    text: Vec<u8>,
}

impl Outbox {
    /// Sends a text frame made of `parts` from the client `who`.
    pub fn text(&mut self, who: usize, parts: &[&[u8]]) {
        self.text.clear();
        for part in parts {
            self.text.extend_from_slice(part);
        }
        wire::push_client_frame(&mut self.bytes, TEXT, &self.text);
        self.sends.push((who, self.bytes.len()));
    }

    /// Leaves the namespace and closes the WebSocket, in one write.
    pub fn leave(&mut self, who: usize) {
        wire::push_client_frame(&mut self.bytes, TEXT, b"41");
        wire::push_client_frame(&mut self.bytes, wire::CLOSE, &1000_u16.to_be_bytes());
        self.sends.push((who, self.bytes.len()));
    }

    /// Connects the client `who` (anew).
    pub fn connect(&mut self, who: usize) {
        self.connects.push(who);
    }
}

/// The clients.
#[derive(Debug)]
pub struct Crowd {
    port: u16,
    poller: Poller,
    clients: Vec<Option<Client>>,
    scratch: Vec<u8>,
    outbox: Outbox,
}

impl Crowd {
    /// Places for `size` clients of the server on `port`, none of them connected.
    pub fn new(port: u16, size: usize) -> io::Result<Self> {
        let clients = (0..size).map(|_| None).collect();
        let (scratch, outbox) = (vec![0; SCRATCH_BYTES], Outbox::default());
        Ok(Self { port, poller: Poller::new()?, clients, scratch, outbox })
    }

    /// How many places there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.clients.len()
    }

    /// Lets `act` decide something outside a turn, and does it.
    pub fn act(&mut self, load: &mut impl Load, act: impl FnOnce(&mut Outbox)) -> io::Result<()> {
        act(&mut self.outbox);
        self.carry_out(load)
    }

    /// Takes what is ready, or naps.
    pub fn turn(&mut self, load: &mut impl Load) -> io::Result<()> {
        let ready = self.poller.turn(false)?;
        if ready == 0 {
            std::thread::sleep(NAP);
        }
        for i in 0..ready {
            let ready = self.poller.ready(i);
            if ready.writable {
                self.flush(ready.token);
            }
            self.read(ready.token, load);
            self.carry_out(load)?;
        }
        Ok(())
    }

    fn read(&mut self, who: usize, load: &mut impl Load) {
        let Some(client) = self.clients[who].as_mut() else { return };
        let outbox = &mut self.outbox;
        let outcome = client.read(&mut self.scratch, |event| match event {
            Event::Joined => load.joined(who, outbox),
            Event::Packet(packet) => load.packet(who, packet, Instant::now(), outbox),
        });
        if outcome.is_err() {
            self.clients[who] = None;
            load.closed(who, Instant::now(), outbox);
        }
    }

    /// An error of sending shows again where the socket is read.
    fn flush(&mut self, who: usize) {
        let Some(client) = self.clients[who].as_mut() else { return };
        if let Ok(false) = client.flush() {
            let _ = self.poller.change(client, who, false);
        }
    }

    fn carry_out(&mut self, load: &mut impl Load) -> io::Result<()> {
        let mut start = 0;
        for (who, end) in self.outbox.sends.drain(..) {
            if let Some(client) = self.clients[who].as_mut()
                && let Ok(true) = client.send(&self.outbox.bytes[start..end])
            {
                self.poller.change(client, who, true)?;
            }
            start = end;
        }
        self.outbox.bytes.clear();
        while let Some(who) = self.outbox.connects.pop() {
            match Client::connect(self.port) {
                Ok(client) => {
                    self.poller.add(&client, who, false)?;
                    self.clients[who] = Some(client);
                }
                // Counted by the load, which does not ask again in that call.
                Err(_) => load.closed(who, Instant::now(), &mut Outbox::default()),
            }
        }
        Ok(())
    }
}
