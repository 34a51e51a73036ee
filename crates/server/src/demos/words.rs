//! The rules for what people type, names, rooms and messages, and for the ids that pages make.
//! Each is checked once, where it comes in.

use trunkline::Error;

/// What a text may be.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The code of the error that a wrong text is answered with.
    code: &'static str,
    noun: &'static str,
    chars_max: usize,
    lines: bool,
}

/// A person's name.
pub(crate) const NAME: Rule = Rule { code: "invalid_name", noun: "a name", chars_max: 32, lines: false };
/// A room's name.
pub(crate) const ROOM: Rule = Rule { code: "invalid_room", noun: "a room's name", chars_max: 32, lines: false };
/// A message of the chat.
pub(crate) const MESSAGE: Rule = Rule { code: "invalid_message", noun: "a message", chars_max: 2000, lines: true };
/// The id of what is said or drawn.
pub(crate) const ID: Rule = Rule { code: "invalid_id", noun: "an id", chars_max: 64, lines: false };

impl Rule {
    /// The text without white space around it.
    ///
    /// # Errors
    ///
    /// If nothing is left, it is too long, or has control characters in it.
    pub(crate) fn check(&self, text: &str) -> Result<String, Error> {
        let text = text.trim();
        let forbidden = |c: char| c.is_control() && !(self.lines && c == '\n');
        let wrong = if text.is_empty() {
            Some("has at least one character".to_owned())
        } else if text.chars().count() > self.chars_max {
            Some(format!("has at most {} characters", self.chars_max))
        } else if text.contains(forbidden) {
            Some("has no control characters".to_owned())
        } else {
            None
        };
        match wrong {
            Some(rule) => Err(Error::new(self.code, format!("{} {rule}", self.noun))),
            None => Ok(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_trimmed() {
        assert_eq!(NAME.check("  Ada ").unwrap(), "Ada");
        assert_eq!(MESSAGE.check("one\ntwo\n").unwrap(), "one\ntwo");
    }

    #[test]
    fn lengths_are_counted_in_characters_and_the_error_says_the_limit() {
        assert!(NAME.check(&"é".repeat(32)).is_ok());
        let error = NAME.check(&"é".repeat(33)).unwrap_err();
        assert_eq!((error.code(), error.message()), ("invalid_name", "a name has at most 32 characters"));
        let error = MESSAGE.check(&"x".repeat(2001)).unwrap_err();
        assert_eq!((error.code(), error.message()), ("invalid_message", "a message has at most 2000 characters"));
    }

    #[test]
    fn nothing_and_control_characters_are_refused() {
        for text in ["", "  \t", "a\nb", "a\u{1b}[2J"] {
            assert_eq!(ROOM.check(text).unwrap_err().code(), "invalid_room", "{text:?}");
        }
    }
}
