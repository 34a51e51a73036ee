//! The entries of a log, printed one a line: for people, or as JSON.
//! What a log holds as a whole is in `reports`.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use trunkline::Position;
use trunkline::store::{self, Act, Entry, Session, Stored, To};

use super::Failure;
use crate::json;
use crate::units::utc;

/// How often a log that is followed is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Arguments are shown to people up to so many characters.
const SHOWN_CHARS: usize = 200;

/// Prints the newest entries, and with `follow` those that come.
pub(super) fn tail(log: &Path, lines: usize, follow: bool, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let mut entries = store::entries(log, Position::ZERO)?;
    let mut newest = VecDeque::new();
    for stored in entries.by_ref() {
        newest.push_back(stored?);
        if newest.len() > lines {
            newest.pop_front();
        }
    }
    let print = if json { print_json } else { print_text };
    newest.iter().try_for_each(|stored| print(stored, out))?;
    if !follow {
        return Ok(());
    }
    loop {
        out.flush()?;
        std::thread::sleep(LOOK_AGAIN);
        for stored in entries.by_ref() {
            print(&stored?, out)?;
        }
    }
}

/// Prints every entry after a position as JSON.
pub(super) fn export(log: &Path, after: u64, out: &mut impl Write) -> Result<(), Failure> {
    for stored in store::entries(log, Position::new(after))? {
        print_json(&stored?, out)?;
    }
    Ok(())
}

/// An entry as JSON has it.
#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    position: u64,
    time_ms: u64,
    ns: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<&'a str>,
    act: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

fn print_json(stored: &Stored, out: &mut impl Write) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, &line(stored)?)?;
    Ok(writeln!(out)?)
}

fn line(stored: &Stored) -> serde_json::Result<Line<'_>> {
    let Stored { time_ms, entry: Entry { position, target, act } } = stored;
    let mut line = Line { position: position.number(), time_ms: *time_ms, ns: &target.ns, ..Line::default() };
    match &target.to {
        To::Everyone => {}
        To::Rooms(rooms) => line.rooms = Some(names(rooms)),
        To::Socket(id) => line.socket = Some(id),
    }
    line.except = names(&target.except);
    (line.act, line.details) = match act {
        Act::Emit { event, .. } => {
            line.name = Some(&event.name);
            line.args = Some(json::args(&event.args)?);
            ("emit", None)
        }
        Act::Join(rooms) => ("join", Some(json!(names(rooms)))),
        Act::Leave(rooms) => ("leave", Some(json!(names(rooms)))),
        Act::Disconnect { close } => ("disconnect", Some(json!({ "close": close }))),
        Act::Session(session) => ("session", Some(details(session))),
        Act::Data { key, value } => ("data", Some(json!({ "key": &**key, "value": parsed(value.as_deref()) }))),
        Act::End => ("end", None),
    };
    Ok(line)
}

fn names<'a>(rooms: impl IntoIterator<Item = &'a std::sync::Arc<str>>) -> Vec<&'a str> {
    rooms.into_iter().map(|room| &**room).collect()
}

/// A session without the secret by which its client comes back.
fn details(session: &Session) -> Value {
    let still_in = session.rooms.iter().filter(|stay| stay.until == Position::MAX);
    json!({
        "user": session.user.as_deref(), "valid_until_ms": session.valid_until, "data": parsed(Some(&session.data)),
        "rooms": still_in.map(|stay| &*stay.room).collect::<Vec<_>>(), "confirmed": session.confirmed.number(),
    })
}

/// JSON that was written as text.
fn parsed(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn print_text(stored: &Stored, out: &mut impl Write) -> Result<(), Failure> {
    let line = line(stored)?;
    let whom = match (&line.rooms, line.socket) {
        (Some(rooms), _) => rooms.join(", "),
        (None, Some(id)) => format!("socket {id}"),
        (None, None) => "everybody".to_owned(),
    };
    let what = match (&line.args, &line.details) {
        (Some(args), _) => format!("{} {}", line.name.unwrap_or_default(), shortened(args)),
        (None, Some(details)) => format!("{} {}", line.act, shortened(&to_raw_value(details)?)),
        (None, None) => line.act.to_owned(),
    };
    let (position, at) = (line.position, utc(line.time_ms));
    Ok(writeln!(out, "{position}  {at}  {} to {}: {}", plain(line.ns), plain(&whom), plain(&what))?)
}

fn shortened(json: &RawValue) -> String {
    match json.get().char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &json.get()[..end]),
        None => json.get().to_owned(),
    }
}

/// A text without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }).collect()
}
