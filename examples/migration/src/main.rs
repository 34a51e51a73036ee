//! The chat of `server.js` in Rust, event by event in the same order. The page is the same for both; what differs is
//! told in the README.

use std::net::SocketAddr;

use axum::extract::{Path, State as AxumState};
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use trunkline::{Auth, Data, Error, Room, Server, Socket};

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize, Serialize)]
struct Message {
    room: String,
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build().await?;
    register(&io);

    let app = Router::new()
        .route("/", get(async || Html(include_str!("../index.html"))))
        .route("/rooms/{room}", get(members))
        .with_state(io.clone())
        .layer(io.layer());
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);

    let closing = io.clone();
    let shutdown = async move {
        let _ = tokio::signal::ctrl_c().await;
        closing.close().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

fn register(io: &Server) {
    io.middleware(|socket: Socket, Auth(Login { name }): Auth<Login>| async move {
        if name.is_empty() {
            return Err("a name is needed".to_owned());
        }
        socket.set_data("name", name).map_err(|error| error.to_string())
    });
    io.on_connect(|socket: Socket| async move {
        socket.emit("welcome", name_of(&socket));
    });
    io.on("join", |socket: Socket, Data(room): Data<String>| async move {
        socket.join(&room).await;
        socket.to(&room).emit("joined", (&room, name_of(&socket)));
        names(&socket.namespace().in_(&room).fetch_sockets().await)
    });
    io.on("message", |socket: Socket, Data(message): Data<Message>| async move {
        if !socket.rooms().await.contains(&Room::from(&*message.room)) {
            return Err(Error::new("not_a_member", "join the room first"));
        }
        socket.namespace().to(&message.room).emit("message", (name_of(&socket), &message));
        Ok(true)
    });
    io.on("typing", |socket: Socket, Data(room): Data<String>| async move {
        socket.to(&room).volatile().emit("typing", (&room, name_of(&socket)));
    });
    io.on_disconnecting(|socket: Socket| async move {
        for room in socket.rooms().await {
            socket.to(&room).emit("left", (&*room, name_of(&socket)));
        }
    });
}

fn name_of(socket: &Socket) -> String {
    socket.data("name").unwrap_or_default()
}

fn names(sockets: &[trunkline::RemoteSocket]) -> Vec<String> {
    sockets.iter().filter_map(|socket| socket.data()["name"].as_str().map(str::to_owned)).collect()
}

async fn members(AxumState(io): AxumState<Server>, Path(room): Path<String>) -> Json<Vec<String>> {
    Json(names(&io.in_(room).fetch_sockets().await))
}
