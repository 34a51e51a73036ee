//! The limit: a server that does for each message what no server can leave out (read it, write it to every receiver)
//! and nothing else. One thread, raw epoll, one `send` per connection per message, prebuilt frames, a canned handshake.
//! It is the denominator of every ratio; it is no server for anybody, and trusts its clients to be our load generator.

mod connection;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpNoDelay;

use self::connection::Connection;
use crate::faults::Faults;
use crate::poller::{Poller, Ready};
use crate::wire::{self, ACCEPT_KEY, CLOSE, Parsed, TEXT};

const LISTENER: usize = usize::MAX;

/// The server: its sockets, its rooms and its scratch buffers.
#[derive(Debug)]
pub struct Ceiling {
    listener: TcpListener,
    poller: Poller,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// All that joined the namespace, densely: the fan-out walks this.
    everybody: Members,
    rooms: HashMap<Vec<u8>, Members>,
    faults: Faults,
    input: Vec<u8>,
    frame: Vec<u8>,
    welcome: Vec<u8>,
}

/// A dense list of connections.
#[derive(Debug, Default)]
struct Members(Vec<usize>);

impl Ceiling {
    /// Serves on `listener`, with `faults` in its deliveries.
    pub fn new(listener: TcpListener, faults: Faults) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // What it accepts inherits this, which saves a call for each.
        setsockopt(&listener, TcpNoDelay, &true)?;
        let poller = Poller::new()?;
        poller.add(&listener, LISTENER, false)?;
        Ok(Self {
            listener,
            poller,
            connections: Vec::new(),
            free: Vec::new(),
            everybody: Members::default(),
            rooms: HashMap::new(),
            faults,
            input: vec![0; 64 * 1024],
            frame: Vec::new(),
            welcome: welcome(),
        })
    }

    /// Serves until the process ends. Only trouble with the listener or with epoll itself returns.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            for i in 0..self.poller.turn(true)? {
                let ready = self.poller.ready(i);
                if ready.token == LISTENER { self.accept()? } else { self.serve(ready) }
            }
        }
    }

    /// One connection; if more wait, the next turn says so again.
    fn accept(&mut self) -> io::Result<()> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        let token = self.free.pop().unwrap_or(self.connections.len());
        self.poller.add(&stream, token, false)?;
        let connection = Some(Connection::new(stream));
        if token == self.connections.len() {
            self.connections.push(connection);
        } else {
            self.connections[token] = connection;
        }
        Ok(())
    }

    fn serve(&mut self, ready: Ready) {
        let Some(connection) = self.connections[ready.token].as_mut() else { return };
        let alive = match (ready.writable, connection.unsent.is_empty()) {
            (true, false) => connection.flush(&self.poller, ready.token).is_ok(),
            _ => true,
        };
        if !alive || self.read(ready.token).is_err() {
            self.close(ready.token);
        }
    }

    /// One `recv`, and whatever it brought. An error ends the connection.
    fn read(&mut self, token: usize) -> io::Result<()> {
        let Some(connection) = self.connections[token].as_mut() else { return Ok(()) };
        let read = match connection.stream.read(&mut self.input) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        // The buffer is taken for the time of the walk, which needs the rest of the server.
        let mut input = std::mem::take(&mut self.input);
        let outcome = if connection.unfinished.is_empty() {
            self.take_in(token, &mut input[..read])
        } else {
            let mut whole = std::mem::take(&mut connection.unfinished);
            whole.extend_from_slice(&input[..read]);
            self.take_in(token, &mut whole)
        };
        self.input = input;
        outcome
    }

    fn take_in(&mut self, token: usize, mut bytes: &mut [u8]) -> io::Result<()> {
        let Some(connection) = self.connections[token].as_mut() else { return Ok(()) };
        if !connection.upgraded {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
                return connection.keep(bytes);
            };
            if !bytes[..end].windows(CLIENT_KEY.len()).any(|window| window == CLIENT_KEY) {
                connection.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
                return Err(ErrorKind::ConnectionAborted.into());
            }
            connection.upgraded = true;
            connection.send(&self.poller, token, &self.welcome)?;
            bytes = &mut bytes[end + 4..];
        }
        loop {
            match wire::parse_frame(bytes) {
                Parsed::Frame(frame) => {
                    let (this, rest) = bytes.split_at_mut(frame.end);
                    let payload = &mut this[frame.start..];
                    wire::unmask(payload, frame.mask);
                    self.handle(token, frame.opcode, payload)?;
                    bytes = rest;
                }
                Parsed::Partial if bytes.is_empty() => return Ok(()),
                Parsed::Partial => return self.connections[token].as_mut().map_or(Ok(()), |c| c.keep(bytes)),
                Parsed::Broken => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }

    fn handle(&mut self, token: usize, opcode: u8, payload: &[u8]) -> io::Result<()> {
        if opcode == CLOSE {
            self.frame.clear();
            wire::push_server_frame(&mut self.frame, CLOSE, payload);
            self.reply(token)?;
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if let Some(payload) = payload.strip_prefix(b"42[\"pub\",") {
            self.publish(None, payload);
        } else if let Some(args) = payload.strip_prefix(b"42[\"pubroom\",") {
            if let Some((room, payload)) = split_room(args) {
                self.publish(Some(room), payload);
            }
        } else if let Some(rest) = payload.strip_prefix(b"42") {
            return self.acknowledge(token, rest);
        } else if payload == b"40" {
            self.everybody.insert(token);
            build(&mut self.frame, &[b"40{\"sid\":\"", b"AAAAAAAAAAAAAAAAAAAA", b"\"}"]);
            self.reply(token)?;
        }
        Ok(())
    }

    /// `<id>["echo",data]` and `<id>["join","room"]`.
    fn acknowledge(&mut self, token: usize, packet: &[u8]) -> io::Result<()> {
        let Some(at) = packet.iter().position(|byte| *byte == b'[') else { return Ok(()) };
        let (id, args) = packet.split_at(at);
        if let Some(data) = args.strip_prefix(b"[\"echo\",") {
            build(&mut self.frame, &[b"43", id, b"[", data]);
            return self.deliver(token);
        }
        if let Some(room) = args.strip_prefix(b"[\"join\",").and_then(|rest| rest.strip_suffix(b"]")) {
            self.join(token, room);
            build(&mut self.frame, &[b"43", id, b"[\"ok\"]"]);
            return self.reply(token);
        }
        Ok(())
    }

    fn reply(&mut self, token: usize) -> io::Result<()> {
        self.connections[token].as_mut().map_or(Ok(()), |connection| connection.send(&self.poller, token, &self.frame))
    }

    fn deliver(&mut self, token: usize) -> io::Result<()> {
        let Some(connection) = self.connections[token].as_mut() else { return Ok(()) };
        connection.deliver(&self.poller, token, &self.frame, &mut self.faults)
    }

    fn publish(&mut self, room: Option<&[u8]>, payload: &[u8]) {
        build(&mut self.frame, &[b"42[\"msg\",", payload]);
        let members = match room {
            None => Some(&self.everybody),
            Some(room) => self.rooms.get(room),
        };
        for token in members.map_or(&[][..], |members| &members.0) {
            let Some(connection) = self.connections[*token].as_mut() else { continue };
            // A broken receiver is noticed where it is read; the walk goes on.
            let _ = connection.deliver(&self.poller, *token, &self.frame, &mut self.faults);
        }
    }

    fn join(&mut self, token: usize, room: &[u8]) {
        let Some(connection) = self.connections[token].as_mut() else { return };
        connection.rooms.push(room.to_vec());
        self.rooms.entry(room.to_vec()).or_default().insert(token);
    }

    fn close(&mut self, token: usize) {
        let Some(connection) = self.connections[token].take() else { return };
        self.everybody.remove(token);
        for room in connection.rooms {
            if let Some(members) = self.rooms.get_mut(&room) {
                members.remove(token);
            }
        }
        self.free.push(token);
    }
}

impl Members {
    fn insert(&mut self, token: usize) {
        self.0.push(token);
    }

    /// Churn closes mostly what joined last, so the end is looked at first.
    fn remove(&mut self, token: usize) {
        if let Some(at) = self.0.iter().rposition(|member| *member == token) {
            self.0.swap_remove(at);
        }
    }
}

/// The response to the upgrade and the open packet, in one piece.
fn welcome() -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT_KEY}\r\n\r\n"
    )
    .into_bytes();
    let open: &[u8] = b"0{\"sid\":\"AAAAAAAAAAAAAAAAAAAA\",\"upgrades\":[],\"pingInterval\":25000,\
                        \"pingTimeout\":20000,\"maxPayload\":1000000}";
    wire::push_server_frame(&mut bytes, TEXT, open);
    bytes
}

const CLIENT_KEY: &[u8] = wire::CLIENT_KEY.as_bytes();

fn build(frame: &mut Vec<u8>, parts: &[&[u8]]) {
    frame.clear();
    let len = parts.iter().map(|part| part.len()).sum();
    wire::push_server_header(frame, TEXT, len);
    for part in parts {
        frame.extend_from_slice(part);
    }
}

/// `"room",payload]` into `"room"` and `payload]`. Our rooms have no quotes in their names.
fn split_room(args: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = 2 + args.get(1..)?.iter().position(|byte| *byte == b'"')?;
    Some((&args[..end], args.get(end + 1..)?))
}
