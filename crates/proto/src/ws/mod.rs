//! WebSocket framing.

use bytes::Bytes;
use bytestring::ByteString;

/// What one direction of a connection was set up to be.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Config {
    pub role_server: bool,
    pub max_message: usize,
    pub deflate: bool,
}

/// One thing that the peer said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Item {
    Text(ByteString),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<CloseFrame>),
}

/// Why a peer closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CloseFrame {
    pub code: u16,
    pub reason: ByteString,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// Why bytes are no WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Error {
    Protocol(&'static str),
    Utf8,
    TooBig,
    Deflate,
}

#[allow(missing_docs)]
impl Error {
    #[must_use]
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Utf8 | Self::Deflate => 1007,
            Self::TooBig => 1009,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Protocol(what) => f.write_str(what),
            Self::Utf8 => f.write_str("invalid utf-8 in text"),
            Self::TooBig => f.write_str("message over the limit"),
            Self::Deflate => f.write_str("invalid deflate data"),
        }
    }
}

impl std::error::Error for Error {}

/// Bytes to items.
#[derive(Debug)]
#[allow(dead_code)]
pub struct Decoder {
    config: Config,
}

#[allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
impl Decoder {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }
    pub fn decode(
        &mut self,
        chunk: &mut [u8],
        at: &mut usize,
        inflater: &mut Inflater,
    ) -> Result<Option<Item>, Error> {
        unimplemented!()
    }
    #[must_use]
    pub fn buffered(&self) -> usize {
        unimplemented!()
    }
}

#[allow(missing_docs, unused_variables)]
pub fn put_frame(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, payload: &[u8]) {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
pub fn put_header(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, len: usize) {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
pub fn put_masked_frame(
    out: &mut Vec<u8>,
    opcode: Opcode,
    rsv1: bool,
    mask: [u8; 4],
    payload: &[u8],
) {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
pub fn put_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
#[must_use]
pub fn accept_key(sec_websocket_key: &str) -> String {
    unimplemented!()
}
#[allow(missing_docs, unused_variables)]
#[must_use]
pub fn negotiate_deflate(offer: &str) -> Option<String> {
    unimplemented!()
}

/// Deflates messages; takes memory at its first use.
#[derive(Debug, Default)]
pub struct Deflater {}
/// Inflates messages; takes memory at its first use.
#[derive(Debug, Default)]
pub struct Inflater {}

#[allow(missing_docs, unused_variables)]
impl Deflater {
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
    pub fn deflate(&mut self, data: &[u8], out: &mut Vec<u8>) {
        unimplemented!()
    }
}

#[allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
impl Inflater {
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
    pub fn inflate(&mut self, data: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        unimplemented!()
    }
}
