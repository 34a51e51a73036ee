//! What a connection's task reads, from bytes to what a namespace is told. Answers are the talks' and the shard's part.

use trunkline_proto::ws::{self, Item};
use trunkline_proto::{Body, EngineError, EnginePacket, Message, Packet};

use super::super::Private;
use super::{ConnTask, End};
use crate::DisconnectReason;
use crate::raw::EngineEvent;
use crate::shard::talk::Incoming;

impl ConnTask {
    pub(in crate::shard) fn take_bytes(&mut self, chunk: &mut [u8]) -> Result<(), End> {
        let mut at = 0;
        loop {
            if let Some(moving) = &mut self.moving {
                moving.1.extend_from_slice(&chunk[at..]);
                return Ok(());
            }
            let shard = self.shard.clone();
            let item = self.frames.decode(chunk, &mut at, &mut shard.inflater.borrow_mut());
            match item {
                Ok(Some(item)) => self.take_item(item)?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.say_frame(|out| ws::put_close(out, Some(error.close_code()), ""));
                    return Err(End(DisconnectReason::TransportError));
                }
            }
        }
    }

    fn take_item(&mut self, item: Item) -> Result<(), End> {
        let packet = match item {
            Item::Text(text) => EnginePacket::decode_text(text),
            Item::Binary(data) => EnginePacket::decode_binary(self.codec.version, data),
            Item::Ping(payload) => {
                self.say_frame(|out| ws::put_frame(out, ws::Opcode::Pong, false, &payload));
                return Ok(());
            }
            Item::Pong(_) => return Ok(()),
            Item::Close(frame) => {
                self.say_frame(|out| ws::put_close(out, frame.map(|frame| frame.code), ""));
                return Err(End(DisconnectReason::TransportClose));
            }
        };
        self.take_engine(packet)
    }

    /// A control frame of the WebSocket itself, after what was written.
    fn say_frame(&self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut frame = Vec::new();
        put(&mut frame);
        let mut core = self.shard.core.borrow_mut();
        let after = core.delivery.position();
        core.private_after(self.conn, after, Private::Frame(frame.into()));
        core.write(self.conn.key);
    }

    /// Takes one Engine.IO packet, of whichever transport.
    pub(in crate::shard) fn take_engine(&mut self, packet: Result<EnginePacket, EngineError>) -> Result<(), End> {
        let packet = packet.map_err(|_| End(DisconnectReason::ParseError))?;
        let wrong_direction = |_| End(DisconnectReason::TransportError);
        let shard = self.shard.clone();
        {
            let mut core = shard.core.borrow_mut();
            let (now, rhythm) = (shard.now(), core.rhythm());
            let Some(conn) = core.conn_mut(self.conn) else { return Ok(()) };
            let heart = &mut conn.deadlines.heart;
            match packet {
                EnginePacket::Pong(_) => {
                    heart.handle_pong(rhythm, now).map_err(wrong_direction)?;
                    // The next ping may be due before the pong was.
                    core.schedule(self.conn.key);
                    drop(core);
                    shard.confirm(self.conn);
                    return Ok(());
                }
                EnginePacket::Ping(data) => {
                    heart.handle_ping(rhythm, now).map_err(wrong_direction)?;
                    // Protocol 3; a probe outside an upgrade is answered without its data.
                    let _ = data;
                    let after = core.delivery.position();
                    core.private_after(self.conn, after, Private::Engine(EnginePacket::Pong(Default::default())));
                    return Ok(());
                }
                EnginePacket::Close => return Err(End(DisconnectReason::TransportClose)),
                EnginePacket::Message(_) if conn.finish_asked => return Ok(()),
                EnginePacket::Open(_) | EnginePacket::Upgrade | EnginePacket::Noop => return Ok(()),
                EnginePacket::Message(_) => heart.handle_packet(rhythm, now),
            }
        }
        let EnginePacket::Message(message) = packet else { return Ok(()) };
        self.take_message(message)
    }

    fn take_message(&mut self, message: Message) -> Result<(), End> {
        if let Some(raw) = self.shard.server().options.raw.clone() {
            raw(&self.engine_socket(), EngineEvent::Message(message));
            return Ok(());
        }
        match self.packets.decode(self.codec, message) {
            Ok(Some(packet)) => self.take_packet(packet),
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::debug!(sid = %self.connection.sid, %error, "invalid packet, connection closed");
                Err(End(DisconnectReason::ForcedClose))
            }
        }
    }

    fn take_packet(&mut self, packet: Packet) -> Result<(), End> {
        let Packet { ns, body } = packet;
        if let Body::Connect { auth } = body {
            if let Some(connect) = self.moves_for(&ns, auth.as_ref()) {
                self.moving = Some(Box::new((connect, Vec::new())));
                return Ok(());
            }
            return self.connect(&ns, auth);
        }
        let Some(index) = self.talks.iter().position(|talk| *talk.ns == *ns && !talk.ending) else {
            // What was under way when the server ended the socket is ignored; anything else is out of order.
            let known = self.evicted.iter().any(|evicted| **evicted == *ns);
            return if known { Ok(()) } else { Err(End(DisconnectReason::ForcedClose)) };
        };
        match body {
            Body::Event { id, event } => {
                self.talks[index].inbox.push_back(Incoming { id, event });
                Ok(())
            }
            Body::Ack { id, args } => {
                self.talks[index].take_ack(id, args);
                Ok(())
            }
            Body::Disconnect => {
                self.leave(index);
                Ok(())
            }
            Body::ConnectError { .. } | Body::Connect { .. } => Err(End(DisconnectReason::ForcedClose)),
        }
    }
}
