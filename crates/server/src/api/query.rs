//! What a request for the past of a room asks, read from its query, and what is wrong with it in a sentence.
//! Whether the room may be read is left to `history`.

use std::time::Duration;

use trunkline::Position;

/// Events of one answer, unless fewer are asked for.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;
/// How long a request may wait, in seconds: shorter than what usual proxies allow.
const WAIT_MAX_S: u64 = 30;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) ns: String,
    pub(super) room: String,
    /// `None` is the newest events.
    pub(super) after: Option<Position>,
    pub(super) limit: usize,
    pub(super) wait: Duration,
}

impl Asked {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// A sentence that names the parameter.
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let (mut ns, mut room) = (None, None);
        let mut asked =
            Self { ns: String::new(), room: String::new(), after: None, limit: LIMIT_DEFAULT, wait: Duration::ZERO };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = decoded(value).ok_or_else(|| format!("{name} is not percent-encoded UTF-8"))?;
            match name {
                "ns" => ns = Some(value),
                "room" => room = Some(value),
                "after" => asked.after = Some(position(&value)?),
                "limit" => asked.limit = limit(&value)?,
                "wait" => asked.wait = wait(&value)?,
                _ => return Err(format!("{name:?} is no parameter: they are ns, room, after, limit and wait")),
            }
        }
        asked.ns = ns.filter(|ns| ns.starts_with('/')).ok_or("ns is missing: a namespace such as /chat")?;
        asked.room = room.filter(|room| !room.is_empty()).ok_or("room is missing: the name of a room")?;
        Ok(asked)
    }
}

fn position(text: &str) -> Result<Position, String> {
    let number = text.parse().map_err(|_| "after is not a position: a whole number, `next` of an earlier answer")?;
    Ok(Position::new(number))
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("limit is not a number of events from 1 to {LIMIT_MAX}"))
}

fn wait(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= WAIT_MAX_S);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("wait is not a whole number of seconds up to {WAIT_MAX_S}"))
}

/// The text of a value, `None` if it is broken.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_and_a_room_are_enough() {
        let asked = Asked::read("ns=/chat&room=lobby").unwrap();
        assert_eq!((&*asked.ns, &*asked.room), ("/chat", "lobby"));
        assert_eq!((asked.after, asked.limit, asked.wait), (None, 100, Duration::ZERO));
    }

    #[test]
    fn every_parameter_is_read() {
        let asked = Asked::read("wait=30&limit=1000&after=0&room=a%20%C3%A9%26+b&ns=%2Fchat").unwrap();
        let (after, wait) = (Some(Position::ZERO), Duration::from_secs(30));
        assert_eq!(asked, Asked { ns: "/chat".into(), room: "a é& b".into(), after, limit: 1000, wait });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, named) in [
            ("", "ns is missing"),
            ("ns=chat&room=a", "ns is missing"),
            ("ns=/chat", "room is missing"),
            ("ns=/chat&room=", "room is missing"),
            ("ns=/chat&room=%ff", "room is not"),
            ("ns=/chat&room=%4", "room is not"),
            ("ns=/chat&room=%+4", "room is not"),
            ("ns=/chat&room=a&after=-1", "after"),
            ("ns=/chat&room=a&after=", "after"),
            ("ns=/chat&room=a&limit=0", "1 to 1000"),
            ("ns=/chat&room=a&limit=1001", "1 to 1000"),
            ("ns=/chat&room=a&wait=31", "up to 30"),
            ("ns=/chat&room=a&wait=1.5", "up to 30"),
            ("ns=/chat&room=a&since=1", "since"),
        ] {
            let sentence = Asked::read(query).unwrap_err();
            assert!(sentence.contains(named), "{query}: {sentence}");
        }
    }
}
