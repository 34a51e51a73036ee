//! Frame headers, both ways, and whole frames to send.
//! What a frame means inside a message is left to the decoder.

use super::item::Error;
use super::mask;
use crate::limits::MAX_CONTROL_LEN;

/// What a frame is (RFC 6455, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation,
    /// A text message or its first fragment.
    Text,
    /// A binary message or its first fragment.
    Binary,
    /// The end of what this side says.
    Close,
    /// A question for a sign of life.
    Ping,
    /// The answer to it.
    Pong,
}

impl Opcode {
    /// Returns whether the frame may stand between the fragments of a message.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }
}

/// Appends a whole unmasked frame, as a server sends it.
pub fn put_frame(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, payload: &[u8]) {
    out.reserve(MAX_HEADER + payload.len());
    put_header(out, opcode, rsv1, payload.len());
    out.extend_from_slice(payload);
}

/// Appends the header of an unmasked final frame whose payload of `len` bytes the caller appends.
pub fn put_header(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, len: usize) {
    put_head(out, opcode, rsv1, 0, len);
}

/// Appends a whole masked frame, as a client sends it.
pub fn put_masked_frame(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, mask: [u8; 4], payload: &[u8]) {
    put_head(out, opcode, rsv1, MASKED, payload.len());
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], mask);
}

/// Appends a close frame, as a server sends it. Without a code there is no reason either; a reason that does not fit
/// into a control frame (123 bytes) is cut at a character.
pub fn put_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let Some(code) = code else {
        return put_header(out, Opcode::Close, false, 0);
    };
    let reason = cut_at_character(reason, MAX_CONTROL_LEN - 2);
    put_header(out, Opcode::Close, false, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn cut_at_character(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn put_head(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, masked: u8, len: usize) {
    debug_assert!(!opcode.is_control() || len <= MAX_CONTROL_LEN, "a control frame is at most 125 bytes");
    out.push(FIN | if rsv1 { RSV1 } else { 0 } | opcode.bits());
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => out.push(masked | len),
        (_, Ok(len)) => {
            out.push(masked | LEN_16);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(masked | LEN_64);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// Bytes of the longest header: two, eight of the length, four of the mask.
pub(super) const MAX_HEADER: usize = 14;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV23: u8 = 0x30;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

/// The header of a frame that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) rsv1: bool,
    pub(super) opcode: Opcode,
    /// All zero if the frame is not masked.
    pub(super) mask: [u8; 4],
    /// Bytes of the payload.
    pub(super) len: u64,
    /// Bytes of the header itself.
    pub(super) size: usize,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if it is not all there. The first two bytes are judged as soon as
    /// they are there. `masked` says what the other side has to do, `deflate` whether it may set the first reserved bit.
    pub(super) fn parse(bytes: &[u8], masked: bool, deflate: bool) -> Result<Option<Self>, Error> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        let opcode = Opcode::from_bits(first & OPCODE).ok_or(Error::Protocol("reserved opcode"))?;
        judge_bits(first & RSV23 != 0, rsv1, opcode, deflate)?;
        // "A server MUST close the connection upon receiving a frame that is not masked" (5.1), and a client one that is.
        if (second & MASKED != 0) != masked {
            return Err(Error::Protocol(if masked { "frame without a mask" } else { "masked frame" }));
        }
        let short = second & !MASKED;
        // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented" (5.5).
        if opcode.is_control() && (!fin || short > 125) {
            return Err(Error::Protocol("control frame that is fragmented or too long"));
        }
        let Some((len, rest)) = read_len(short, rest)? else {
            return Ok(None);
        };
        let (mask, rest) = match (masked, rest.split_first_chunk::<4>()) {
            (false, _) => ([0; 4], rest),
            (true, Some((mask, rest))) => (*mask, rest),
            (true, None) => return Ok(None),
        };
        Ok(Some(Self { fin, rsv1, opcode, mask, len, size: bytes.len() - rest.len() }))
    }
}

/// RSV bits "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (5.2); RSV1 marks the
/// first fragment of a compressed message and no other frame (RFC 7692, 6.1).
fn judge_bits(rsv23: bool, rsv1: bool, opcode: Opcode, deflate: bool) -> Result<(), Error> {
    let may_compress = deflate && matches!(opcode, Opcode::Text | Opcode::Binary);
    if rsv23 || (rsv1 && !may_compress) {
        return Err(Error::Protocol("reserved bit set"));
    }
    Ok(())
}

/// Reads the extended length, if there is one, and returns what follows.
fn read_len(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Error> {
    match short {
        LEN_16 => Ok(rest.split_first_chunk().map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))),
        LEN_64 => {
            let Some((len, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            let len = u64::from_be_bytes(*len);
            // "the most significant bit MUST be 0" (5.2).
            if len >> 63 != 0 {
                return Err(Error::Protocol("length of more than 63 bits"));
            }
            Ok(Some((len, rest)))
        }
        short => Ok(Some((u64::from(short), rest))),
    }
}
