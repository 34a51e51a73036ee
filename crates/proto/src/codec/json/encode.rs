//! Packets to text and attachments.
//! Which payload a control packet has is left to the codec.

use std::fmt::Write as _;

use super::{ACK, BINARY_ACK, BINARY_EVENT, EVENT};
use crate::json::quote;
use crate::{Args, Event, Message, Messages};

/// Bytes enough for what stands around arguments: type, count, id, brackets.
const AROUND: usize = 48;

pub(in crate::codec) fn event(ns: &str, id: Option<u64>, event: &Event, offset: Option<&str>) -> Messages {
    let args = &event.args;
    let len = ns.len() + event.name.len() + args.text().len() + offset.map_or(0, str::len) + AROUND;
    let mut out = String::with_capacity(len);
    put_head(&mut out, EVENT, BINARY_EVENT, args, ns);
    put_id(&mut out, id);
    out.push('[');
    if event.numeric {
        out.push_str(&event.name);
    } else {
        quote(&mut out, &event.name);
    }
    if !args.is_empty() {
        out.push(',');
        out.push_str(args.text());
    }
    if let Some(offset) = offset {
        out.push(',');
        quote(&mut out, offset);
    }
    out.push(']');
    with_attachments(out, args)
}

pub(in crate::codec) fn ack(ns: &str, id: u64, args: &Args) -> Messages {
    let mut out = String::with_capacity(ns.len() + args.text().len() + AROUND);
    put_head(&mut out, ACK, BINARY_ACK, args, ns);
    put_id(&mut out, Some(id));
    out.push('[');
    out.push_str(args.text());
    out.push(']');
    with_attachments(out, args)
}

/// A packet that has no arguments.
pub(in crate::codec) fn control(kind: char, ns: &str, payload: Option<&str>) -> Messages {
    let payload = payload.unwrap_or_default();
    let mut out = String::with_capacity(2 + ns.len() + payload.len());
    out.push(kind);
    put_namespace(&mut out, ns);
    out.push_str(payload);
    [Message::Text(out.into())].into_iter().collect()
}

pub(in crate::codec) fn connect_payload(sid: &str, pid: Option<&str>) -> String {
    let mut out = String::with_capacity(sid.len() + pid.map_or(0, str::len) + 24);
    out.push_str("{\"sid\":");
    quote(&mut out, sid);
    if let Some(pid) = pid {
        out.push_str(",\"pid\":");
        quote(&mut out, pid);
    }
    out.push('}');
    out
}

pub(in crate::codec) fn error_payload(message: &str, data: Option<&str>) -> String {
    let mut out = String::with_capacity(message.len() + data.map_or(0, str::len) + 24);
    out.push_str("{\"message\":");
    quote(&mut out, message);
    if let Some(data) = data {
        out.push_str(",\"data\":");
        out.push_str(data);
    }
    out.push('}');
    out
}

pub(in crate::codec) fn quoted(text: &str) -> String {
    let mut out = String::new();
    quote(&mut out, text);
    out
}

/// Type, number of attachments, namespace. A binary packet without attachments is fatal for new clients, so the type
/// follows the attachments.
fn put_head(out: &mut String, plain: char, binary: char, args: &Args, ns: &str) {
    let count = args.attachments().len();
    if count == 0 {
        out.push(plain);
    } else {
        out.push(binary);
        let _infallible = write!(out, "{count}-");
    }
    put_namespace(out, ns);
}

fn put_namespace(out: &mut String, ns: &str) {
    if ns != "/" {
        out.push_str(ns);
        out.push(',');
    }
}

fn put_id(out: &mut String, id: Option<u64>) {
    if let Some(id) = id {
        let _infallible = write!(out, "{id}");
    }
}

fn with_attachments(text: String, args: &Args) -> Messages {
    let text = std::iter::once(Message::Text(text.into()));
    text.chain(args.attachments().iter().cloned().map(Message::Binary)).collect()
}
