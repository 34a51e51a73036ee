//! Numbers, texts and lists as they stand in a record's body: writing them, and reading them back with every length checked
//! before memory is taken. What they mean is left to `codec`.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use trunkline_delivery::{Names, Position};

/// Bytes that are not what they should be; the text says what was wanted.
pub(crate) type Wrong = &'static str;

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

pub(super) fn put_data(out: &mut Vec<u8>, data: &[u8]) {
    put_number(out, data.len() as u64);
    out.extend_from_slice(data);
}

pub(super) fn put_names(out: &mut Vec<u8>, names: &Names) {
    put_number(out, names.len() as u64);
    names.iter().for_each(|name| put_data(out, name.as_bytes()));
}

pub(super) fn put_maybe<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// What is left of a body.
#[derive(Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Wrong> {
        let (&byte, rest) = self.0.split_first().ok_or("a byte")?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, Wrong> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err("a number of 64 bits");
            }
            number |= part << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a number of ten bytes")
    }

    /// A number of things that take at least one byte each.
    pub(super) fn count(&mut self) -> Result<usize, Wrong> {
        let count = usize::try_from(self.number()?).map_err(|_| "a count")?;
        if count > self.0.len() { Err("as many as are there") } else { Ok(count) }
    }

    pub(super) fn data(&mut self) -> Result<&'a [u8], Wrong> {
        let len = self.count()?;
        let (data, rest) = self.0.split_at_checked(len).ok_or("data of this length")?;
        self.0 = rest;
        Ok(data)
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, Wrong> {
        self.data().map(Bytes::copy_from_slice)
    }

    pub(super) fn str(&mut self) -> Result<&'a str, Wrong> {
        std::str::from_utf8(self.data()?).map_err(|_| "text in UTF-8")
    }

    pub(super) fn text(&mut self) -> Result<ByteString, Wrong> {
        self.str().map(ByteString::from)
    }

    pub(super) fn name(&mut self) -> Result<Arc<str>, Wrong> {
        self.str().map(Arc::from)
    }

    pub(super) fn names(&mut self) -> Result<Names, Wrong> {
        (0..self.count()?).map(|_| self.name()).collect()
    }

    pub(super) fn position(&mut self) -> Result<Position, Wrong> {
        self.number().map(Position::new)
    }

    pub(super) fn maybe<T>(&mut self, get: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<Option<T>, Wrong> {
        match self.byte()? {
            0 => Ok(None),
            1 => get(self).map(Some),
            _ => Err("a byte 0 or 1"),
        }
    }
}
