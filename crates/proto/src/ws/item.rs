//! What a peer can say over WebSocket, and what it can get wrong.
//! How it is found in the bytes is the decoder's matter.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use crate::Message;

/// One thing that the peer said: a whole message or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A text message, its fragments joined.
    Text(ByteString),
    /// A binary message, its fragments joined.
    Binary(Bytes),
    /// A ping, to be answered by a pong with the same content.
    Ping(Bytes),
    /// A pong.
    Pong(Bytes),
    /// The last frame of the peer; whatever follows it is to be ignored.
    Close(Option<CloseFrame>),
}

/// Why the peer closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// A code that may travel on the wire: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    pub code: u16,
    /// The reason in words, mostly empty.
    pub reason: ByteString,
}

/// What the peer did wrong. The decoder must not be used after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The framing breaks RFC 6455; the text says how.
    Protocol(&'static str),
    /// A text message or the reason of a close frame is no UTF-8.
    Utf8,
    /// A message, its fragments together, is longer than the limit, before or after inflation.
    TooBig,
    /// A compressed message cannot be inflated.
    Deflate,
}

impl Item {
    /// Returns the parsed content of a close frame.
    pub(super) fn close(payload: &[u8]) -> Result<Self, Error> {
        match payload {
            [] => Ok(Self::Close(None)),
            [_] => Err(Error::Protocol("close frame with half a code")),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                let reason = std::str::from_utf8(reason).map_err(|_| Error::Utf8)?;
                if !may_travel(code) {
                    return Err(Error::Protocol("close code that may not travel"));
                }
                Ok(Self::Close(Some(CloseFrame { code, reason: reason.into() })))
            }
        }
    }
}

/// "The status code 1005 (1006, 1015) MUST NOT be set as a status code in a Close control frame by an endpoint";
/// below 1000 and from 1016 to 2999 is reserved (RFC 6455, 7.4; 1012 to 1014 are registered with IANA).
fn may_travel(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

impl From<Message> for Item {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(data) => Self::Binary(data),
        }
    }
}

impl Error {
    /// Returns the code with which the connection is to be closed.
    #[must_use]
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Utf8 | Self::Deflate => 1007,
            Self::TooBig => 1009,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol(what) => what,
            Self::Utf8 => "invalid utf-8 in text",
            Self::TooBig => "message over the limit",
            Self::Deflate => "invalid deflate data",
        })
    }
}

impl std::error::Error for Error {}
