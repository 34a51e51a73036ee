//! The state machine from bytes to items.
//! It reads nothing itself and answers nothing: pongs and close frames are the caller's.

use super::assembly::{self, Assembly};
use super::deflate::Inflater;
use super::frame::{Header, MAX_HEADER, Opcode};
use super::item::{Error, Item};
use super::mask;

/// What one direction of a connection was set up to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether this side is the server, which gets masked frames.
    pub role_server: bool,
    /// Bytes of the longest message, its fragments together, as sent and after inflation.
    pub max_message: usize,
    /// Whether permessage-deflate was negotiated.
    pub deflate: bool,
}

/// Turns bytes into items. Between messages it holds no buffer.
#[derive(Debug)]
pub struct Decoder {
    config: Config,
    partial: Option<Box<Partial>>,
}

/// What of a frame or a message has come.
#[derive(Debug, Default)]
struct Partial {
    head: [u8; MAX_HEADER],
    head_len: usize,
    /// The frame whose payload is coming.
    frame: Option<Frame>,
    /// The payload of a control frame; it may come between the fragments of a message.
    control: Vec<u8>,
    message: Option<Assembly>,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    /// Turned so that it fits the next byte.
    mask: [u8; 4],
    remaining: u64,
}

impl Decoder {
    /// Makes a decoder at rest.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, partial: None }
    }

    /// Takes bytes from `chunk[*at..]`, which are unmasked in place, and moves `at` behind them.
    ///
    /// `None` says that all of the chunk is taken and more is needed. To be called again with the same chunk until then.
    /// What is kept of an incomplete frame grows as its bytes come, never by the announced length alone.
    ///
    /// # Errors
    ///
    /// What the peer did wrong, as soon as it can be seen. The decoder must not be used after an error, nor for what
    /// follows a close frame.
    pub fn decode(&mut self, chunk: &mut [u8], at: &mut usize, inflater: &mut Inflater) -> Result<Option<Item>, Error> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => match self.whole_frame(chunk, at, inflater)? {
                Some(item) => return Ok(Some(item)),
                None if *at == chunk.len() => return Ok(None),
                None => Box::default(),
            },
        };
        let item = partial.advance(self.config, chunk, at, inflater)?;
        if !partial.is_at_rest() {
            self.partial = Some(partial);
        }
        Ok(item)
    }

    /// Returns how many bytes of incomplete frames and messages are kept.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.buffered())
    }

    /// The common case: a message of one frame that lies wholly in the chunk is validated and copied once.
    fn whole_frame(&self, chunk: &mut [u8], at: &mut usize, inflater: &mut Inflater) -> Result<Option<Item>, Error> {
        let Some(header) = self.config.header(&chunk[*at..])? else {
            return Ok(None);
        };
        if header.opcode == Opcode::Continuation {
            return Err(assembly::NOTHING_TO_CONTINUE);
        }
        if !header.opcode.is_control() && header.len > self.config.max_message as u64 {
            return Err(Error::TooBig);
        }
        let start = *at + header.size;
        let Some(payload) =
            usize::try_from(header.len).ok().filter(|_| header.fin).and_then(|len| chunk[start..].get_mut(..len))
        else {
            return Ok(None);
        };
        mask::apply(payload, header.mask);
        *at = start + payload.len();
        let item = if header.rsv1 {
            assembly::inflated(header.opcode == Opcode::Text, payload, self.config.max_message, inflater)?
        } else {
            assembly::plain(header.opcode, payload)?
        };
        Ok(Some(item))
    }
}

impl Config {
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, Error> {
        Header::parse(bytes, self.role_server, self.deflate)
    }
}

impl Partial {
    /// Goes on with the chunk until there is an item or nothing more to take.
    fn advance(
        &mut self,
        config: Config,
        chunk: &mut [u8],
        at: &mut usize,
        inflater: &mut Inflater,
    ) -> Result<Option<Item>, Error> {
        loop {
            let Some(mut frame) = self.next_frame(config, chunk, at)? else {
                return Ok(None);
            };
            self.take_payload(&mut frame, chunk, at)?;
            if frame.remaining > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(item) = self.end_frame(&frame, config, inflater)? {
                return Ok(Some(item));
            }
        }
    }

    /// Returns the frame that is coming, or the one whose header ends in the chunk.
    fn next_frame(&mut self, config: Config, chunk: &[u8], at: &mut usize) -> Result<Option<Frame>, Error> {
        if let Some(frame) = self.frame.take() {
            return Ok(Some(frame));
        }
        let kept = self.head_len;
        let copied = (MAX_HEADER - kept).min(chunk.len() - *at);
        self.head[kept..kept + copied].copy_from_slice(&chunk[*at..*at + copied]);
        self.head_len += copied;
        let Some(header) = config.header(&self.head[..self.head_len])? else {
            *at += copied;
            return Ok(None);
        };
        // What was kept was no whole header, so the header ends behind it.
        *at += header.size - kept;
        self.head_len = 0;
        self.start_frame(&header, config.max_message)?;
        Ok(Some(Frame { opcode: header.opcode, fin: header.fin, mask: header.mask, remaining: header.len }))
    }

    /// Judges whether the frame may come now, and counts it.
    fn start_frame(&mut self, header: &Header, max: usize) -> Result<(), Error> {
        let message = match (header.opcode, &mut self.message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(()),
            (Opcode::Text | Opcode::Binary, empty @ None) => empty.insert(Assembly::new(header.opcode, header.rsv1)),
            (Opcode::Continuation, Some(message)) => message,
            (Opcode::Continuation, None) => return Err(assembly::NOTHING_TO_CONTINUE),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Error::Protocol("new message inside a fragmented one"));
            }
        };
        message.announce(header.len, max)
    }

    fn take_payload(&mut self, frame: &mut Frame, chunk: &mut [u8], at: &mut usize) -> Result<(), Error> {
        let available = &mut chunk[*at..];
        let len = usize::try_from(frame.remaining).map_or(available.len(), |remaining| remaining.min(available.len()));
        let bytes = &mut available[..len];
        mask::apply(bytes, frame.mask);
        frame.mask.rotate_left(len % 4);
        frame.remaining -= len as u64;
        *at += len;
        match &mut self.message {
            Some(message) if !frame.opcode.is_control() => {
                message.push(bytes, usize::try_from(frame.remaining).unwrap_or(usize::MAX))
            }
            _ => {
                self.control.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn end_frame(&mut self, frame: &Frame, config: Config, inflater: &mut Inflater) -> Result<Option<Item>, Error> {
        if frame.opcode.is_control() {
            let payload = std::mem::take(&mut self.control);
            return assembly::plain(frame.opcode, &payload).map(Some);
        }
        match self.message.take_if(|_| frame.fin) {
            Some(message) => message.finish(config.max_message, inflater).map(Some),
            None => Ok(None),
        }
    }

    fn is_at_rest(&self) -> bool {
        self.buffered() == 0 && self.frame.is_none() && self.message.is_none()
    }

    fn buffered(&self) -> usize {
        self.head_len + self.control.len() + self.message.as_ref().map_or(0, Assembly::len)
    }
}
