//! The two payload forms of protocol 3: text with lengths in UTF-16 units, and binary with lengths in bytes.
//! Which of the two a body has is left to `payload`.
//!
//! ```text
//! text     <length> ":" <packet>                                    repeated; 6:4hello
//! binary   0 (text) or 1 (bytes) · digits of the length · 255 · packet   repeated; 00 06 ff "4hello"
//! ```

use std::fmt::Write as _;

use bytes::Bytes;
use bytestring::ByteString;

use super::packet::lossy;
use super::{EngineError, EnginePacket};
use crate::limits::MAX_LENGTH_DIGITS;
use crate::{Message, Version};

type Item = Result<EnginePacket, EngineError>;

/// Ends the digits of a binary item's length.
const END_OF_LENGTH: u8 = 0xff;

/// Appends the text form; a body without packets is one of length zero.
pub(super) fn encode_text(packets: &[EnginePacket], out: &mut String) {
    if packets.is_empty() {
        out.push_str("0:");
    }
    for packet in packets {
        let text = packet.encode_text(Version::V3);
        let units = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
        let _infallible = write!(out, "{units}:{text}");
    }
}

/// Returns the binary form.
pub(super) fn encode_binary(packets: &[EnginePacket]) -> Vec<u8> {
    let mut out = Vec::with_capacity(packets.iter().map(|packet| packet.text_len() + 12).sum());
    for packet in packets {
        if let EnginePacket::Message(Message::Binary(data)) = packet {
            put_binary_head(1, data.len() + 1, &mut out);
            out.push(4);
            out.extend_from_slice(data);
        } else {
            let text = packet.encode_text(Version::V3);
            put_binary_head(0, text.len(), &mut out);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

fn put_binary_head(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(len.to_string().bytes().map(|digit| digit - b'0'));
    out.push(END_OF_LENGTH);
}

/// Reads the text form. It is over after the first error.
pub(super) struct TextItems {
    rest: ByteString,
    started: bool,
}

impl TextItems {
    pub(super) fn new(body: ByteString) -> Self {
        Self { rest: body, started: false }
    }

    fn read(&mut self) -> Item {
        let digits = self.rest.bytes().take(MAX_LENGTH_DIGITS).take_while(u8::is_ascii_digit).count();
        let (length, rest) = self.rest.split_at(digits);
        let units = length.parse().map_err(|_| EngineError::InvalidLength)?;
        if !rest.starts_with(':') {
            return Err(EngineError::InvalidLength);
        }
        let (_, rest) = rest.split_at(1);
        let end = units_end(&rest, units).ok_or(EngineError::InvalidLength)?;
        let (item, rest) = rest.split_at(end);
        self.rest = rest;
        EnginePacket::decode_item(Version::V3, &item)
    }
}

impl Iterator for TextItems {
    type Item = Item;

    /// Items of length zero carry nothing and are passed over, as in the reference; a body without any is an error.
    fn next(&mut self) -> Option<Item> {
        loop {
            if self.rest.is_empty() && self.started {
                return None;
            }
            self.started = true;
            let before = self.rest.len();
            match self.read() {
                Err(EngineError::Empty) if self.rest.len() < before => {}
                item => return Some(item),
            }
        }
    }
}

/// Returns where the first `units` UTF-16 units of `text` end in bytes; `None` if it has fewer, or if a character is cut.
fn units_end(text: &str, units: usize) -> Option<usize> {
    if text.as_bytes().get(..units).is_some_and(<[u8]>::is_ascii) {
        return Some(units);
    }
    let mut left = units;
    for (at, character) in text.char_indices() {
        if left == 0 {
            return Some(at);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

/// Reads the binary form. It is over after the first error.
pub(super) struct BinaryItems {
    rest: Bytes,
    started: bool,
}

impl BinaryItems {
    pub(super) fn new(body: Bytes) -> Self {
        Self { rest: body, started: false }
    }

    fn read(&mut self) -> Item {
        let (&kind, tail) = self.rest.split_first().ok_or(EngineError::Empty)?;
        let window = &tail[..tail.len().min(MAX_LENGTH_DIGITS + 1)];
        let digits = memchr::memchr(END_OF_LENGTH, window).ok_or(EngineError::InvalidLength)?;
        let len = read_digits(&window[..digits]).ok_or(EngineError::InvalidLength)?;
        let mut content = self.rest.split_off(1 + digits + 1);
        if len > content.len() {
            return Err(EngineError::InvalidLength);
        }
        self.rest = content.split_off(len);
        match kind {
            0 => EnginePacket::decode_item(Version::V3, &lossy(&content)),
            1 => EnginePacket::decode_binary(Version::V3, content),
            kind => Err(EngineError::UnknownType(char::from(kind))),
        }
    }
}

impl Iterator for BinaryItems {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.rest.is_empty() && self.started {
            return None;
        }
        self.started = true;
        Some(self.read())
    }
}

/// Reads a length of which each byte is one digit's value.
fn read_digits(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |sum, digit| {
        let digit = Some(*digit).filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(usize::from(digit))
    })
}
