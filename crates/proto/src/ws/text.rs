//! Text that comes in pieces: validated as it comes, so that bad UTF-8 fails at once, and never read twice.
//! Where the pieces end is left to the assembly.

use bytestring::ByteString;

use super::assembly::room;
use super::item::Error;

/// The valid text so far and the bytes of a character that is cut by the end of the last piece.
#[derive(Debug, Default)]
pub(super) struct TextBuffer {
    text: String,
    cut: [u8; 4],
    cut_len: usize,
}

impl TextBuffer {
    /// Appends a piece; `more` bytes are known to follow.
    pub(super) fn push(&mut self, piece: &[u8], more: usize) -> Result<(), Error> {
        let piece = self.complete_cut(piece)?;
        self.text.reserve_exact(room(self.text.len(), self.text.capacity(), piece.len(), more));
        match simdutf8::compat::from_utf8(piece) {
            Ok(text) => self.text.push_str(text),
            Err(error) if error.error_len().is_some() => return Err(Error::Utf8),
            Err(error) => {
                let (valid, cut) = piece.split_at(error.valid_up_to());
                self.text.push_str(std::str::from_utf8(valid).map_err(|_| Error::Utf8)?);
                self.cut[..cut.len()].copy_from_slice(cut);
                self.cut_len = cut.len();
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.text.len() + self.cut_len
    }

    /// Returns the whole text; a character may not be cut by the end of the message.
    pub(super) fn finish(self) -> Result<ByteString, Error> {
        if self.cut_len == 0 { Ok(self.text.into()) } else { Err(Error::Utf8) }
    }

    /// Completes the cut character from the start of `piece` and returns the rest of it.
    fn complete_cut<'a>(&mut self, mut piece: &'a [u8]) -> Result<&'a [u8], Error> {
        while self.cut_len > 0 {
            let Some((first, rest)) = piece.split_first() else {
                break;
            };
            piece = rest;
            self.cut[self.cut_len] = *first;
            self.cut_len += 1;
            match std::str::from_utf8(&self.cut[..self.cut_len]) {
                Ok(character) => {
                    self.text.push_str(character);
                    self.cut_len = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(Error::Utf8),
                // Four bytes are a character or an error, so the buffer cannot overflow.
                Err(_) => {}
            }
        }
        Ok(piece)
    }
}
