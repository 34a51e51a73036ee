//! The bytes of the wire as both ends of the benchmark need them: WebSocket frames, the opening handshake, and the few
//! Socket.IO packets that the loads are made of. It is no general codec: it knows only what these two programs send,
//! and leaves the project's own codec unused on purpose, so that a fault in that one cannot hide itself.

/// The only key our clients open with, so that the limit server may answer with a canned response.
pub const CLIENT_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What RFC 6455 section 1.3 computes from [`CLIENT_KEY`].
pub const ACCEPT_KEY: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The opcode of a text frame.
pub const TEXT: u8 = 1;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;

/// The longest frame either end takes; a longer one ends the connection.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// The request that opens an Engine.IO 4 session on WebSocket directly.
#[must_use]
pub fn upgrade_request(port: u16) -> Vec<u8> {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {CLIENT_KEY}\r\n\r\n"
    )
    .into_bytes()
}

/// Appends a frame as a server sends it, unmasked and final.
pub fn push_server_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    push_server_header(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

/// Appends only the header of such a frame, for a payload that comes in parts.
pub fn push_server_header(out: &mut Vec<u8>, opcode: u8, len: usize) {
    push_header(out, opcode, len, 0);
}

/// Appends a frame as a client sends it. The mask is zero: legal, and the generator need not touch the payload.
pub fn push_client_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    push_header(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

fn push_header(out: &mut Vec<u8>, opcode: u8, len: usize, mask_bit: u8) {
    out.push(0x80 | opcode);
    if len < 126 {
        out.push(mask_bit | len as u8);
    } else if let Ok(short) = u16::try_from(len) {
        out.push(mask_bit | 126);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(mask_bit | 127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

/// A whole frame at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The four bits that say what the frame is.
    pub opcode: u8,
    /// Where its payload starts.
    pub start: usize,
    /// Where its payload, and the frame, ends.
    pub end: usize,
    /// The key the payload is masked with, all zero when it is not.
    pub mask: [u8; 4],
}

/// What is at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A whole frame.
    Frame(Frame),
    /// The beginning of one.
    Partial,
    /// Nothing that either end sends: a fragment, or longer than [`FRAME_BYTES_MAX`].
    Broken,
}

/// Looks for one frame at the start of `bytes`.
#[must_use]
pub fn parse_frame(bytes: &[u8]) -> Parsed {
    let [first, second, rest @ ..] = bytes else { return Parsed::Partial };
    if first & 0xf0 != 0x80 {
        return Parsed::Broken;
    }
    let (len, extra) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 2),
        (127, [0, 0, 0, 0, a, b, c, d, ..]) => (u32::from_be_bytes([*a, *b, *c, *d]) as usize, 8),
        (127, [_, _, _, _, _, _, _, _, ..]) => return Parsed::Broken,
        (126 | 127, _) => return Parsed::Partial,
        (short, _) => (usize::from(short), 0),
    };
    if len > FRAME_BYTES_MAX {
        return Parsed::Broken;
    }
    let masked = second & 0x80 != 0;
    let start = 2 + extra + if masked { 4 } else { 0 };
    if bytes.len() < start + len {
        return Parsed::Partial;
    }
    let mask = if masked { [bytes[start - 4], bytes[start - 3], bytes[start - 2], bytes[start - 1]] } else { [0; 4] };
    Parsed::Frame(Frame { opcode: first & 0x0f, start, end: start + len, mask })
}

/// Takes the mask off `payload`; nothing to do for a key of zeroes.
pub fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    if mask != [0; 4] {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[i & 3];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_any_length_is_read_back_from_any_prefix() {
        for len in [0, 1, 125, 126, 200, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            for client in [false, true] {
                let mut bytes = Vec::new();
                let push = if client { push_client_frame } else { push_server_frame };
                push(&mut bytes, TEXT, &payload);
                let Parsed::Frame(frame) = parse_frame(&bytes) else { panic!("no frame of {len}") };
                assert_eq!((frame.opcode, frame.end, frame.end - frame.start), (TEXT, bytes.len(), len));
                for cut in [0, 1, 2, bytes.len() - 1] {
                    if cut < bytes.len() {
                        assert_eq!(parse_frame(&bytes[..cut]), Parsed::Partial, "{len} cut at {cut}");
                    }
                }
            }
        }
    }

    #[test]
    fn fragments_and_giants_are_broken() {
        assert_eq!(parse_frame(&[0x01, 0x01, b'x']), Parsed::Broken);
        assert_eq!(parse_frame(&[0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0]), Parsed::Broken);
    }

    #[test]
    fn a_mask_is_its_own_inverse() {
        let mut payload = b"42[\"echo\",1]".to_vec();
        unmask(&mut payload, [1, 2, 3, 4]);
        assert_ne!(payload, b"42[\"echo\",1]");
        unmask(&mut payload, [1, 2, 3, 4]);
        assert_eq!(payload, b"42[\"echo\",1]");
    }
}
