//! Who is in which room, and telling the others who comes and goes.
//! What people do in a room is the demos' own.

use serde::Serialize;
use trunkline::{Error, Namespace, Socket};

/// Somebody in a room.
#[derive(Debug, Serialize)]
pub(crate) struct Person {
    id: String,
    name: String,
}

/// Somebody came into a room, or has another name now.
#[derive(Debug, Serialize)]
struct Joined<'a> {
    room: &'a str,
    id: &'a str,
    name: &'a str,
}

/// Somebody left a room.
#[derive(Debug, Serialize)]
struct Left<'a> {
    room: &'a str,
    id: &'a str,
}

/// Where a socket is, and as whom.
#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) room: String,
    pub(crate) name: String,
}

const NAME: &str = "name";
const ROOM: &str = "room";

/// The Socket.IO room that has the events of a room, and so its history.
pub(crate) fn events_of(room: &str) -> String {
    format!("events/{room}")
}

/// Comings and goings have a room of their own, so that they are no part of the history.
fn comings_of(room: &str) -> String {
    format!("people/{room}")
}

impl Presence {
    /// Where this socket is.
    ///
    /// # Errors
    ///
    /// If it is in no room.
    pub(crate) fn of(socket: &Socket) -> Result<Self, Error> {
        match (socket.data(ROOM), socket.data(NAME)) {
            (Some(room), Some(name)) => Ok(Self { room, name }),
            _ => Err(Error::new("no_room", "enter a room first")),
        }
    }
}

/// Brings the socket into a room, out of the one it was in, and tells both. Returns who is there, itself included.
pub(crate) async fn enter(socket: &Socket, presence: &Presence) -> Result<Vec<Person>, Error> {
    leave(socket).await?;
    let Presence { room, name } = presence;
    socket.set_data(NAME, name)?;
    socket.set_data(ROOM, room)?;
    // Events are heard before the list is made: who comes or goes meanwhile is told after it, or is in it.
    socket.join([events_of(room), comings_of(room)]).await;
    tell_name(socket, presence);
    if !socket.is_connected() {
        tell_gone(socket);
    }
    Ok(in_room(&socket.namespace(), room).await)
}

/// Changes the name and tells the room.
pub(crate) fn rename(socket: &Socket, name: String) -> Result<(), Error> {
    let presence = Presence { name, ..Presence::of(socket)? };
    socket.set_data(NAME, &presence.name)?;
    tell_name(socket, &presence);
    Ok(())
}

/// Takes the socket out of its room, if it is in one.
pub(crate) async fn leave(socket: &Socket) -> Result<(), Error> {
    if let Ok(Presence { room, .. }) = Presence::of(socket) {
        socket.leave([events_of(&room), comings_of(&room)]).await;
        tell_gone(socket);
        socket.set_data(ROOM, ())?;
    }
    Ok(())
}

/// For sockets that have ended: tells their room.
pub(crate) fn tell_gone(socket: &Socket) {
    if let Ok(Presence { room, .. }) = Presence::of(socket) {
        socket.to(comings_of(&room)).emit("left", Left { room: &room, id: socket.id() });
    }
}

fn tell_name(socket: &Socket, Presence { room, name }: &Presence) {
    socket.to(comings_of(room)).emit("joined", Joined { room, id: socket.id(), name });
}

async fn in_room(ns: &Namespace, room: &str) -> Vec<Person> {
    let sockets = ns.in_(comings_of(room)).fetch_sockets().await;
    let name_of = |data: &serde_json::Value| data[NAME].as_str().unwrap_or_default().to_owned();
    sockets.iter().map(|socket| Person { id: socket.id().to_string(), name: name_of(socket.data()) }).collect()
}

/// The room of everybody in the namespace who is in one.
pub(crate) async fn rooms(ns: &Namespace) -> Vec<String> {
    let sockets = ns.fetch_sockets().await;
    sockets.iter().filter_map(|socket| socket.data()[ROOM].as_str().map(str::to_owned)).collect()
}
