//! Which rooms' past anybody may read: what the operator names, and whether a room is among it.
//! How it is read is `history`'s part.

use std::str::FromStr;

/// A room, or all rooms of a namespace whose names begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicRoom {
    ns: String,
    room: String,
    /// More may follow.
    open: bool,
}

impl FromStr for PublicRoom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('#').filter(|(ns, room)| ns.starts_with('/') && !room.is_empty());
        let (ns, room) = parts.ok_or("it is not a namespace and a room such as /chat#lobby")?;
        let (room, open) = room.strip_suffix('*').map_or((room, false), |start| (start, true));
        Ok(Self { ns: ns.to_owned(), room: room.to_owned(), open })
    }
}

impl PublicRoom {
    pub(crate) fn covers(&self, ns: &str, room: &str) -> bool {
        self.ns == ns && if self.open { room.starts_with(&self.room) } else { room == self.room }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(public: &str, ns: &str, room: &str) -> bool {
        public.parse::<PublicRoom>().unwrap().covers(ns, room)
    }

    #[test]
    fn a_room_is_public_in_its_namespace_alone() {
        assert!(covers("/chat#lobby", "/chat", "lobby"));
        assert!(!covers("/chat#lobby", "/", "lobby"));
        assert!(!covers("/chat#lobby", "/chat", "lobby2"));
        assert!(covers("/#a#b", "/", "a#b"));
    }

    #[test]
    fn a_star_at_the_end_stands_for_whatever_follows() {
        assert!(covers("/chat#news/*", "/chat", "news/sport"));
        assert!(!covers("/chat#news/*", "/chat", "news"));
        assert!(covers("/chat#*", "/chat", "any"));
        assert!(!covers("/chat#*", "/board", "any"));
        assert!(!covers("/chat#a*b", "/chat", "axb"));
    }

    #[test]
    fn what_names_no_room_is_refused() {
        for text in ["", "lobby", "/chat", "/chat#", "chat#lobby", "#lobby"] {
            assert!(text.parse::<PublicRoom>().is_err(), "{text}");
        }
    }
}
