//! The upgrade from polling to WebSocket: a second wire that is probed beside the first and takes over, or is dropped
//! while the session goes on polling.

use std::task::{Context, Poll};

use bytes::Bytes;
use trunkline_engine::http::Taken;
use trunkline_engine::wire::{self, Reader, Writer};
use trunkline_proto::EnginePacket;
use trunkline_proto::ws::{self, Item, WindowBits};

use super::conn::Outlet;
use super::frames::Deflate;
use super::task::ConnTask;

/// A WebSocket that wants to take over.
pub(super) struct Probe {
    reader: Reader,
    writer: Writer,
    frames: ws::Decoder,
    early: Bytes,
    deflate: Option<WindowBits>,
}

/// The same between two shards.
pub(super) struct MovingProbe {
    wire: Taken,
    frames: ws::Decoder,
    early: Bytes,
    deflate: Option<WindowBits>,
}

impl Probe {
    /// Takes it off this thread; `None` if it is lost by that, and the session goes on polling.
    pub(super) fn pack(self) -> Option<MovingProbe> {
        let Self { reader, writer, frames, early, deflate } = self;
        Some(MovingProbe { wire: wire::rejoin(reader, writer).ok()?, frames, early, deflate })
    }
}

impl MovingProbe {
    /// Puts it under this thread.
    pub(super) fn unpack(self) -> Option<Box<Probe>> {
        let Self { wire, frames, early, deflate } = self;
        let (reader, writer) = wire::open(wire).ok()?;
        Some(Box::new(Probe { reader, writer, frames, early, deflate }))
    }
}

enum Step {
    Wait,
    Again,
    /// Takes over, with what was read behind the upgrade packet.
    TakeOver(Vec<u8>),
    Drop,
}

impl ConnTask {
    pub(super) fn begin_probe(&mut self, stream: Taken, leftover: Bytes, deflate: Option<WindowBits>) {
        let config = self.shard.ws_config(deflate.is_some());
        if let Ok((reader, writer)) = wire::open(stream)
            && self.probe.is_none()
        {
            let frames = ws::Decoder::new(config);
            self.probe = Some(Box::new(Probe { reader, writer, frames, early: leftover, deflate }));
        }
    }

    /// Reads the wire that probes. True if something was read.
    pub(super) fn poll_probe(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(mut probe) = self.probe.take() else { return false };
        match self.step_probe(&mut probe, cx) {
            Step::Wait => {
                self.probe = Some(probe);
                false
            }
            Step::Again => {
                self.probe = Some(probe);
                true
            }
            Step::TakeOver(rest) => {
                self.take_over(*probe, rest);
                true
            }
            Step::Drop => {
                self.end_upgrade();
                true
            }
        }
    }

    fn step_probe(&mut self, probe: &mut Probe, cx: &mut Context<'_>) -> Step {
        let mut bytes = std::mem::take(&mut probe.early).to_vec();
        if bytes.is_empty() {
            let mut buffer = self.shard.buffer.borrow_mut();
            match probe.reader.poll_read(cx, &mut buffer) {
                Poll::Pending => return Step::Wait,
                Poll::Ready(Ok(0) | Err(_)) => return Step::Drop,
                Poll::Ready(Ok(read)) => bytes = buffer[..read].to_vec(),
            }
        }
        let mut at = 0;
        loop {
            let item = probe.frames.decode(&mut bytes, &mut at, &mut self.shard.inflater.borrow_mut());
            let packet = match item {
                Ok(None) => return Step::Again,
                Ok(Some(Item::Text(text))) => EnginePacket::decode_text(text),
                Ok(Some(Item::Pong(_))) => continue,
                Ok(Some(_)) | Err(_) => return Step::Drop,
            };
            match packet {
                Ok(EnginePacket::Ping(data)) if &*data == "probe" => self.answer_probe(probe),
                Ok(EnginePacket::Upgrade) if self.is_probed() => return Step::TakeOver(bytes[at..].to_vec()),
                // "upgrade socket that starts with anything else: closed, session untouched"
                _ => return Step::Drop,
            }
        }
    }

    fn is_probed(&self) -> bool {
        self.shard.core.borrow().conn(self.conn).is_some_and(|conn| conn.probed)
    }

    /// `2probe` is answered `3probe`, and the waiting GET with a noop so that the client can let go of polling.
    fn answer_probe(&mut self, probe: &Probe) {
        let mut pong = Vec::new();
        EnginePacket::Pong("probe".into()).put_ws(self.codec.version, &mut pong);
        let _ = probe.writer.try_write(&pong);
        let mut core = self.shard.core.borrow_mut();
        if let Some(conn) = core.conn_mut(self.conn) {
            conn.probed = true;
        }
        core.release_poll(self.conn, EnginePacket::Noop);
    }

    fn take_over(&mut self, probe: Probe, mut rest: Vec<u8>) {
        self.end_upgrade();
        let Probe { reader, writer, frames, deflate, .. } = probe;
        let deflate = Deflate::agreed(self.shard.server().config.per_message_deflate, deflate);
        {
            let mut core = self.shard.core.borrow_mut();
            core.release_poll(self.conn, EnginePacket::Noop);
            let Some(conn) = core.conn_mut(self.conn) else { return };
            conn.outlet = Outlet::WebSocket { writer, unsent: Vec::new() };
            conn.kind.deflate = deflate;
            self.connection.websocket.store(true, std::sync::atomic::Ordering::Relaxed);
            core.unblock(self.conn.key);
            core.write(self.conn.key);
        }
        self.adopt(reader, frames);
        self.shard.want_turn();
        if !rest.is_empty() {
            let outcome = self.take_bytes(&mut rest);
            self.end_if(&outcome);
        }
    }

    /// The upgrade is over, one way or the other.
    fn end_upgrade(&mut self) {
        if let Some(conn) = self.shard.core.borrow_mut().conn_mut(self.conn) {
            conn.deadlines.upgrade_by = None;
            conn.probed = false;
        }
    }
}
