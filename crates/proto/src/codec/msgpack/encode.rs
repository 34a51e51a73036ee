//! Packets to msgpack messages: JSON text is transcoded, placeholders become the attachments they name.
//! Which payload a control packet has is left to the codec.

use smallvec::{SmallVec, smallvec};

use super::write::{put_array, put_bin, put_bool, put_f64, put_int, put_map, put_nil, put_str, put_uint};
use crate::args::{Found, find_placeholders};
use crate::json::{Span, Visitor, scan, unquote};
use crate::limits::MAX_DEPTH;
use crate::{Args, Event, Message, Messages};

pub(in crate::codec) fn event(ns: &str, id: Option<u64>, event: &Event, offset: Option<&str>) -> Messages {
    let mut out = Vec::with_capacity(64 + ns.len() + event.name.len() + event.args.encoded_len());
    put_head(&mut out, 2, 3 + usize::from(id.is_some()));
    put_array(&mut out, 1 + event.args.len() + usize::from(offset.is_some()));
    if event.numeric {
        put_number(&mut out, &event.name);
    } else {
        put_str(&mut out, &event.name);
    }
    put_args(&mut out, &event.args);
    if let Some(offset) = offset {
        put_str(&mut out, offset);
    }
    finish(out, ns, id)
}

pub(in crate::codec) fn ack(ns: &str, id: u64, args: &Args) -> Messages {
    let mut out = Vec::with_capacity(64 + ns.len() + args.encoded_len());
    put_head(&mut out, 3, 4);
    put_array(&mut out, args.len());
    put_args(&mut out, args);
    finish(out, ns, Some(id))
}

/// A packet that has no arguments, its type being a digit.
pub(in crate::codec) fn control(kind: char, ns: &str, payload: Option<&str>) -> Messages {
    let mut out = Vec::with_capacity(32 + ns.len() + payload.map_or(0, str::len));
    let kind = kind.to_digit(10).map_or(0, u64::from);
    match payload {
        Some(payload) => {
            put_head(&mut out, kind, 3);
            put_json(&mut out, payload, 0, &mut Placeholders::default());
        }
        None => {
            put_map(&mut out, 2);
            put_str(&mut out, "type");
            put_uint(&mut out, kind);
        }
    }
    finish(out, ns, None)
}

/// Starts the map and puts its type and the key of its data.
fn put_head(out: &mut Vec<u8>, kind: u64, members: usize) {
    put_map(out, members);
    put_str(out, "type");
    put_uint(out, kind);
    put_str(out, "data");
}

fn finish(mut out: Vec<u8>, ns: &str, id: Option<u64>) -> Messages {
    put_str(&mut out, "nsp");
    put_str(&mut out, ns);
    if let Some(id) = id {
        put_str(&mut out, "id");
        put_uint(&mut out, id);
    }
    smallvec![Message::Binary(out.into())]
}

fn put_args(out: &mut Vec<u8>, args: &Args) {
    let found = if args.attachments().is_empty() { Vec::new() } else { find_placeholders(args.text(), args.spans()) };
    let mut placeholders = Placeholders { found: &found, args: Some(args), end: 0 };
    for &(start, _) in args.spans() {
        put_json(out, args.text(), start as usize, &mut placeholders);
    }
}

/// Appends the JSON value at `start`. Msgpack wants to know how long an array is before its elements come, so the text is
/// walked twice.
fn put_json(out: &mut Vec<u8>, text: &str, start: usize, placeholders: &mut Placeholders<'_>) {
    let mut count = Count::default();
    let counted = scan(text.as_bytes(), start, MAX_DEPTH, &mut count);
    if counted.is_err() {
        debug_assert!(false, "JSON that the caller passes is valid");
        return put_nil(out);
    }
    let mut put = Put { out, text, counts: count.counts.into_iter(), placeholders };
    let _same_text = scan(text.as_bytes(), start, MAX_DEPTH, &mut put);
}

/// The placeholders that are still to come, and the attachments they name.
#[derive(Default)]
struct Placeholders<'a> {
    found: &'a [Found],
    args: Option<&'a Args>,
    /// Where the last one that came ends; what is inside it is passed over.
    end: usize,
}

/// Counts the elements of each array and the members of each object, in the order in which they open.
#[derive(Default)]
struct Count {
    counts: Vec<u32>,
    /// Places in `counts`, and whether it is an array.
    open: SmallVec<[(usize, bool); 16]>,
}

impl Count {
    fn element(&mut self) {
        if let Some(&(place, true)) = self.open.last() {
            self.counts[place] += 1;
        }
    }
}

impl Visitor for Count {
    fn open(&mut self, _at: usize, is_object: bool) {
        self.element();
        self.open.push((self.counts.len(), !is_object));
        self.counts.push(0);
    }

    fn close(&mut self, _end: usize) {
        self.open.pop();
    }

    fn key(&mut self, _span: Span) {
        if let Some(&(place, _)) = self.open.last() {
            self.counts[place] += 1;
        }
    }

    fn scalar(&mut self, _span: Span) {
        self.element();
    }
}

/// Writes what it is told.
struct Put<'a, 'b> {
    out: &'a mut Vec<u8>,
    text: &'a str,
    counts: std::vec::IntoIter<u32>,
    placeholders: &'a mut Placeholders<'b>,
}

impl Put<'_, '_> {
    fn is_inside_placeholder(&self, at: usize) -> bool {
        at < self.placeholders.end
    }

    /// Puts the attachment if a placeholder starts here.
    fn put_attachment(&mut self, at: usize) -> bool {
        let Some((first, rest)) = self.placeholders.found.split_first().filter(|(first, _)| first.start == at) else {
            return false;
        };
        self.placeholders.found = rest;
        self.placeholders.end = first.end;
        let attachments = self.placeholders.args.map_or(&[][..], Args::attachments);
        match first.num.and_then(|num| attachments.get(num as usize)) {
            Some(data) => put_bin(self.out, data),
            None => put_nil(self.out),
        }
        true
    }
}

impl Visitor for Put<'_, '_> {
    fn open(&mut self, at: usize, is_object: bool) {
        let count = self.counts.next().unwrap_or(0) as usize;
        if self.is_inside_placeholder(at) || self.put_attachment(at) {
            return;
        }
        if is_object {
            put_map(self.out, count);
        } else {
            put_array(self.out, count);
        }
    }

    fn key(&mut self, span: Span) {
        if !self.is_inside_placeholder(span.start) {
            put_str(self.out, &unquote(&self.text[span]));
        }
    }

    fn scalar(&mut self, span: Span) {
        if self.is_inside_placeholder(span.start) {
            return;
        }
        let raw = &self.text[span];
        match raw.as_bytes() {
            [b'"', ..] => put_str(self.out, &unquote(raw)),
            b"null" => put_nil(self.out),
            b"true" => put_bool(self.out, true),
            b"false" => put_bool(self.out, false),
            _ => put_number(self.out, raw),
        }
    }
}

/// Writes a JSON number: a whole one as an integer if 64 bits hold it, whatever its form, as JavaScript does.
fn put_number(out: &mut Vec<u8>, raw: &str) {
    if let Ok(value) = raw.parse() {
        return put_uint(out, value);
    }
    if let Ok(value) = raw.parse() {
        return put_int(out, value);
    }
    let value: f64 = raw.parse().unwrap_or(f64::NAN);
    let is_whole = value.fract() == 0.0;
    if is_whole && (0.0..18_446_744_073_709_551_616.0).contains(&value) {
        put_uint(out, value as u64);
    } else if is_whole && (-9_223_372_036_854_775_808.0..0.0).contains(&value) {
        put_int(out, value as i64);
    } else {
        put_f64(out, value);
    }
}
