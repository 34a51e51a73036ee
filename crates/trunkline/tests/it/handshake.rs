//! Which requests open a session, what they are refused with and what the application is told of that, and what the
//! first packets say. The answers' headers are the part of `answers`.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use trunkline::service::{Request, Service as _};
use trunkline::{EngineEvent, Message, Server, ServerBuilder, Socket};

use crate::peer::{POLLING, Polling, WEBSOCKET, WebSocket, get, refused_upgrade, request, upgrade, with_raw_header};
use crate::support::{Seen, listen, seen};

async fn listening(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, SocketAddr) {
    let io = change(Server::builder().shards(1)).build().await.unwrap();
    let address = listen(&io).await;
    (io, address)
}

#[tokio::test]
async fn the_application_refuses_handshakes_over_polling_with_403_and_upgrades_with_400() {
    for (own, message) in [(None, "Forbidden"), (Some("not today"), "not today")] {
        let refuse = move |builder: ServerBuilder| {
            builder.allow_request(move |parts| {
                let allowed = parts.headers.contains_key("x-key");
                async move { if allowed { Ok(()) } else { Err(own.map(str::to_owned)) } }
            })
        };
        let (_io, address) = listening(refuse).await;
        let polling = get(address, POLLING, &[]).await;
        let body: Value = serde_json::from_slice(&polling.body).unwrap();
        assert_eq!((polling.status, body), (403, json!({ "code": 4, "message": message })));
        let websocket = refused_upgrade(address, WEBSOCKET, &[]).await;
        assert_eq!((websocket.status, websocket.text()), (400, message.to_owned()));
        assert_eq!(websocket.header("content-type"), Some("text/html"));

        // Who was let in is not asked again.
        let open = get(address, POLLING, &["x-key: 1"]).await.open();
        let path = format!("{POLLING}&sid={}", open["sid"].as_str().unwrap());
        assert_eq!(request(address, "POST", &path, &[], "40").await.text(), "ok");
    }
}

/// What the hook was told: the path and the one header of its own of the request, code, message, context and detail.
type Told = (String, Option<String>, u8, String, &'static str, Option<String>);

fn telling(builder: ServerBuilder) -> (ServerBuilder, Seen<Told>) {
    let (tell, told) = seen();
    let builder = builder.on_connection_error(move |error| {
        let own = error.request.headers.get("x-own").map(|value| value.to_str().unwrap().to_owned());
        let path = error.request.uri.to_string();
        let (message, detail) = (error.message.to_owned(), error.detail.map(str::to_owned));
        let _ = tell.send((path, own, error.code, message, error.context, detail));
    });
    (builder, told)
}

#[tokio::test]
async fn the_application_is_told_of_each_refusal_with_its_request_and_what_was_wrong() {
    let mut told = None;
    let (_io, address) = listening(|builder| {
        let (builder, hook) = telling(builder.allow_request(|parts| {
            let denied = parts.headers.contains_key("x-deny");
            async move { if denied { Err(Some("no".to_owned())) } else { Ok(()) } }
        }));
        told = Some(hook);
        builder
    })
    .await;
    let mut told = told.unwrap();
    let polling = Polling::open(address).await;
    let (sid_polling, sid_websocket) = (polling.path(), format!("{WEBSOCKET}&sid={}", polling.sid));
    let eio3 = sid_polling.replace("EIO=4", "EIO=3");
    /// Code, message and context.
    type Why = (u8, &'static str, &'static str);
    let cases: [(&str, &str, &str, Why, Option<&str>); 9] = [
        ("GET", "/socket.io/?EIO=4&transport=tobi", "", (0, "Transport unknown", "TRANSPORT_UNKNOWN"), Some("tobi")),
        ("GET", &format!("{POLLING}&sid=abc"), "", (1, "Session ID unknown", "UNKNOWN_SID"), Some("abc")),
        ("POST", &format!("{POLLING}&sid=abc"), "", (1, "Session ID unknown", "UNKNOWN_SID"), Some("abc")),
        ("POST", POLLING, "", (2, "Bad handshake method", "BAD_HANDSHAKE_METHOD"), Some("POST")),
        ("GET", WEBSOCKET, "", (3, "Bad request", "TRANSPORT_HANDSHAKE_ERROR"), Some("no upgrade request")),
        ("GET", &sid_websocket, "", (3, "Bad request", "TRANSPORT_MISMATCH"), Some("websocket")),
        ("GET", &eio3, "", (3, "Bad request", "PROTOCOL_MISMATCH"), Some("3")),
        ("GET", POLLING, "x-deny: 1", (4, "no", "FORBIDDEN"), None),
        (
            "GET",
            "/socket.io/?EIO=3&transport=polling",
            "",
            (5, "Unsupported protocol version", "UNSUPPORTED_PROTOCOL_VERSION"),
            Some("3"),
        ),
    ];
    for (method, path, header, (code, message, context), detail) in cases {
        let headers = ["x-own: 7", header];
        let headers = if header.is_empty() { &headers[..1] } else { &headers };
        let answer = request(address, method, path, headers, "").await;
        assert_eq!(answer.status, if code == 4 { 403 } else { 400 }, "{method} {path}");
        let expected = (path.to_owned(), Some("7".to_owned()), code, message.to_owned(), context, detail);
        let (path, own, code, message, context, detail) = told.next().await;
        assert_eq!((path, own, code, message, context, detail.as_deref()), expected);
    }
    let refused = refused_upgrade(address, &format!("{WEBSOCKET}&sid=xyz"), &[]).await;
    assert_eq!((refused.status, &*refused.text()), (400, "Session ID unknown"));
    let (.., code, _, context, detail) = told.next().await;
    assert_eq!((code, context, detail.as_deref()), (1, "UNKNOWN_SID", Some("xyz")));
}

#[tokio::test]
async fn an_origin_that_is_no_text_is_refused_with_code_3() {
    let mut told = None;
    let (_io, address) = listening(|builder| {
        let (builder, hook) = telling(builder);
        told = Some(hook);
        builder
    })
    .await;
    let mut told = told.unwrap();
    for (path, upgrade) in [(POLLING, false), (WEBSOCKET, true)] {
        let answer = with_raw_header(address, path, upgrade, b"origin: http://a\xe9b").await;
        assert_eq!(answer.status, 400);
        let expected = if upgrade { "Bad request" } else { r#"{"code":3,"message":"Bad request"}"# };
        assert_eq!(answer.text(), expected);
        let (.., code, _, context, _) = told.next().await;
        assert_eq!((code, context), (3, "INVALID_ORIGIN"));
        // Control characters do not get as far as that.
        assert_eq!(with_raw_header(address, path, upgrade, b"origin: http://a\x01b").await.status, 400);
    }
    assert_eq!(with_raw_header(address, POLLING, false, b"origin: http://a.example").await.status, 200);
}

#[tokio::test]
async fn the_slash_behind_the_path_is_needed_unless_the_option_says_otherwise() {
    let (polling, websocket) = (POLLING.replace("/?", "?"), WEBSOCKET.replace("/?", "?"));
    let (_strict, strict) = listening(|builder| builder).await;
    assert_eq!(get(strict, &polling, &[]).await.status, 404);

    let (_lax, lax) = listening(|builder| builder.add_trailing_slash(false)).await;
    for path in [&*polling, POLLING] {
        assert_eq!(get(lax, path, &[]).await.status, 200);
    }
    for path in [&*websocket, WEBSOCKET] {
        assert!(WebSocket::dial(lax, path).await.hear().await.starts_with("0{"));
    }
}

#[tokio::test]
async fn the_path_is_matched_exactly_and_all_others_are_the_applications() {
    for (path, wide) in [("/socket.io", true), ("/own/path", false), ("/own/path/", false)] {
        let io = Server::builder().shards(1).path(path).build().await.unwrap();
        let app = axum::Router::new().fallback(|| async { "the application" }).layer(io.layer());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (own, query) = (path.trim_end_matches('/'), "EIO=4&transport=polling");
        get(address, &format!("{own}/?{query}"), &[]).await.open();
        let websocket = format!("{own}/?EIO=4&transport=websocket");
        assert!(WebSocket::dial(address, &websocket).await.hear().await.starts_with("0{"));
        let others = [own.to_owned(), format!("{own}x/"), format!("/x{own}/"), own.to_uppercase() + "/", "/".into()];
        for other in others {
            assert_eq!(get(address, &format!("{other}?{query}"), &[]).await.text(), "the application", "{other}");
        }
        let default = get(address, POLLING, &[]).await.text();
        assert_eq!(default.starts_with("0{"), wide, "{default}");
    }
}

#[tokio::test]
async fn upgrades_are_offered_over_polling_alone_and_only_if_they_are_enabled() {
    type Change = fn(ServerBuilder) -> ServerBuilder;
    let over_polling: [(Change, Value); 3] = [
        (|builder| builder, json!(["websocket"])),
        (|builder| builder.allow_upgrades(false), json!([])),
        (|builder| builder.transports(&["polling"]), json!([])),
    ];
    for (change, upgrades) in over_polling {
        let (_io, address) = listening(change).await;
        assert_eq!(get(address, POLLING, &[]).await.open()["upgrades"], upgrades);
    }
    let over_websocket: [Change; 2] = [|builder| builder, |builder| builder.transports(&["websocket"])];
    for change in over_websocket {
        let (_io, address) = listening(change).await;
        let open = WebSocket::dial(address, WEBSOCKET).await.hear().await;
        assert_eq!(serde_json::from_str::<Value>(&open[1..]).unwrap()["upgrades"], json!([]));
    }
    let (_io, address) = listening(|builder| builder.transports(&["websocket"])).await;
    assert_eq!(get(address, POLLING, &[]).await.text(), r#"{"code":0,"message":"Transport unknown"}"#);
}

#[tokio::test]
async fn an_initial_packet_comes_right_behind_the_open_packet() {
    let (_io, address) = listening(|builder| builder.initial_packet(Message::Text("faster!".into()))).await;
    let open = get(address, POLLING, &[]).await;
    open.open();
    assert_eq!(open.text().split('\u{1e}').skip(1).collect::<Vec<_>>(), ["4faster!"]);
    let mut websocket = WebSocket::dial(address, WEBSOCKET).await;
    assert!(websocket.hear().await.starts_with("0{"));
    assert_eq!(websocket.hear().await, "4faster!");
}

#[tokio::test]
async fn a_session_id_of_the_application_is_the_one_clients_use_on_either_transport() {
    let (io, address) = listening(|builder| {
        builder.generate_id(|parts| {
            let user = parts.uri.query().unwrap_or_default().rsplit('=').next().unwrap_or_default().to_owned();
            // Ready at once, and not.
            async move {
                if user == "slow" {
                    tokio::task::yield_now().await;
                }
                Ok(format!("id-of-{user}"))
            }
        })
    })
    .await;
    let (tell, mut told) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = tell.send(socket.session_id().to_owned());
        async {}
    });
    for user in ["fast", "slow"] {
        let open = get(address, &format!("{POLLING}&user={user}"), &[]).await.open();
        assert_eq!(open["sid"], format!("id-of-{user}"));
        let path = format!("{POLLING}&sid=id-of-{user}");
        request(address, "POST", &path, &[], "40").await;
        assert_eq!(told.next().await, format!("id-of-{user}"));
    }
    let mut websocket = WebSocket::dial(address, &format!("{WEBSOCKET}&user=ws")).await;
    assert!(websocket.hear().await.contains(r#""sid":"id-of-ws""#));
}

#[tokio::test]
async fn a_session_id_that_cannot_be_made_refuses_with_code_3() {
    let mut told = None;
    let (io, address) = listening(|builder| {
        let (builder, hook) = telling(builder.generate_id(|_| async { Err("none left".to_owned()) }));
        told = Some(hook);
        builder
    })
    .await;
    let polling = get(address, POLLING, &[]).await;
    assert_eq!((polling.status, &*polling.text()), (400, r#"{"code":3,"message":"Bad request"}"#));
    let websocket = refused_upgrade(address, WEBSOCKET, &[]).await;
    assert_eq!((websocket.status, &*websocket.text()), (400, "Bad request"));
    let mut told = told.unwrap();
    for _ in 0..2 {
        let (.., code, _, context, detail) = told.next().await;
        assert_eq!((code, context, detail.as_deref()), (3, "ID_GENERATION_ERROR", Some("none left")));
    }
    assert_eq!(io.connections(), 0);
}

#[tokio::test]
async fn a_first_poll_that_is_cut_before_its_answer_leaves_no_session() {
    let (tell, mut told) = seen();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let io = Server::builder()
        .shards(1)
        .engine(move |socket, event| {
            if let EngineEvent::Message(_) = event {
                // Nothing else happens on this shard until the test says so.
                let _ = tell.send("held".to_owned());
                let _ = held.lock().unwrap().recv();
            } else {
                let _ = tell.send(format!("{event:?} {}", socket.transport()));
            }
        })
        .build()
        .await
        .unwrap();
    let address = listen(&io).await;
    let mut holder = WebSocket::dial(address, WEBSOCKET).await;
    assert_eq!(told.next().await, "Open websocket");
    holder.say("4hold").await;
    assert_eq!(told.next().await, "held");

    // The shard has the session to open in its mailbox when its request is dropped.
    let mut answer = io.service().call(Request::get(POLLING).body(axum::body::Body::empty()).unwrap());
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx).is_pending())).await);
    drop(answer);
    hold.send(()).unwrap();
    assert_eq!(told.next().await, "Open polling");
    assert_eq!(told.next().await, "Close(TransportError) polling");
}

#[tokio::test]
async fn a_websocket_that_is_gone_before_its_open_packet_leaves_no_session() {
    let (tell, mut told) = seen();
    let (io, address) = listening(|builder| {
        builder.engine(move |_, event| {
            let _ = tell.send(matches!(event, EngineEvent::Open));
        })
    })
    .await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&upgrade(WEBSOCKET, &[])).await.unwrap();
        // Reset, not closed in order.
        stream.set_zero_linger().unwrap();
        drop(stream);
        // The server goes on as if nothing had been.
        assert!(WebSocket::dial(address, WEBSOCKET).await.hear().await.starts_with("0{"));
    }
    io.close().await;
    assert_eq!(io.connections(), 0);
    let (opened, closed): (Vec<_>, Vec<_>) = told.rest().into_iter().partition(|opened| *opened);
    assert!((20..=40).contains(&opened.len()));
    assert_eq!(opened.len(), closed.len());
}
