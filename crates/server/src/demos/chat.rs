//! The chat: rooms that come into being by being entered, messages, and who is typing.
//! Comings and goings are `people`'s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use trunkline::{Batch, Data, Error, Key, Namespace, Socket, State};

use super::people::{self, Person, Presence};
use super::words::{ID, MESSAGE, NAME, ROOM};

/// The room that is always there.
const LOBBY: &str = "lobby";
/// Messages that somebody who enters is given, as far as the log holds them.
const HISTORY_MESSAGES: usize = 200;
/// Rooms that the list shows.
const ROOMS_SHOWN: usize = 100;
/// The list of rooms is sent at most so often: in a full house somebody comes or goes all the time.
const ROOMS_PAUSE: Duration = Duration::from_millis(500);

/// What the handlers share; clones share it too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chat {
    /// Somebody came or went.
    moved: Arc<Notify>,
}

#[derive(Debug, Deserialize)]
struct Enter {
    room: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct Entered {
    room: String,
    name: String,
    people: Vec<Person>,
    history: Vec<Message>,
    rooms: Vec<Room>,
}

/// A message as its sender says it. It names its room: a sender that lost its connection may say it again before it is in
/// a room.
#[derive(Debug, Deserialize)]
struct Said {
    /// Made by the sender, and the same each time that it sends this message.
    id: String,
    room: String,
    text: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Message {
    id: String,
    room: String,
    /// The socket that sent it.
    from: String,
    name: String,
    text: String,
    at_ms: u64,
}

#[derive(Debug, Serialize)]
struct Typing {
    room: String,
    id: String,
    name: String,
    typing: bool,
}

#[derive(Debug, PartialEq, Serialize)]
struct Room {
    name: String,
    people: usize,
}

/// Registers the handlers.
pub(crate) fn register(ns: &Namespace) {
    ns.middleware(async |socket: Socket| people::introduce(&socket).map_err(|error| error.message().to_owned()));
    ns.on_connect(async |socket: Socket, State(chat): State<Chat>| {
        if socket.recovered() {
            people::tell_back(&socket).await;
            chat.moved.notify_one();
        }
    });
    ns.on("enter", enter);
    ns.on("rename", async |socket: Socket, Data(name): Data<String>| people::rename(&socket, &NAME.check(&name)?));
    ns.on_keyed("message", |said: &Said| Key::from(&said.id), message);
    ns.on("typing", typing);
    ns.on_disconnect(async |socket: Socket, State(chat): State<Chat>| {
        people::tell_gone(&socket);
        chat.moved.notify_one();
    });
}

async fn enter(socket: Socket, Data(asked): Data<Enter>, State(chat): State<Chat>) -> Result<Entered, Error> {
    let presence = Presence { room: ROOM.check(&asked.room)?, name: NAME.check(&asked.name)? };
    let people = people::enter(&socket, &presence).await?;
    chat.moved.notify_one();
    let history = socket.history(&presence.room).limit(HISTORY_MESSAGES).await?;
    let history = history.iter().filter_map(|event| event.args.get(0).ok()).collect();
    let rooms = rooms(&people::rooms(&socket.namespace()).await);
    Ok(Entered { room: presence.room, name: presence.name, people, history, rooms })
}

/// However often its sender has to send it, a message is said once.
async fn message(said_once: Batch, socket: Socket, Data(said): Data<Said>) -> Result<(), Error> {
    let Said { id, room, text } = said;
    let (id, room, text) = (ID.check(&id)?, ROOM.check(&room)?, MESSAGE.check(&text)?);
    let (from, name) = (socket.id().to_string(), people::name_of(&socket)?);
    let message = Message { id, room: room.clone(), from, name, text, at_ms: now_ms() };
    said_once.to(room).emit("message", message);
    Ok(())
}

async fn typing(socket: Socket, Data(typing): Data<bool>) -> Result<(), Error> {
    let Presence { room, name } = Presence::of(&socket)?;
    let events = socket.to(&room).volatile();
    events.emit("typing", Typing { room, id: socket.id().to_string(), name, typing });
    Ok(())
}

/// Tells everybody the list of rooms when it has changed. It never ends.
pub(crate) async fn tell_rooms(ns: Namespace, chat: Chat) {
    loop {
        chat.moved.notified().await;
        let rooms = rooms(&people::rooms(&ns).await);
        // Not worth a place in the log: the next list replaces it.
        ns.local().emit("rooms", rooms);
        tokio::time::sleep(ROOMS_PAUSE).await;
    }
}

/// Rooms by name, the lobby first, from the room of each person.
fn rooms(places: &[String]) -> Vec<Room> {
    let mut counts = BTreeMap::new();
    for place in places {
        *counts.entry(place.as_str()).or_insert(0) += 1;
    }
    let lobby = (LOBBY, counts.remove(LOBBY).unwrap_or(0));
    let all = std::iter::once(lobby).chain(counts);
    all.take(ROOMS_SHOWN).map(|(name, people)| Room { name: name.to_owned(), people }).collect()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lobby_is_always_the_first_room() {
        let room = |name: &str, people| Room { name: name.to_owned(), people };
        assert_eq!(rooms(&[]), [room("lobby", 0)]);
        let places = ["tea", "attic", "tea", "lobby"].map(str::to_owned);
        assert_eq!(rooms(&places), [room("lobby", 1), room("attic", 1), room("tea", 2)]);
    }
}
