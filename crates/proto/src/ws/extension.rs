//! The negotiation of permessage-deflate (RFC 7692, 5 and 7.1).
//! Whether compression is wanted at all is left to the caller.

use super::window::WindowBits;
use crate::limits::MAX_EXTENSION_OFFERS;

/// What was agreed on with a client that offered permessage-deflate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeflateAgreement {
    /// The value of the response's `Sec-WebSocket-Extensions` header.
    pub answer: String,
    /// The window that messages to this client keep to. Those from it may use any.
    pub window: WindowBits,
}

/// Answers the value of a `Sec-WebSocket-Extensions` request header, `None` if there is no offer that can be taken.
///
/// Taken is the first valid offer of permessage-deflate that does not bind the server to a window of 8 bits. The answer
/// asks for no context takeover in both directions. A header that breaks the grammar is no offer. Linear time.
#[must_use]
pub fn negotiate_deflate(offer: &str) -> Option<DeflateAgreement> {
    let mut cursor = Cursor { rest: offer };
    for _ in 0..MAX_EXTENSION_OFFERS {
        let (acceptable, more) = read_offer(&mut cursor)?;
        if let Some(asked) = acceptable {
            return Some(agree(asked));
        }
        if !more {
            break;
        }
    }
    None
}

/// "A server accepts ... by including the "server_max_window_bits" extension parameter in the corresponding extension
/// negotiation response ... with the same or smaller value as the offer" (7.1.2.1). The client's own window is not
/// answered: one inflater serves all connections of a thread, so a smaller one would save nothing.
fn agree(asked: Option<WindowBits>) -> DeflateAgreement {
    let mut answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    if let Some(window) = asked {
        answer.push_str("; server_max_window_bits=");
        answer.push_str(&window.get().to_string());
    }
    DeflateAgreement { answer, window: asked.unwrap_or(WindowBits::MAX) }
}

/// Of an offer that can be taken, the window that it asks for; `None` of one that cannot.
type Acceptable = Option<Option<WindowBits>>;

/// Reads one offer, and whether another one follows. `None` if it breaks the grammar.
fn read_offer(cursor: &mut Cursor<'_>) -> Option<(Acceptable, bool)> {
    let mut acceptable = cursor.token()? == "permessage-deflate";
    let mut seen = Seen::default();
    let more = loop {
        if cursor.take(';') {
            let name = cursor.token()?;
            let value = if cursor.take('=') { Some(cursor.value()?) } else { None };
            acceptable &= seen.judge(name, value);
        } else if cursor.take(',') {
            break true;
        } else if cursor.is_at_end() {
            break false;
        } else {
            return None;
        }
    };
    Some((acceptable.then_some(seen.server_window), more))
}

/// The parameters of one offer so far. "A server MUST decline an extension negotiation offer ... if the offer has a
/// parameter not defined for use in an offer, ... with an invalid value, ... multiple parameters with the same name" (7.1).
#[derive(Default)]
struct Seen {
    names: [bool; 4],
    server_window: Option<WindowBits>,
}

impl Seen {
    fn judge(&mut self, name: &str, value: Option<&str>) -> bool {
        let (slot, valid) = match name {
            "server_no_context_takeover" => (0, value.is_none()),
            "client_no_context_takeover" => (1, value.is_none()),
            "server_max_window_bits" => {
                self.server_window = value.and_then(window_bits).and_then(WindowBits::new);
                (2, self.server_window.is_some())
            }
            // A hint about the client's own window, which an inflater of 15 bits can follow whatever it is.
            "client_max_window_bits" => (3, value.is_none_or(|value| window_bits(value).is_some())),
            _ => return false,
        };
        valid && !std::mem::replace(&mut self.names[slot], true)
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    let is_written_so = matches!(value, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15");
    value.parse().ok().filter(|_| is_written_so)
}

/// Walks a header value. The grammar is that of RFC 6455, 9.1: tokens, and values as tokens or as quoted tokens.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest.is_empty()
    }

    fn take(&mut self, separator: char) -> bool {
        self.skip_blanks();
        self.rest.strip_prefix(separator).map(|rest| self.rest = rest).is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let end = self.rest.find(|c| !is_token_char(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    fn value(&mut self) -> Option<&'a str> {
        if !self.take('"') {
            return self.token();
        }
        let (value, rest) = self.rest.split_once('"')?;
        self.rest = rest;
        value.chars().all(is_token_char).then_some(value)
    }
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
