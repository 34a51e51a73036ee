//! `MODE=contract`: every behaviour, on demand, on every namespace.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline::{
    Ack, Args, Broadcast, Bytes, ConnectError, Cors, Data, DisconnectReason, Namespace, Server, Socket, State,
};

use crate::settings::{Refused, Settings, number};

/// How many ends the journal remembers.
const JOURNAL: usize = 500;

#[derive(Debug, Default)]
struct Journal(Mutex<VecDeque<Value>>);

pub(crate) async fn server(settings: &Settings) -> Result<Server, Refused> {
    let cors = Cors::origin("http://allowed.test").map_err(|error| Refused(error.to_string()))?;
    let mut builder = Server::builder()
        .state(Journal::default())
        .ping_interval(settings.millis("PING_INTERVAL", 1000)?)
        .ping_timeout(settings.millis("PING_TIMEOUT", 1000)?)
        .connect_timeout(settings.millis("CONNECT_TIMEOUT", 1000)?)
        .upgrade_timeout(settings.millis("UPGRADE_TIMEOUT", 1000)?)
        .max_http_buffer_size(number("MAX_HTTP_BUFFER_SIZE", 100_000)?)
        .allow_eio3(settings.flag("ALLOW_EIO3", true)?)
        .parser(settings.parser)
        .cors(cors.credentials(true));
    if settings.flag("WS_DEFLATE", false)? {
        builder = builder.per_message_deflate(512);
    }
    let io = crate::build(settings.recovery(builder, settings.flag("CSR", false)?)?).await?;
    for name in ["/", "/chat", "/other"] {
        application(&io.of(name));
    }
    let auth = io.of("/auth");
    auth.middleware(check_token);
    application(&auth);
    let slow = io.of("/slow");
    slow.middleware(async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok::<_, ConnectError>(())
    });
    application(&slow);
    let dynamic = io.of_pattern(r"^/dyn-\d+$").map_err(|_| Refused("a pattern is wrong".to_owned()))?;
    application(&dynamic);
    Ok(io)
}

async fn check_token(socket: Socket) -> Result<(), ConnectError> {
    let auth: Value = socket.auth().unwrap_or_default();
    if auth["token"] == "secret" {
        return Ok(());
    }
    Err(ConnectError::new("unauthorized").with_data(json!({ "code": 401, "hint": "token" })))
}

fn application(ns: &Namespace) {
    ns.on_connect(welcome);
    echoes(ns);
    rooms(ns);
    broadcasts(ns);
    bursts(ns);
    ends(ns);
}

async fn welcome(socket: Socket) {
    let auth: Value = socket.auth().unwrap_or_default();
    let recovered = socket.recovered();
    socket.emit(
        "welcome",
        json!({
            "sid": &**socket.id(), "nsp": &**socket.namespace_name(), "auth": auth, "recovered": recovered,
        }),
    );
}

fn echoes(ns: &Namespace) {
    ns.on("echo", async |socket: Socket, args: Args| {
        socket.emit_args("echo", args);
    });
    ns.on("echo-ack", async |args: Args| args);
    ns.on("no-ack", async |ack: Ack| ack.ignore());
    ns.on("who", who);
    // Beside other events: with no limit it waits as long as the client does.
    ns.on_concurrent("ask", ask);
    ns.on("set", async |socket: Socket, Data((key, value)): Data<(String, Value)>| {
        socket.set_data(key, value).map(|()| "ok")
    });
    ns.on("get", async |socket: Socket, Data(key): Data<String>| socket.data::<Value>(&key));
}

async fn who(socket: Socket) -> Value {
    let handshake = socket.handshake();
    let auth: Value = socket.auth().unwrap_or_default();
    let query: serde_json::Map<_, _> =
        handshake.queries().map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    json!({
        "sid": &**socket.id(),
        "eid": socket.session_id(),
        "transport": socket.transport(),
        "protocol": socket.protocol(),
        "nsp": &**socket.namespace_name(),
        "auth": auth,
        "query": query,
        "header": handshake.header("x-conformance"),
        "recovered": socket.recovered(),
        "xdomain": handshake.xdomain(),
        "secure": handshake.secure(),
        "url": handshake.url(),
        "address": handshake.address().map(|address| address.ip().to_string()),
    })
}

async fn ask(socket: Socket, args: Args) {
    let limit = args.get::<Option<u64>>(1).ok().flatten().filter(|&ms| ms > 0).map(Duration::from_millis);
    let payload = args.slice(0..1);
    match socket.ask("question", payload, limit).await {
        Ok(value) => socket.emit_args("answer", answered(&value).unwrap_or_default()),
        Err(_) => socket.emit("answer", json!({ "ok": false })),
    };
}

/// `{ok: true, value}` with the value as it came, attachments included.
fn answered(value: &Args) -> Result<Args, trunkline::Error> {
    Ok(Args::object([("ok", Args::serialize(&true)?), ("value", value.slice(0..1))])?)
}

fn rooms(ns: &Namespace) {
    ns.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room).await;
        "ok"
    });
    ns.on("leave", async |socket: Socket, Data(room): Data<String>| {
        socket.leave(room).await;
        "ok"
    });
    ns.on("rooms", async |socket: Socket| {
        let mut rooms: Vec<_> = socket.rooms().await.iter().map(ToString::to_string).collect();
        rooms.sort();
        rooms
    });
    ns.on("members", async |ns: Namespace, Data(room): Data<String>| {
        let mut ids: Vec<_> = ns.in_(room).fetch_sockets().await.iter().map(|socket| socket.id().to_string()).collect();
        ids.sort();
        ids
    });
    ns.on("remote", remote);
}

#[derive(Deserialize)]
struct Remote {
    op: String,
    room: String,
    #[serde(default)]
    arg: Value,
}

async fn remote(ns: Namespace, Data(Remote { op, room, arg }): Data<Remote>) -> &'static str {
    let members = ns.in_(room);
    let committed = match op.as_str() {
        "join" => members.sockets_join(arg.as_str().unwrap_or_default()),
        "leave" => members.sockets_leave(arg.as_str().unwrap_or_default()),
        _ => members.disconnect_sockets(arg.as_bool().unwrap_or(false)),
    };
    let _ = committed.await;
    "ok"
}

#[derive(Deserialize)]
struct Cast {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    event: String,
    timeout: Option<u64>,
}

fn broadcasts(ns: &Namespace) {
    ns.on("cast", async |socket: Socket, args: Args| {
        let cast: Cast = args.get(0)?;
        let from = if cast.from == "socket" { socket.broadcast() } else { socket.namespace().everyone() };
        narrowed(&from, &cast).emit_args(&cast.event, data_of(&args)).await?;
        Ok::<_, trunkline::Error>("ok")
    });
    ns.on("cast-ack", async |socket: Socket, args: Args| {
        let cast: Cast = args.get(0)?;
        let limit = Duration::from_millis(cast.timeout.unwrap_or(1000));
        let from = narrowed(&socket.namespace().everyone(), &cast).timeout(limit);
        let (err, answers) = match from.ask(&cast.event, data_of(&args)).await {
            Ok(answers) => (false, answers),
            Err(trunkline::AckError::Timeout(answers) | trunkline::AckError::Left(answers)) => (true, answers),
            Err(_) => (true, Vec::new()),
        };
        let mut all = Args::new();
        answers.iter().for_each(|answer| all.push_args(&answer.slice(0..1)));
        let err = Args::serialize(&err)?;
        Ok::<_, trunkline::Error>(Args::object([("err", err), ("responses", all.gather()?)])?)
    });
}

fn narrowed(from: &Broadcast, cast: &Cast) -> Broadcast {
    from.to(cast.to.clone()).except(cast.except.clone())
}

fn data_of(args: &Args) -> Args {
    args.member(0, "data").and_then(|data| data.spread(0)).unwrap_or_default()
}

fn bursts(ns: &Namespace) {
    ns.on("burst", async |socket: Socket, Data((n, pad)): Data<(u32, Option<usize>)>| {
        let pad = "x".repeat(pad.unwrap_or(0));
        for i in 0..n {
            socket.emit("burst", (i, &pad));
        }
    });
    ns.on("bin-burst", async |socket: Socket, Data(n): Data<u32>| {
        for i in 0..n {
            let [low, high, ..] = i.to_le_bytes();
            socket.emit("bin-burst", (i, Bytes::from(vec![low, high])));
        }
    });
    ns.on("volatile-burst", async |socket: Socket, Data(n): Data<u32>| {
        for i in 0..n {
            socket.volatile().emit("vol", i);
        }
        socket.emit("vol-end", ());
    });
    ns.on("seq", async |socket: Socket, Data(i): Data<u64>| {
        let count: u64 = socket.data("seq-count").unwrap_or(0);
        let in_order = socket.data("seq-in-order").unwrap_or(true) && i == count;
        socket.set_data("seq-count", count + 1)?;
        socket.set_data("seq-in-order", in_order)?;
        Ok::<_, trunkline::Error>(count + 1)
    });
    ns.on("seq-report", async |socket: Socket| {
        let count: u64 = socket.data("seq-count").unwrap_or(0);
        let in_order: bool = socket.data("seq-in-order").unwrap_or(true);
        socket.set_data("seq-count", 0)?;
        socket.set_data("seq-in-order", true)?;
        Ok::<_, trunkline::Error>(json!({ "count": count, "inOrder": in_order }))
    });
    ns.on("bytes", async |socket: Socket, Data(n): Data<usize>| {
        let bytes: Vec<u8> = (0..=255).cycle().take(n).collect();
        socket.emit("bytes", Bytes::from(bytes));
    });
    ns.on("text", async |socket: Socket, Data(n): Data<usize>| {
        socket.emit("text", "é".repeat(n));
    });
}

fn ends(ns: &Namespace) {
    ns.on("kick", async |socket: Socket, Data(close): Data<Option<bool>>| {
        socket.disconnect(close.unwrap_or(false));
    });
    ns.on_disconnecting(async |socket: Socket, reason: DisconnectReason, State(journal): State<Journal>| {
        let mut rooms: Vec<_> = socket.rooms().await.iter().map(ToString::to_string).collect();
        rooms.sort();
        let entry = json!({
            "sid": &**socket.id(), "nsp": &**socket.namespace_name(), "reason": reason.as_str(), "rooms": rooms,
        });
        let mut entries = journal.0.lock().expect("nobody panics with the journal");
        entries.push_back(entry);
        if entries.len() > JOURNAL {
            entries.pop_front();
        }
    });
    ns.on("journal", async |Data(sid): Data<String>, State(journal): State<Journal>| {
        let entries = journal.0.lock().expect("nobody panics with the journal");
        entries.iter().filter(|entry| entry["sid"] == sid.as_str()).cloned().collect::<Vec<_>>()
    });
}
