//! Msgpack bytes to tokens. Every length is checked against the bytes that are there before anything is made of it.
//! What tokens mean together is left to those who ask for them.

use crate::DecodeError;

/// One step of msgpack. Of arrays and maps it is the number of elements and of pairs, which follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool(bool),
    Uint(u64),
    /// Less than zero.
    Int(i64),
    Float(f64),
    Str(&'a str),
    Bin(&'a [u8]),
    Array(u32),
    Map(u32),
    Ext(i8, &'a [u8]),
}

/// Reads tokens one after another.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Token<'a> {
    /// Returns whether JavaScript's `undefined` stands here, as notepack writes it.
    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Token::Ext(0, [_]))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next token without taking it.
    pub(super) fn peek(&self) -> Result<Token<'a>, DecodeError> {
        self.clone().next()
    }

    /// Passes over one value and all in it, however deep it is nested.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        let mut left = 1_u64;
        while left > 0 {
            left -= 1;
            left += match self.next()? {
                Token::Array(len) => u64::from(len),
                Token::Map(len) => u64::from(len) * 2,
                _ => 0,
            };
        }
        Ok(())
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, DecodeError> {
        let [kind] = self.take_array()?;
        Ok(match kind {
            0x00..=0x7f => Token::Uint(kind.into()),
            0x80..=0x8f => self.map(u32::from(kind & 0x0f))?,
            0x90..=0x9f => self.array(u32::from(kind & 0x0f))?,
            0xa0..=0xbf => self.str(u32::from(kind & 0x1f))?,
            0xc0 => Token::Nil,
            0xc1 => return Err(DecodeError::InvalidMsgpack),
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4..=0xc6 => {
                let len = self.length(kind - 0xc4)?;
                Token::Bin(self.take(len)?)
            }
            0xc7..=0xc9 => {
                let len = self.length(kind - 0xc7)?;
                match self.ext(len)? {
                    // How notepack writes an ArrayBuffer; in the forms of fixed length, type 0 means other things.
                    Token::Ext(0, data) => Token::Bin(data),
                    other => other,
                }
            }
            0xca => Token::Float(f32::from_be_bytes(self.take_array()?).into()),
            0xcb => Token::Float(f64::from_be_bytes(self.take_array()?)),
            0xcc..=0xcf => self.uint(kind)?,
            0xd0..=0xd3 => self.int(kind)?,
            0xd4..=0xd8 => self.ext(1 << (kind - 0xd4))?,
            0xd9..=0xdb => {
                let len = self.length(kind - 0xd9)?;
                self.str(len)?
            }
            0xdc | 0xdd => {
                let len = self.length(kind - 0xdc + 1)?;
                self.array(len)?
            }
            0xde | 0xdf => {
                let len = self.length(kind - 0xde + 1)?;
                self.map(len)?
            }
            0xe0..=0xff => Token::Int(i8::from_be_bytes([kind]).into()),
        })
    }

    fn uint(&mut self, kind: u8) -> Result<Token<'a>, DecodeError> {
        Ok(Token::Uint(match kind {
            0xcc => u8::from_be_bytes(self.take_array()?).into(),
            0xcd => u16::from_be_bytes(self.take_array()?).into(),
            0xce => u32::from_be_bytes(self.take_array()?).into(),
            _ => u64::from_be_bytes(self.take_array()?),
        }))
    }

    fn int(&mut self, kind: u8) -> Result<Token<'a>, DecodeError> {
        let value = match kind {
            0xd0 => i8::from_be_bytes(self.take_array()?).into(),
            0xd1 => i16::from_be_bytes(self.take_array()?).into(),
            0xd2 => i32::from_be_bytes(self.take_array()?).into(),
            _ => i64::from_be_bytes(self.take_array()?),
        };
        Ok(u64::try_from(value).map_or(Token::Int(value), Token::Uint))
    }

    /// Reads a length of 1, 2 or 4 bytes, as `form` is 0, 1 or 2.
    fn length(&mut self, form: u8) -> Result<u32, DecodeError> {
        Ok(match form {
            0 => u8::from_be_bytes(self.take_array()?).into(),
            1 => u16::from_be_bytes(self.take_array()?).into(),
            _ => u32::from_be_bytes(self.take_array()?),
        })
    }

    /// Each element has at least one byte, so a longer array cannot be there.
    fn array(&self, len: u32) -> Result<Token<'a>, DecodeError> {
        if len as usize > self.rest.len() { Err(DecodeError::InvalidMsgpack) } else { Ok(Token::Array(len)) }
    }

    fn map(&self, len: u32) -> Result<Token<'a>, DecodeError> {
        if len as usize > self.rest.len() / 2 { Err(DecodeError::InvalidMsgpack) } else { Ok(Token::Map(len)) }
    }

    fn str(&mut self, len: u32) -> Result<Token<'a>, DecodeError> {
        simdutf8::basic::from_utf8(self.take(len)?).map(Token::Str).map_err(|_| DecodeError::InvalidMsgpack)
    }

    fn ext(&mut self, len: u32) -> Result<Token<'a>, DecodeError> {
        let kind = i8::from_be_bytes(self.take_array()?);
        Ok(Token::Ext(kind, self.take(len)?))
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len as usize).ok_or(DecodeError::InvalidMsgpack)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::InvalidMsgpack)?;
        self.rest = rest;
        Ok(*taken)
    }
}
