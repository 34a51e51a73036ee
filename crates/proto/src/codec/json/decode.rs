//! Text to packets, in one pass over it and without copying arguments.
//! Attachments are put in by the decoder; here their number and their placeholders are judged.

use bytestring::ByteString;

use super::{ACK, BINARY_ACK, BINARY_EVENT, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, split_query};
use crate::args::{Spans, find_placeholders, place};
use crate::json::{Children, Invalid, Span, is_blank_from, scan, skip_blanks, unquote};
use crate::limits::{MAX_ATTACHMENTS, MAX_DEPTH};
use crate::packet::is_reserved;
use crate::{Args, Body, DecodeError, Event, Packet, Version};

/// Reads the text of a packet; also returns how many attachments are to follow.
pub(in crate::codec) fn decode(text: &ByteString, version: Version) -> Result<(Packet, usize), DecodeError> {
    u32::try_from(text.len()).map_err(|_| DecodeError::TooLong)?;
    let kind = text.chars().next().ok_or(DecodeError::Empty)?;
    let mut rest = &text[kind.len_utf8()..];
    let attachments = match kind {
        BINARY_EVENT | BINARY_ACK => take_count(&mut rest)?,
        CONNECT..=CONNECT_ERROR => 0,
        kind => return Err(DecodeError::UnknownType(kind)),
    };
    let ns = take_namespace(&mut rest).map_or(ByteString::from_static("/"), |ns| text.slice_ref(ns));
    let (ns, query) = match version {
        Version::V3 => split_query(&ns),
        Version::V4 => (ns, None),
    };
    // Errors have no id, and in protocol 3 their payload may be a number.
    let id = if kind == CONNECT_ERROR { None } else { take_id(&mut rest)? };
    let payload = text.slice_ref(rest);
    let body = match kind {
        EVENT | BINARY_EVENT => Body::Event { id, event: event(&payload, attachments)? },
        ACK | BINARY_ACK => {
            let id = id.ok_or(DecodeError::InvalidId)?;
            Body::Ack { id, args: elements(&payload, 0, attachments)? }
        }
        DISCONNECT if payload.is_empty() => Body::Disconnect,
        CONNECT => Body::Connect { auth: auth(payload, query, version)? },
        CONNECT_ERROR => Body::ConnectError { payload: error_payload(payload, version)? },
        _ => return Err(DecodeError::InvalidPayload),
    };
    Ok((Packet { ns, body }, attachments))
}

/// The number of attachments and its hyphen. The reference takes at least one and at most ten.
fn take_count(rest: &mut &str) -> Result<usize, DecodeError> {
    let digits = take_digits(rest);
    *rest = rest.strip_prefix('-').ok_or(DecodeError::IllegalAttachments)?;
    let count = digits.bytes().fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add((digit - b'0').into()));
    match count {
        0 => Err(DecodeError::IllegalAttachments),
        1..=MAX_ATTACHMENTS => Ok(count),
        _ => Err(DecodeError::TooManyAttachments),
    }
}

/// The namespace if there is one; its comma may be missing when nothing follows.
fn take_namespace<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if !rest.starts_with('/') {
        return None;
    }
    let end = memchr::memchr(b',', rest.as_bytes()).unwrap_or(rest.len());
    let (ns, tail) = rest.split_at(end);
    *rest = tail.strip_prefix(',').unwrap_or(tail);
    Some(ns)
}

fn take_id(rest: &mut &str) -> Result<Option<u64>, DecodeError> {
    match take_digits(rest) {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| DecodeError::InvalidId),
    }
}

fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at(end);
    *rest = tail;
    digits
}

/// The payload is an object if there is one. In protocol 3 what authorises stands in the namespace's query instead.
fn auth(payload: ByteString, query: Option<ByteString>, version: Version) -> Result<Option<ByteString>, DecodeError> {
    if payload.is_empty() {
        return Ok(query);
    }
    if first_byte(&payload) != Some(b'{') {
        return Err(DecodeError::InvalidPayload);
    }
    whole_value(&payload)?;
    Ok(if version == Version::V3 { query } else { Some(payload) })
}

fn error_payload(payload: ByteString, version: Version) -> Result<ByteString, DecodeError> {
    if version == Version::V4 && !matches!(first_byte(&payload), Some(b'{' | b'"')) {
        return Err(DecodeError::InvalidPayload);
    }
    whole_value(&payload)?;
    Ok(payload)
}

/// An event is an array that starts with its name, a string or a number.
fn event(payload: &ByteString, attachments: usize) -> Result<Event, DecodeError> {
    let mut spans = Spans::new();
    array(payload, &mut spans)?;
    let &(start, end) = spans.first().ok_or(DecodeError::InvalidPayload)?;
    let raw = &payload[start as usize..end as usize];
    let (name, numeric) = match raw.as_bytes().first() {
        Some(b'"') => (name_of(payload, raw), false),
        Some(b'-' | b'0'..=b'9') => (payload.slice_ref(raw), true),
        _ => return Err(DecodeError::InvalidPayload),
    };
    if !numeric && is_reserved(&name) {
        return Err(DecodeError::ReservedName);
    }
    Ok(Event { name, numeric, args: args(payload, &spans[1..], attachments)? })
}

fn name_of(payload: &ByteString, raw: &str) -> ByteString {
    match unquote(raw) {
        std::borrow::Cow::Borrowed(name) => payload.slice_ref(name),
        std::borrow::Cow::Owned(name) => name.into(),
    }
}

/// The elements of an array from the one at `from` on.
fn elements(payload: &ByteString, from: usize, attachments: usize) -> Result<Args, DecodeError> {
    let mut spans = Spans::new();
    array(payload, &mut spans)?;
    args(payload, &spans[from..], attachments)
}

fn args(payload: &ByteString, spans: &[(u32, u32)], attachments: usize) -> Result<Args, DecodeError> {
    let (Some(&(base, _)), Some(&(_, end))) = (spans.first(), spans.last()) else {
        return Ok(Args::from_parts(ByteString::new(), Spans::new(), Vec::with_capacity(attachments)));
    };
    let text = payload.slice_ref(&payload[base as usize..end as usize]);
    let spans: Spans = spans.iter().map(|&(start, end)| (start - base, end - base)).collect();
    if attachments > 0 {
        let names_one = |num: Option<u32>| num.is_some_and(|num| (num as usize) < attachments);
        if !find_placeholders(&text, &spans).iter().all(|found| names_one(found.num)) {
            return Err(DecodeError::IllegalAttachments);
        }
    }
    Ok(Args::from_parts(text, spans, Vec::with_capacity(attachments)))
}

/// Checks that the payload is one array, and tells where its elements stand.
fn array(payload: &ByteString, spans: &mut Spans) -> Result<(), DecodeError> {
    if first_byte(payload) != Some(b'[') {
        return Err(DecodeError::InvalidPayload);
    }
    let text = payload.as_bytes();
    let end =
        scan(text, 0, MAX_DEPTH, &mut Children::new(|_, span: Span| spans.push((place(span.start), place(span.end)))))
            .map_err(why)?;
    if is_blank_from(text, end) { Ok(()) } else { Err(DecodeError::InvalidPayload) }
}

/// Checks that the payload is one value.
fn whole_value(payload: &ByteString) -> Result<(), DecodeError> {
    let text = payload.as_bytes();
    let end = scan(text, 0, MAX_DEPTH, &mut ()).map_err(why)?;
    if is_blank_from(text, end) { Ok(()) } else { Err(DecodeError::InvalidPayload) }
}

fn first_byte(payload: &ByteString) -> Option<u8> {
    payload.as_bytes().get(skip_blanks(payload.as_bytes(), 0)).copied()
}

fn why(invalid: Invalid) -> DecodeError {
    match invalid {
        Invalid::Syntax => DecodeError::InvalidPayload,
        Invalid::TooDeep => DecodeError::TooDeep,
    }
}
