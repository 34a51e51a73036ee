//! `MODE=delivery`: what exactly once is judged by. Publishes are keyed by their `id`, everything else is plain.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use trunkline::{Args, Batch, Data, Error, Key, Namespace, Server, Socket, State};

use crate::settings::{Refused, Settings};

/// Names each application of a publish.
struct Node {
    id: String,
    applied: AtomicU64,
}

impl Node {
    fn next(&self) -> String {
        format!("{}-{}", self.id, self.applied.fetch_add(1, Ordering::Relaxed))
    }
}

/// The part of a publish that names it.
#[derive(Deserialize)]
struct Named {
    id: String,
}

pub(crate) async fn server(settings: &Settings) -> Result<Server, Refused> {
    // A process that comes after a crash counts from the start: its number keeps the names apart.
    let id = format!("{}-{}", settings.text("NODE_ID", "n0"), std::process::id());
    let builder = Server::builder()
        .state(Node { id, applied: AtomicU64::new(0) })
        .ping_interval(settings.millis("PING_INTERVAL", 25_000)?)
        .ping_timeout(settings.millis("PING_TIMEOUT", 20_000)?)
        .parser(settings.parser);
    let io = crate::build(settings.recovery(builder, true)?).await?;
    application(&io);
    application(&io.of_pattern("^/.+$").map_err(|_| Refused("a pattern is wrong".to_owned()))?);
    Ok(io)
}

fn application(ns: &Namespace) {
    memberships(ns);
    let key = |(_, named): &(String, Named)| Key::from(&named.id);
    ns.on_keyed("publish", key, async |tx: Batch, args: Args, State(node): State<Node>| {
        let room: String = args.get(0)?;
        tx.to(&room).emit_args("msg", message(&args, Some(&room), &node.next())?);
        Ok(json!({ "ok": true }))
    });
    ns.on_keyed("private", key, async |tx: Batch, args: Args, State(node): State<Node>| {
        let sid: String = args.get(0)?;
        tx.to(&sid).emit_args("msg", message(&args, None, &node.next())?);
        Ok(json!({ "ok": true }))
    });
    ns.on("plain", async |socket: Socket, args: Args, State(node): State<Node>| {
        let room: String = args.get(0)?;
        socket.namespace().to(&room).emit_args("msg", message(&args, Some(&room), &node.next())?);
        Ok::<_, Error>(())
    });
    ns.on("ask", async |socket: Socket, Data(ms): Data<u64>| {
        let asked = match ms {
            0 => socket.emit_with_ack::<Value>("question", ()).await,
            ms => socket.timeout(Duration::from_millis(ms)).emit_with_ack::<Value>("question", ()).await,
        };
        asked.map_or(json!({ "ok": false }), |answer| json!({ "ok": true, "answer": answer }))
    });
}

fn memberships(ns: &Namespace) {
    ns.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room).await;
        json!({ "ok": true })
    });
    ns.on("leave", async |socket: Socket, Data(room): Data<String>| {
        socket.leave(room).await;
        json!({ "ok": true })
    });
    ns.on("evict", async |socket: Socket, Data(room): Data<String>| {
        socket.namespace().to(&room).sockets_leave(&room).await?;
        Ok::<_, Error>(json!({ "ok": true }))
    });
    ns.on("ban", async |socket: Socket, Data(room): Data<String>| {
        socket.namespace().to(room).disconnect_sockets(true).await?;
        Ok::<_, Error>(json!({ "ok": true }))
    });
}

/// What members get: the object that was published, attachments and all, with the room and the application's name.
fn message(args: &Args, room: Option<&str>, app: &str) -> Result<Args, Error> {
    let published = args.slice(1..2);
    let object =
        published.text().trim().strip_suffix('}').ok_or_else(|| Error::new("invalid_argument", "no object"))?;
    let comma = if object.trim_end().ends_with('{') { "" } else { "," };
    let text = format!("{object}{comma}\"room\":{},\"app\":{}}}", json!(room), json!(app));
    Ok(Args::from_text(text.into(), published.attachments().to_vec())?)
}
