//! An axum application with state, a login over HTTP, and a Socket.IO server that lets in who has logged in.
//! Where users and passwords come from is left to yours: here they are a list.
//!
//! ```text
//! cargo run -p axum-auth
//! curl -d '{"name":"ann","password":"ann-secret"}' -H 'content-type: application/json' http://127.0.0.1:3000/login
//! ```
//!
//! With the token that it answers, in JavaScript:
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000", { auth: { token } });
//! socket.emit("whoami", (name) => console.log(name));
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State as AxumState;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use trunkline::{Auth, ConnectError, Context, Data, Error, FromContext, Rejection, Server, Socket, State};

/// What routes and handlers share.
#[derive(Default)]
struct App {
    /// Who has logged in, by token.
    tokens: Mutex<HashMap<String, String>>,
}

const USERS: [(&str, &str); 2] = [("ann", "ann-secret"), ("bob", "bob-secret")];

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Arc::new(App::default());
    let io = Server::builder().state(app.clone()).build().await?;
    register(&io);

    let router = Router::new()
        .route("/login", post(login))
        .route("/online", get(online))
        .with_state((app, io.clone()))
        .layer(io.layer());
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);

    let closing = io.clone();
    let shutdown = async move {
        let _ = tokio::signal::ctrl_c().await;
        // Waiting polls are requests under way: without this axum would wait for them.
        closing.close().await;
    };
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

fn register(io: &Server) {
    io.middleware(authenticate);
    io.on_connect(|socket: Socket, User(name): User| async move {
        // All devices of a user, under one name.
        socket.join(format!("user:{name}")).await;
    });
    io.on("whoami", |User(name): User| async move { name });
    io.on("direct", direct);
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// Refuses who has no token of ours, and notes whose it is.
async fn authenticate(
    socket: Socket,
    Auth(Token { token }): Auth<Token>,
    State(app): State<Arc<App>>,
) -> Result<(), ConnectError> {
    let name = app.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned();
    let name = name.ok_or_else(|| ConnectError::new("unauthorized").with_data("log in first"))?;
    socket.set_data("user", name).map_err(|error| error.to_string())?;
    Ok(())
}

/// Sends a text to all devices of another user.
async fn direct(socket: Socket, User(from): User, Data((to, text)): Data<(String, String)>) -> Result<bool, Error> {
    if !USERS.iter().any(|(name, _)| *name == to) {
        return Err(Error::new("no_such_user", format!("nobody is called {to}")));
    }
    socket.to(format!("user:{to}")).emit("direct", (from, text)).await?;
    Ok(true)
}

/// The user of a socket, for handlers to take: an extractor of our own.
struct User(String);

impl FromContext for User {
    fn from_context(context: &mut Context) -> Result<Self, Rejection> {
        let name = context.socket().data("user");
        name.map(Self).ok_or_else(|| Rejection(Error::new("unauthorized", "log in first")))
    }
}

type Shared = AxumState<(Arc<App>, Server)>;

async fn login(AxumState((app, _)): Shared, Json(login): Json<Login>) -> Result<Json<serde_json::Value>, StatusCode> {
    if !USERS.contains(&(&*login.name, &*login.password)) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    app.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), login.name);
    Ok(Json(serde_json::json!({ "token": token })))
}

/// Who is connected, as a route that asks the Socket.IO server.
async fn online(AxumState((_, io)): Shared) -> Json<Vec<serde_json::Value>> {
    let sockets = io.fetch_sockets().await;
    Json(sockets.iter().map(|socket| socket.data()["user"].clone()).collect())
}
