//! The servers that the Socket.IO project's own suites expect.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline::{Args, Bytes, ConnectError, Data, Namespace, Recovery, Server, Socket, TryData};

use crate::settings::{Refused, Settings};

/// `MODE=sio5-suite`.
pub(crate) async fn protocol(_: &Settings) -> Result<Server, Refused> {
    let builder = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_secs(1));
    let io = crate::build(builder).await?;
    for name in ["/", "/custom"] {
        let ns = io.of(name);
        ns.on_connect(async |socket: Socket| {
            let auth: Value = socket.auth().unwrap_or_default();
            socket.emit("auth", auth);
        });
        ns.on("message", async |socket: Socket, args: Args| {
            socket.emit_args("message-back", args);
        });
        ns.on("message-with-ack", async |args: Args| args);
    }
    Ok(io)
}

/// `MODE=sio-client-suite`.
pub(crate) async fn client(_: &Settings) -> Result<Server, Refused> {
    let builder =
        Server::builder().recovery(Recovery::memory()).ping_interval(Duration::from_secs(2)).allow_request(|_| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        });
    let io = crate::build(builder).await?;
    io.middleware(async |socket: Socket| {
        if socket.handshake().query("fail").is_some() {
            return Err(ConnectError::new("Auth failed (main namespace)"));
        }
        Ok(())
    });
    io.of("/no").middleware(async || Err::<(), _>("Auth failed (custom namespace)"));
    io.of("/foo").on("getId", get_id);
    for name in ["/timeout_socket", "/valid", "/asd"] {
        let _ = io.of(name);
    }
    io.of("/abc").on_connect(async |socket: Socket| {
        let auth: Value = socket.auth().unwrap_or_default();
        socket.emit("handshake", socket.handshake().to_json(&auth));
    });
    values(&io);
    binary(&io);
    Ok(io)
}

async fn get_id(socket: Socket) -> String {
    socket.id().to_string()
}

fn values(ns: &Namespace) {
    ns.on("hi", async |socket: Socket| {
        socket.emit("hi", ());
    });
    ns.on("echo", async |args: Args| args.slice(0..1));
    ns.on_concurrent("ack", async |socket: Socket| {
        let answer: Result<(u32, Value), _> = socket.emit_with_ack("ack", ()).await;
        if answer.is_ok_and(|(number, object)| number == 5 && object == json!({ "test": true })) {
            socket.emit("got it", ());
        }
    });
    ns.on("getAckDate", async || DATE);
    ns.on("getDate", async |socket: Socket| {
        socket.emit("takeDate", DATE);
    });
    ns.on("getDateObj", async |socket: Socket| {
        socket.emit("takeDateObj", json!({ "date": DATE }));
    });
    ns.on("getUtf8", async |socket: Socket| {
        for text in ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"] {
            socket.emit("takeUtf8", text);
        }
    });
    ns.on("false", async |socket: Socket| {
        socket.emit("false", false);
    });
    ns.on("getHandshake", async |socket: Socket| {
        let auth: Value = socket.auth().unwrap_or_default();
        socket.handshake().to_json(&auth)
    });
    ns.on("getId", get_id);
}

const DATE: &str = "2026-11-25T00:00:00.000Z";

fn binary(ns: &Namespace) {
    const BYTES: Bytes = Bytes::from_static(b"asdfasdf");
    ns.on("doge", async |socket: Socket| {
        socket.emit("doge", BYTES);
    });
    ns.on("getbin", async |socket: Socket| {
        socket.emit("takebin", BYTES);
    });
    ns.on("buffa", async |socket: Socket, args: Args| {
        if args.binary(0).is_some() {
            socket.emit("buffack", ());
        }
    });
    ns.on("jsonbuff", async |socket: Socket, TryData(object): TryData<JsonBuff>| {
        if object.is_ok_and(|object| object.hello == "lol" && object.goodbye == "gotcha" && !object.message.is_empty())
        {
            socket.emit("jsonbuff-ack", ());
        }
    });
    ns.on("abuff1", async |socket: Socket, args: Args| socket.set_data("abuff1", args.binary(0).is_some()));
    ns.on("abuff2", async |socket: Socket, _: Data<Value>| {
        if socket.data::<bool>("abuff1") == Some(true) {
            socket.emit("abuff2-ack", ());
        }
    });
}

#[derive(serde::Deserialize)]
struct JsonBuff {
    hello: String,
    message: Bytes,
    goodbye: String,
}
