//! Who is in which room, and telling the others who comes and goes.
//! What people do in a room is the demos' own.
//!
//! Comings and goings are events of the log like all others, so a client that comes back learns those that it missed, in
//! their order. A server that was killed could not say who went with it: the next one begins with `restarted`, which means
//! that nobody is here, and whoever comes back says so.

use serde::{Deserialize, Serialize};
use trunkline::{EmitError, Error, Namespace, Socket};

use super::words;

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

/// Comings and goings of a room have a Socket.IO room of their own, so that they are no part of its history. Names of rooms
/// have no line breaks, so nobody can enter it as a room.
fn comings_of(room: &str) -> String {
    format!("{room}\npeople")
}

impl Presence {
    /// Where this socket is.
    ///
    /// # Errors
    ///
    /// If it is in no room.
    pub(crate) fn of(socket: &Socket) -> Result<Self, Error> {
        let room = socket.data(ROOM).ok_or_else(|| Error::new("no_room", "enter a room first"))?;
        Ok(Self { room, name: name_of(socket)? })
    }
}

/// The name of whoever is on a socket.
///
/// # Errors
///
/// If it has not said one yet.
pub(crate) fn name_of(socket: &Socket) -> Result<String, Error> {
    socket.data(NAME).ok_or_else(|| Error::new("no_name", "say a name first"))
}

/// Takes the name that a client says when it connects: what it wants to say may arrive before it enters a room again.
pub(crate) fn introduce(socket: &Socket) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Auth {
        name: String,
    }
    // A name that is wrong is refused when a room is entered with it.
    if let Ok(Auth { name }) = socket.auth()
        && let Ok(name) = words::NAME.check(&name)
    {
        socket.set_data(NAME, name)?;
    }
    Ok(())
}

/// For a server that starts: tells those who come back that nobody is known to be here.
///
/// # Errors
///
/// If the log does not take it.
pub(crate) async fn tell_start(ns: &Namespace) -> Result<(), EmitError> {
    ns.emit("restarted", ()).await.map(drop)
}

/// For sockets that have come back: tells their room, and themselves.
pub(crate) async fn tell_back(socket: &Socket) {
    let Ok(presence) = Presence::of(socket) else { return };
    let comings = comings_of(&presence.room);
    // A crash may have come between the name of the room and the room.
    if socket.rooms().await.iter().any(|room| **room == *comings) {
        let Presence { room, name } = &presence;
        socket.namespace().to(comings).emit("joined", Joined { room, id: socket.id(), name });
    }
}

/// Brings the socket into a room, out of the one it was in, and tells both. Returns who is there, itself included.
pub(crate) async fn enter(socket: &Socket, presence: &Presence) -> Result<Vec<Person>, Error> {
    leave(socket).await?;
    let Presence { room, name } = presence;
    socket.set_data(NAME, name)?;
    socket.set_data(ROOM, room)?;
    // Events are heard before the list is made: who comes or goes meanwhile is told after it, or is in it.
    socket.join([room.clone(), comings_of(room)]).await;
    tell_name(socket, presence);
    if !socket.is_connected() {
        tell_gone(socket);
    }
    Ok(in_room(&socket.namespace(), room).await)
}

/// Changes the name, and tells the room if it is in one.
pub(crate) fn rename(socket: &Socket, name: &str) -> Result<(), Error> {
    socket.set_data(NAME, name)?;
    if let Ok(presence) = Presence::of(socket) {
        tell_name(socket, &presence);
    }
    Ok(())
}

/// Takes the socket out of its room, if it is in one.
pub(crate) async fn leave(socket: &Socket) -> Result<(), Error> {
    if let Ok(Presence { room, .. }) = Presence::of(socket) {
        socket.leave([room.clone(), comings_of(&room)]).await;
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
