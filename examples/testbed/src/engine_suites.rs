//! The servers that the Engine.IO project's own suites expect: Engine.IO alone, without Socket.IO.

use std::time::Duration;

use trunkline::proto::Message;
use trunkline::{EngineEvent, EngineSocket, Server};

use crate::settings::{Refused, Settings};

/// `MODE=eio4-suite` and `eio3-suite`: every message comes back with its type.
pub(crate) async fn echo(_: &Settings, allow_eio3: bool) -> Result<Server, Refused> {
    let builder = Server::builder()
        .path("/engine.io")
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .allow_eio3(allow_eio3)
        .engine(|socket, event| {
            if let EngineEvent::Message(message) = event {
                socket.send(message);
            }
        });
    crate::build(builder).await
}

/// `MODE=eio-client-suite`.
pub(crate) async fn client(_: &Settings) -> Result<Server, Refused> {
    let builder = Server::builder()
        .path("/engine.io")
        .ping_interval(Duration::from_millis(500))
        .max_http_buffer_size(100)
        .allow_request(|parts| {
            let denied = parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("deny")));
            std::future::ready(if denied { Err(None) } else { Ok(()) })
        })
        .initial_headers(|headers, _| {
            for cookie in [
                "1=1; Max-Age=86400",
                "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
                "3=3; Max-Age=0",
                "4=4; Expires=now",
            ] {
                headers.append("set-cookie", trunkline::service::HeaderValue::from_static(cookie));
            }
        })
        .engine(answer);
    crate::build(builder).await
}

fn answer(socket: &EngineSocket, event: EngineEvent) {
    match event {
        EngineEvent::Open => socket.send(Message::Text("hi".into())),
        EngineEvent::Message(Message::Text(text)) => match &*text {
            "give binary" => socket.send(Message::Binary(vec![0, 1, 2, 3, 4].into())),
            "give utf8" => socket.send(Message::Text("пойду спать всем спокойной ночи".into())),
            "sendHeaders" => {
                let headers: std::collections::BTreeMap<_, _> = socket.request_headers().collect();
                let text = serde_json::to_string(&headers).unwrap_or_default();
                socket.send(Message::Text(text.into()));
            }
            _ => socket.send(Message::Text(text)),
        },
        EngineEvent::Message(message) => socket.send(message),
        _ => {}
    }
}
