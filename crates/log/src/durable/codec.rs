//! The body of a record: a key with its answer, and entries. Headers, checksums and files are left to `record` and
//! `segment`.

use std::sync::Arc;

use bytes::Bytes;
use trunkline_delivery::{Act, Entry, Position, Session, Stay, Target, To};
use trunkline_proto::{Args, Event};

use super::record::{CARRIED, Header, KEYED};
use super::wire::{Input, Wrong, put_data, put_maybe, put_names, put_number};

const NUMERIC: u8 = 1;
const COMPRESS: u8 = 2;

/// A key as a record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) key: Bytes,
    pub(crate) answer: Bytes,
    /// When it was committed, if that was before the record was written.
    pub(crate) committed_ms: Option<u64>,
}

/// Writes a key.
pub(super) fn put_key(out: &mut Vec<u8>, key: &[u8], answer: &[u8], carried_ms: Option<u64>) {
    put_data(out, key);
    put_data(out, answer);
    if let Some(committed_ms) = carried_ms {
        put_number(out, committed_ms);
    }
}

/// Writes one entry, without its position.
pub(super) fn put_entry(out: &mut Vec<u8>, target: &Target, act: &Act) {
    put_data(out, target.ns.as_bytes());
    match &target.to {
        To::Everyone => out.push(0),
        To::Rooms(rooms) => {
            out.push(1);
            put_names(out, rooms);
        }
        To::Socket(id) => {
            out.push(2);
            put_data(out, id.as_bytes());
        }
    }
    put_names(out, &target.except);
    put_act(out, act);
}

fn put_act(out: &mut Vec<u8>, act: &Act) {
    match act {
        Act::Emit { event, compress } => {
            out.extend([0, (u8::from(event.numeric) * NUMERIC) | (u8::from(*compress) * COMPRESS)]);
            put_data(out, event.name.as_bytes());
            put_data(out, event.args.text().as_bytes());
            put_number(out, event.args.attachments().len() as u64);
            event.args.attachments().iter().for_each(|data| put_data(out, data));
        }
        Act::Join(rooms) => {
            out.push(1);
            put_names(out, rooms);
        }
        Act::Leave(rooms) => {
            out.push(2);
            put_names(out, rooms);
        }
        Act::Disconnect { close } => out.extend([3, u8::from(*close)]),
        Act::Session(session) => {
            out.push(4);
            put_session(out, session);
        }
        Act::Data { key, value } => {
            out.push(5);
            put_data(out, key.as_bytes());
            put_maybe(out, value.as_ref(), |out, value| put_data(out, value.as_bytes()));
        }
        Act::End => out.push(6),
    }
}

fn put_session(out: &mut Vec<u8>, session: &Session) {
    put_data(out, session.private_id.as_bytes());
    put_maybe(out, session.user.as_ref(), |out, user| put_data(out, user.as_bytes()));
    put_maybe(out, session.valid_until, put_number);
    put_data(out, session.data.as_bytes());
    put_number(out, session.epoch);
    put_number(out, session.written);
    for position in [session.start, session.confirmed, session.as_of] {
        put_number(out, position.number());
    }
    put_number(out, session.rooms.len() as u64);
    for stay in &session.rooms {
        put_data(out, stay.room.as_bytes());
        put_number(out, stay.since.number());
        put_number(out, stay.until.number());
    }
}

/// A body that is read entry by entry.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    input: Input<'a>,
    next: Position,
    left: u32,
    /// Most entries of a batch are for one namespace.
    ns: Option<Arc<str>>,
}

impl<'a> Body<'a> {
    /// Reads the key, if there is one, and stands before the entries.
    pub(crate) fn open(header: &Header, body: &'a [u8]) -> Result<(Option<StoredKey>, Self), Wrong> {
        let mut input = Input(body);
        let mut key = None;
        if header.has(KEYED) {
            let (name, answer) = (input.bytes()?, input.bytes()?);
            let committed_ms = if header.has(CARRIED) { Some(input.number()?) } else { None };
            key = Some(StoredKey { key: name, answer, committed_ms });
        }
        Ok((key, Self { input, next: header.position, left: header.count, ns: None }))
    }

    /// The next entry; `None` after the last one, where the body must end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Wrong> {
        if self.left == 0 {
            return if self.input.0.is_empty() { Ok(None) } else { Err("the end of the record") };
        }
        let target = self.target()?;
        let act = act(&mut self.input)?;
        let position = self.next;
        self.next = position.next();
        self.left -= 1;
        Ok(Some(Entry { position, target, act }))
    }

    fn target(&mut self) -> Result<Target, Wrong> {
        let input = &mut self.input;
        let name = input.str()?;
        let ns = self.ns.take().filter(|ns| **ns == *name).unwrap_or_else(|| name.into());
        self.ns = Some(ns.clone());
        let to = match input.byte()? {
            0 => To::Everyone,
            1 => To::Rooms(input.names()?),
            2 => To::Socket(input.name()?),
            _ => return Err("a kind of target"),
        };
        Ok(Target { ns, to, except: input.names()? })
    }
}

fn act(input: &mut Input<'_>) -> Result<Act, Wrong> {
    Ok(match input.byte()? {
        0 => emit(input)?,
        1 => Act::Join(input.names()?),
        2 => Act::Leave(input.names()?),
        3 => Act::Disconnect { close: input.maybe(|_| Ok(()))?.is_some() },
        4 => Act::Session(Arc::new(session(input)?)),
        5 => Act::Data { key: input.text()?, value: input.maybe(Input::text)? },
        6 => Act::End,
        _ => return Err("a kind of act"),
    })
}

fn emit(input: &mut Input<'_>) -> Result<Act, Wrong> {
    let bits = input.byte()?;
    if bits & !(NUMERIC | COMPRESS) != 0 {
        return Err("bits of an event");
    }
    let (name, text) = (input.text()?, input.text()?);
    let attachments = (0..input.count()?).map(|_| input.bytes()).collect::<Result<Vec<_>, _>>()?;
    let args = Args::from_text(text, attachments).map_err(|_| "arguments in JSON")?;
    let event = Event { name, numeric: bits & NUMERIC != 0, args };
    Ok(Act::Emit { event, compress: bits & COMPRESS != 0 })
}

fn session(input: &mut Input<'_>) -> Result<Session, Wrong> {
    Ok(Session {
        private_id: input.name()?,
        user: input.maybe(Input::name)?,
        valid_until: input.maybe(Input::number)?,
        data: input.text()?,
        epoch: input.number()?,
        written: input.number()?,
        start: input.position()?,
        confirmed: input.position()?,
        as_of: input.position()?,
        rooms: (0..input.count()?).map(|_| stay(input)).collect::<Result<_, _>>()?,
    })
}

fn stay(input: &mut Input<'_>) -> Result<Stay, Wrong> {
    Ok(Stay { room: input.name()?, since: input.position()?, until: input.position()? })
}
