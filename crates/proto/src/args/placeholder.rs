//! The objects that stand for attachments in JSON text: finding them, writing them, giving them other numbers.
//! Which attachment a number names is left to the arguments.

use std::fmt::Write as _;

use super::{Spans, place};
use crate::json::{Span, Visitor, scan, string_is};
use crate::limits::MAX_DEPTH;

/// A placeholder in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The attachment; `None` if the object names none that can exist.
    pub(crate) num: Option<u32>,
}

/// Finds the placeholders in the values at `spans`, in the order of the text. As in the reference an object is one when its
/// member `_placeholder` is `true`, whatever else it holds, and what is inside one does not count.
pub(crate) fn find(text: &str, spans: &[(u32, u32)]) -> Vec<Found> {
    let mut finder = Finder { text: text.as_bytes(), open: Vec::new(), found: Vec::new() };
    for &(start, _) in spans {
        let end = scan(finder.text, start as usize, MAX_DEPTH, &mut finder);
        debug_assert!(end.is_ok(), "the text of arguments is valid");
    }
    finder.found
}

/// Appends the placeholder of an attachment.
pub(crate) fn put(out: &mut String, num: u32) {
    let _infallible = write!(out, "{{\"_placeholder\":true,\"num\":{num}}}");
}

/// Writes the text anew with each of `found` replaced by the placeholder of another number, or by `null`. The spans follow.
pub(crate) fn rewrite(
    text: &str,
    spans: &mut Spans,
    found: &[Found],
    mut number: impl FnMut(&Found) -> Option<u32>,
) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut found = found.iter().peekable();
    let mut at = 0;
    for span in spans {
        let (start, end) = (span.0 as usize, span.1 as usize);
        out.push_str(&text[at..start]);
        let new_start = out.len();
        at = start;
        while let Some(hit) = found.next_if(|hit| hit.end <= end) {
            out.push_str(&text[at..hit.start]);
            match number(hit) {
                Some(num) => put(&mut out, num),
                None => out.push_str("null"),
            }
            at = hit.end;
        }
        out.push_str(&text[at..end]);
        at = end;
        *span = (place(new_start), place(out.len()));
    }
    out.push_str(&text[at..]);
    out
}

/// Writes the text anew with `null` for each look-alike: a placeholder that does not start at one of `own`, sorted, where
/// those of the attachments stand. `None` if there is none, or if there are no attachments, beside which they are data.
pub(crate) fn neutralised(text: &str, spans: &mut Spans, own: &[usize]) -> Option<String> {
    if own.is_empty() {
        return None;
    }
    let found = find(text, spans);
    let is_own = |hit: &Found| own.binary_search(&hit.start).is_ok();
    // Not by their number: a look-alike may hide one that is inside it.
    if found.iter().all(is_own) {
        return None;
    }
    Some(rewrite(text, spans, &found, |hit| hit.num.filter(|_| is_own(hit))))
}

/// Reads along with the scanner.
struct Finder<'a> {
    text: &'a [u8],
    open: Vec<Container>,
    found: Vec<Found>,
}

/// An open array or object. Of a member that comes twice the last one counts, as in JavaScript.
struct Container {
    start: usize,
    member: Member,
    is_placeholder: bool,
    num: Option<u32>,
}

#[derive(Clone, Copy)]
enum Member {
    Placeholder,
    Num,
    Other,
}

impl Finder<'_> {
    /// Notes the value of the member that was named last; `None` for an array or object.
    fn note(&mut self, scalar: Option<Span>) {
        let Some(container) = self.open.last_mut() else {
            return;
        };
        let value = scalar.map_or(&b"[]"[..], |span| &self.text[span]);
        match container.member {
            Member::Placeholder => container.is_placeholder = value == b"true",
            Member::Num => {
                let digits = std::str::from_utf8(value).ok();
                container.num = digits.and_then(|digits| digits.parse().ok());
            }
            Member::Other => {}
        }
    }
}

impl Visitor for Finder<'_> {
    fn open(&mut self, at: usize, _is_object: bool) {
        self.note(None);
        self.open.push(Container { start: at, member: Member::Other, is_placeholder: false, num: None });
    }

    fn close(&mut self, end: usize) {
        let Some(container) = self.open.pop().filter(|container| container.is_placeholder) else {
            return;
        };
        while self.found.pop_if(|inner| inner.start > container.start).is_some() {}
        self.found.push(Found { start: container.start, end, num: container.num });
    }

    fn key(&mut self, span: Span) {
        let name = &self.text[span];
        let member = if string_is(name, "_placeholder") {
            Member::Placeholder
        } else if string_is(name, "num") {
            Member::Num
        } else {
            Member::Other
        };
        if let Some(container) = self.open.last_mut() {
            container.member = member;
        }
    }

    fn scalar(&mut self, span: Span) {
        self.note(Some(span));
    }
}
