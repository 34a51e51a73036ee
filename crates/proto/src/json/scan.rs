//! One linear pass over JSON text that checks it against the grammar of RFC 8259 and tells a visitor what it sees.
//! It holds 128 levels in one word and never recurses, so a peer decides neither about the stack nor about the heap.
//! What strings and numbers mean is left to the visitor.

use std::ops::Range;

use super::string::plain_end;
use crate::limits::MAX_DEPTH;

/// Where something stands in the text, in bytes.
pub(crate) type Span = Range<usize>;

/// Why text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    Syntax,
    TooDeep,
}

/// What is told of a text in its order. Spans of strings and keys have their quotes.
pub(crate) trait Visitor {
    fn open(&mut self, _at: usize, _is_object: bool) {}
    fn close(&mut self, _end: usize) {}
    fn key(&mut self, _span: Span) {}
    fn scalar(&mut self, _span: Span) {}
}

impl Visitor for () {}

/// Reads the one value that starts at `at`, blanks before it allowed, and returns where it ends.
pub(crate) fn scan(text: &[u8], mut at: usize, max_depth: usize, visitor: &mut impl Visitor) -> Result<usize, Invalid> {
    let mut open = Open { objects: 0, depth: 0, max: max_depth.min(MAX_DEPTH) };
    loop {
        at = skip_blanks(text, at);
        match text.get(at) {
            Some(kind @ (b'{' | b'[')) => {
                let is_object = *kind == b'{';
                open.push(is_object)?;
                visitor.open(at, is_object);
                at = skip_blanks(text, at + 1);
                match (text.get(at), is_object) {
                    (Some(b'}'), true) | (Some(b']'), false) => at = close(at, &mut open, visitor),
                    (_, true) => {
                        at = key(text, at, visitor)?;
                        continue;
                    }
                    (_, false) => continue,
                }
            }
            _ => {
                let end = scalar_end(text, at)?;
                visitor.scalar(at..end);
                at = end;
            }
        }
        match after_value(text, at, &mut open, visitor)? {
            Next::Value(next) => at = next,
            Next::End(end) => return Ok(end),
        }
    }
}

/// Returns whether nothing but blanks follows.
pub(crate) fn is_blank_from(text: &[u8], at: usize) -> bool {
    skip_blanks(text, at) == text.len()
}

/// Returns the place of the first byte from `at` on that is not a blank.
pub(crate) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

/// Tells the children of the outermost array or object: the key of a member, if it is one, and the span of the value.
pub(crate) struct Children<F> {
    found: F,
    depth: usize,
    start: usize,
    key: Option<Span>,
}

impl<F: FnMut(Option<Span>, Span)> Children<F> {
    pub(crate) fn new(found: F) -> Self {
        Self { found, depth: 0, start: 0, key: None }
    }
}

impl<F: FnMut(Option<Span>, Span)> Visitor for Children<F> {
    fn open(&mut self, at: usize, _is_object: bool) {
        if self.depth == 1 {
            self.start = at;
        }
        self.depth += 1;
    }

    fn close(&mut self, end: usize) {
        self.depth -= 1;
        if self.depth == 1 {
            (self.found)(self.key.take(), self.start..end);
        }
    }

    fn key(&mut self, span: Span) {
        if self.depth == 1 {
            self.key = Some(span);
        }
    }

    fn scalar(&mut self, span: Span) {
        if self.depth == 1 {
            (self.found)(self.key.take(), span);
        }
    }
}

/// The arrays and objects that are open: one bit each, the innermost lowest.
struct Open {
    objects: u128,
    depth: usize,
    max: usize,
}

impl Open {
    fn push(&mut self, is_object: bool) -> Result<(), Invalid> {
        if self.depth == self.max {
            return Err(Invalid::TooDeep);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
        Ok(())
    }

    fn is_object(&self) -> bool {
        self.objects & 1 != 0
    }
}

enum Next {
    /// Another value starts here.
    Value(usize),
    /// The outermost value ended here.
    End(usize),
}

/// Goes on behind a value: over closing brackets to the next value or the end.
fn after_value(text: &[u8], mut at: usize, open: &mut Open, visitor: &mut impl Visitor) -> Result<Next, Invalid> {
    while open.depth > 0 {
        at = skip_blanks(text, at);
        match (text.get(at), open.is_object()) {
            (Some(b','), false) => return Ok(Next::Value(at + 1)),
            (Some(b','), true) => {
                return key(text, skip_blanks(text, at + 1), visitor).map(Next::Value);
            }
            (Some(b']'), false) | (Some(b'}'), true) => at = close(at, open, visitor),
            _ => return Err(Invalid::Syntax),
        }
    }
    Ok(Next::End(at))
}

fn close(at: usize, open: &mut Open, visitor: &mut impl Visitor) -> usize {
    open.depth -= 1;
    open.objects >>= 1;
    visitor.close(at + 1);
    at + 1
}

/// Reads a key and its colon, and returns what follows.
fn key(text: &[u8], at: usize, visitor: &mut impl Visitor) -> Result<usize, Invalid> {
    if text.get(at) != Some(&b'"') {
        return Err(Invalid::Syntax);
    }
    let end = string_end(text, at + 1)?;
    visitor.key(at..end);
    let colon = skip_blanks(text, end);
    if text.get(colon) == Some(&b':') { Ok(colon + 1) } else { Err(Invalid::Syntax) }
}

fn scalar_end(text: &[u8], at: usize) -> Result<usize, Invalid> {
    match text.get(at) {
        Some(b'"') => string_end(text, at + 1),
        Some(b'-' | b'0'..=b'9') => number_end(text, at),
        Some(b't') => literal_end(text, at, b"true"),
        Some(b'f') => literal_end(text, at, b"false"),
        Some(b'n') => literal_end(text, at, b"null"),
        _ => Err(Invalid::Syntax),
    }
}

fn literal_end(text: &[u8], at: usize, literal: &[u8]) -> Result<usize, Invalid> {
    if text[at..].starts_with(literal) { Ok(at + literal.len()) } else { Err(Invalid::Syntax) }
}

/// Finds the end of a string, `at` being behind its first quote.
fn string_end(text: &[u8], mut at: usize) -> Result<usize, Invalid> {
    loop {
        at = plain_end(text, at);
        match text[at..] {
            [b'"', ..] => return Ok(at + 1),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => at += 2,
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(u8::is_ascii_hexdigit) => {
                at += 6;
            }
            _ => return Err(Invalid::Syntax),
        }
    }
}

fn number_end(text: &[u8], mut at: usize) -> Result<usize, Invalid> {
    if text[at] == b'-' {
        at += 1;
    }
    at = match text.get(at) {
        Some(b'0') => at + 1,
        _ => digits_end(text, at)?,
    };
    if text.get(at) == Some(&b'.') {
        at = digits_end(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = digits_end(text, at)?;
    }
    Ok(at)
}

/// Finds the end of one digit or more.
fn digits_end(text: &[u8], start: usize) -> Result<usize, Invalid> {
    let mut at = start;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    if at > start { Ok(at) } else { Err(Invalid::Syntax) }
}
