//! Msgpack messages to packets.
//! Values inside are transcoded; here the map around them is read and what each type of packet needs is judged.

use bytes::Bytes;
use bytestring::ByteString;

use super::read::{Reader, Token};
use super::transcode::{Transcoder, put_number};
use crate::args::{Spans, neutralised, place};
use crate::codec::json::split_query;
use crate::limits::MAX_DEPTH;
use crate::packet::is_reserved;
use crate::{Args, Body, DecodeError, Event, Packet, Version};

/// Reads one message, which is one packet.
pub(in crate::codec) fn decode(message: &Bytes, version: Version) -> Result<Packet, DecodeError> {
    // Transcoding makes at most six bytes of one (a control character in a string), placeholders aside.
    u32::try_from(message.len().saturating_mul(8)).map_err(|_| DecodeError::TooLong)?;
    let members = Members::read(message)?;
    let ns = ByteString::from(members.ns.ok_or(DecodeError::InvalidPayload)?);
    let (ns, query) = match version {
        Version::V3 => split_query(&ns),
        Version::V4 => (ns, None),
    };
    let body = match (members.kind.ok_or(DecodeError::InvalidPayload)?, members.data) {
        (0, data) => {
            let auth = data.map(|data| text(data, message, |token| matches!(token, Token::Map(_)))).transpose()?;
            Body::Connect { auth: if version == Version::V3 { query } else { auth } }
        }
        (1, None) => Body::Disconnect,
        (2, Some(data)) => Body::Event { id: members.id, event: event(data, message)? },
        (3, Some(data)) => {
            let id = members.id.ok_or(DecodeError::InvalidId)?;
            let (reader, len) = array(data)?;
            Body::Ack { id, args: args(reader, len, message)? }
        }
        (4, Some(data)) => {
            let may_be = |token: Token<'_>| version == Version::V3 || matches!(token, Token::Map(_) | Token::Str(_));
            Body::ConnectError { payload: text(data, message, may_be)? }
        }
        (1..=4, _) => return Err(DecodeError::InvalidPayload),
        (kind, _) => {
            let digit = u32::try_from(kind).ok().and_then(|kind| char::from_digit(kind, 10));
            return Err(DecodeError::UnknownType(digit.unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
    };
    Ok(Packet { ns, body })
}

/// The members of the map that matter; of one that comes twice the last counts, and unknown ones are passed over.
#[derive(Default)]
struct Members<'a> {
    kind: Option<u64>,
    ns: Option<&'a str>,
    id: Option<u64>,
    /// Stands at the value; `nil` and `undefined` are none.
    data: Option<Reader<'a>>,
}

impl<'a> Members<'a> {
    fn read(message: &'a [u8]) -> Result<Self, DecodeError> {
        if message.is_empty() {
            return Err(DecodeError::Empty);
        }
        let mut members = Self::default();
        let mut reader = Reader::new(message);
        let Token::Map(len) = reader.next()? else {
            return Err(DecodeError::InvalidMsgpack);
        };
        for _ in 0..len {
            let key = reader.peek()?;
            reader.skip()?;
            let value = reader.clone();
            reader.skip()?;
            if let Token::Str(key) = key {
                members.note(key, value)?;
            }
        }
        if reader.is_at_end() { Ok(members) } else { Err(DecodeError::InvalidMsgpack) }
    }

    fn note(&mut self, key: &str, value: Reader<'a>) -> Result<(), DecodeError> {
        let token = value.peek()?;
        let is_absent = token == Token::Nil || token.is_undefined();
        match (key, token) {
            ("data", _) => self.data = Some(value).filter(|_| !is_absent),
            ("id", _) if is_absent => self.id = None,
            ("id", Token::Uint(id)) => self.id = Some(id),
            ("id", _) => return Err(DecodeError::InvalidId),
            ("type", Token::Uint(kind)) => self.kind = Some(kind),
            ("nsp", Token::Str(ns)) => self.ns = Some(ns),
            ("type" | "nsp", _) => return Err(DecodeError::InvalidPayload),
            _ => {}
        }
        Ok(())
    }
}

/// Transcodes a payload that is no arguments, and so cannot have attachments.
fn text(data: Reader<'_>, message: &Bytes, may_be: impl FnOnce(Token<'_>) -> bool) -> Result<ByteString, DecodeError> {
    if !may_be(data.peek()?) {
        return Err(DecodeError::InvalidPayload);
    }
    let mut transcoder = Transcoder::new(data, message);
    transcoder.value(MAX_DEPTH)?;
    if transcoder.attachments.is_empty() { Ok(transcoder.out.into()) } else { Err(DecodeError::IllegalAttachments) }
}

fn event(data: Reader<'_>, message: &Bytes) -> Result<Event, DecodeError> {
    let (mut reader, len) = array(data)?;
    let others = len.checked_sub(1).ok_or(DecodeError::InvalidPayload)?;
    let (name, numeric) = match reader.next()? {
        Token::Str(name) if is_reserved(name) => return Err(DecodeError::ReservedName),
        Token::Str(name) => (name.into(), false),
        number @ (Token::Uint(_) | Token::Int(_)) => (digits(number), true),
        number @ Token::Float(value) if value.is_finite() => (digits(number), true),
        _ => return Err(DecodeError::InvalidPayload),
    };
    Ok(Event { name, numeric, args: args(reader, others, message)? })
}

fn digits(number: Token<'_>) -> ByteString {
    let mut out = String::new();
    put_number(&mut out, number);
    out.into()
}

fn array(mut data: Reader<'_>) -> Result<(Reader<'_>, u32), DecodeError> {
    match data.next()? {
        Token::Array(len) => Ok((data, len)),
        _ => Err(DecodeError::InvalidPayload),
    }
}

/// Transcodes `len` values as arguments.
fn args(reader: Reader<'_>, len: u32, message: &Bytes) -> Result<Args, DecodeError> {
    let mut transcoder = Transcoder::new(reader, message);
    let mut spans = Spans::new();
    for i in 0..len {
        if i > 0 {
            transcoder.out.push(',');
        }
        let start = transcoder.out.len();
        // The array of the arguments is a level as well.
        transcoder.value(MAX_DEPTH - 1)?;
        spans.push((place(start), place(transcoder.out.len())));
    }
    let Transcoder { out, attachments, places, .. } = transcoder;
    let text = neutralised(&out, &mut spans, &places).unwrap_or(out);
    Ok(Args::from_parts(text.into(), spans, attachments))
}
