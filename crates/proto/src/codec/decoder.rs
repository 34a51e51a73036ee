//! The state machine from messages to packets: it holds a packet until its attachments have come.
//! The text of packets is read by the codec, and the limits of a message are the transport's.

use super::Codec;
use super::{json, msgpack};
use crate::{Body, DecodeError, Message, Packet, Parser};

/// Reassembles packets from messages. Between packets it holds nothing but one pointer.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Option<Box<Partial>>,
}

/// A packet some of whose attachments have not come.
#[derive(Debug)]
struct Partial {
    packet: Packet,
    missing: usize,
}

impl Decoder {
    /// Takes one message; `None` says that attachments of its packet are still to come. Linear in the message, whatever it
    /// holds.
    ///
    /// # Errors
    ///
    /// What the peer did wrong. The packet that was pending is dropped; the reference closes the connection.
    pub fn decode(&mut self, codec: Codec, message: Message) -> Result<Option<Packet>, DecodeError> {
        match (codec.parser, message, self.pending.take()) {
            (Parser::Default, Message::Text(text), None) => {
                let (packet, missing) = json::decode(&text, codec.version)?;
                if missing == 0 {
                    return Ok(Some(packet));
                }
                self.pending = Some(Box::new(Partial { packet, missing }));
                Ok(None)
            }
            (Parser::Default, Message::Binary(data), Some(mut partial)) => {
                if let Body::Event { event: crate::Event { args, .. }, .. } | Body::Ack { args, .. } =
                    &mut partial.packet.body
                {
                    args.attach(data);
                }
                partial.missing -= 1;
                if partial.missing == 0 {
                    return Ok(Some(partial.packet));
                }
                self.pending = Some(partial);
                Ok(None)
            }
            (Parser::Msgpack, Message::Binary(data), _) => msgpack::decode(&data, codec.version).map(Some),
            (Parser::Default, Message::Text(_), Some(_)) => Err(DecodeError::TextBetweenAttachments),
            (Parser::Default, Message::Binary(_), None) => Err(DecodeError::UnexpectedBinary),
            (Parser::Msgpack, Message::Text(_), _) => Err(DecodeError::UnexpectedText),
        }
    }

    /// Returns whether attachments of a packet are still to come.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.pending.is_some()
    }
}
