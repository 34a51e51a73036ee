//! Refused requests: the answers over both transports as they stand on the wire, and what the application is told.

use std::sync::{Arc, Mutex};

use trunkline_engine::config::Config;
use trunkline_engine::http::{Refusal, admit, new_sid, refuse};

use crate::support::{UPGRADE, config, exchange, head};

fn request(method: &str, query: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

async fn polling(config: Config, method: &str, query: &str, headers: &[&str]) -> String {
    let headers: Vec<&str> = headers.iter().copied().chain(["Connection: close"]).collect();
    exchange(config, &request(method, query, &headers)).await
}

fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn polling_is_refused_with_json() {
    const POLLING: &str = "EIO=4&transport=polling";
    const POLLING_X: &str = "EIO=4&transport=polling&sid=x";
    let transport = r#"{"code":0,"message":"Transport unknown"}"#;
    let sid = r#"{"code":1,"message":"Session ID unknown"}"#;
    let method = r#"{"code":2,"message":"Bad handshake method"}"#;
    let bad = r#"{"code":3,"message":"Bad request"}"#;
    let version = r#"{"code":5,"message":"Unsupported protocol version"}"#;
    let vectors = [
        ("GET", "", transport),
        ("GET", "transport=__proto__", transport),
        ("GET", POLLING_X, sid),
        ("POST", POLLING_X, sid),
        ("POST", POLLING, method),
        ("PUT", POLLING, method),
        ("DELETE", POLLING, method),
        ("OPTIONS", POLLING, method),
        ("GET", "EIO=4&transport=websocket", bad),
        ("GET", "EIO=4&transport=websocket&sid=known", bad),
        ("GET", "EIO=4&transport=websocket&sid=x", sid),
        ("GET", "EIO=3&transport=polling", version),
        ("GET", "transport=polling", version),
        ("GET", "EIO=5&transport=polling", version),
    ];
    for (method, query, body) in vectors {
        let answer = polling(Config::default(), method, query, &[]).await;
        assert_eq!(answer, json("400 Bad Request", body), "{method} {query}");
    }
    let answer = polling(config(|c| c.allow_eio3 = true), "GET", "EIO=3&transport=polling", &[]).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("3:0{}"), "{answer}");
}

#[tokio::test]
async fn a_websocket_is_refused_with_the_bare_message() {
    let vectors = [
        ("EIO=4&transport=tobi", "Transport unknown"),
        ("EIO=4&transport=constructor", "Transport unknown"),
        ("EIO=4&transport=websocket&sid=x", "Session ID unknown"),
        ("EIO=3&transport=websocket", "Unsupported protocol version"),
        ("EIO=4&transport=polling", "Bad request"),
    ];
    for (query, message) in vectors {
        let answer = exchange(Config::default(), &request("GET", query, &UPGRADE)).await;
        assert_eq!(
            answer,
            format!(
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/html\r\n\
                 content-length: {}\r\n\r\n{message}",
                message.len()
            ),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_websocket_of_another_version_is_told_ours() {
    let mut headers = UPGRADE;
    headers[2] = "Sec-WebSocket-Version: 8";
    let answer = exchange(Config::default(), &request("GET", "EIO=4&transport=websocket", &headers)).await;
    assert_eq!(
        answer,
        "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/html\r\n\
         sec-websocket-version: 13\r\ncontent-length: 11\r\n\r\nBad request"
    );
}

fn refusing(message: Option<&'static str>) -> Config {
    config(|c| {
        c.hooks.allow_request = Some(Arc::new(move |parts| {
            let allowed = parts.headers.contains_key("x-secret");
            let message = message.map(str::to_owned);
            Box::pin(async move { if allowed { Ok(()) } else { Err(message) } })
        }));
    })
}

#[tokio::test]
async fn the_application_refuses_handshakes_with_403_or_a_closed_upgrade() {
    let query = "EIO=4&transport=polling";
    let answer = polling(refusing(None), "GET", query, &[]).await;
    assert_eq!(answer, json("403 Forbidden", r#"{"code":4,"message":"Forbidden"}"#));
    let answer = polling(refusing(Some("not \"you\"")), "GET", query, &[]).await;
    assert_eq!(answer, json("403 Forbidden", r#"{"code":4,"message":"not \"you\""}"#));
    let answer = polling(refusing(None), "GET", query, &["X-Secret: 1"]).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let answer = polling(refusing(None), "GET", "EIO=4&transport=polling&sid=known", &[]).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "sessions are not asked again: {answer}");
    let answer = exchange(refusing(Some("not you")), &request("GET", "EIO=4&transport=websocket", &UPGRADE)).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nnot you"), "{answer}");
    // The reference asks the application before it looks at the version.
    let answer = polling(refusing(None), "GET", "EIO=3&transport=polling", &[]).await;
    assert_eq!(answer, json("403 Forbidden", r#"{"code":4,"message":"Forbidden"}"#));
}

#[tokio::test]
async fn only_listed_origins_open_sessions_over_either_transport() {
    let listing = || config(|c| c.allowed_origins = Some(vec!["https://a.example".into(), "null".into()]));
    let vectors: [(&[&str], bool); 7] = [
        (&[], true),
        (&["Origin: https://a.example"], true),
        (&["Origin: HTTPS://A.example"], true),
        (&["Origin: null"], true),
        (&["Origin: http://a.example"], false),
        (&["Origin: https://a.example.evil"], false),
        (&["Origin: https://a.example", "Origin: https://evil"], false),
    ];
    for (headers, allowed) in vectors {
        let admitted = |uri, more: &[&str]| {
            let headers: Vec<&str> = headers.iter().chain(more).copied().collect();
            let parts = head("GET", uri, &headers);
            async move { admit(&listing(), &parts).await }
        };
        let polling = admitted("/socket.io/?EIO=4&transport=polling", &[]).await;
        let websocket = admitted("/socket.io/?EIO=4&transport=websocket", &UPGRADE).await;
        assert_eq!(polling.is_ok(), allowed, "{headers:?}");
        assert_eq!(websocket, polling, "{headers:?}");
    }
    let answer = polling(listing(), "GET", "EIO=4&transport=polling", &["Origin: https://evil"]).await;
    assert_eq!(answer, json("403 Forbidden", r#"{"code":4,"message":"Forbidden"}"#));
}

#[test]
fn the_application_is_told_of_refusals() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let config = config(|c| {
        let told = Arc::clone(&told);
        c.hooks.connection_error = Some(Arc::new(move |error| {
            let (code, message, context) = (error.code, error.message, error.context);
            let detail = error.detail.unwrap_or("-");
            let line = format!("{} {code} {message}: {context} {detail}", error.request.uri.path());
            told.lock().unwrap().push(line);
        }));
    });
    let parts = head("GET", "/socket.io/", &[]);
    for refusal in [
        Refusal::TRANSPORT_UNKNOWN.with_detail("tobi"),
        Refusal::UNKNOWN_SID.with_detail("abc"),
        Refusal::TRANSPORT_MISMATCH,
        Refusal::forbidden(Some("no".into())),
    ] {
        let _ = refuse(&config, &parts, refusal);
    }
    assert_eq!(
        *told.lock().unwrap(),
        [
            "/socket.io/ 0 Transport unknown: TRANSPORT_UNKNOWN tobi",
            "/socket.io/ 1 Session ID unknown: UNKNOWN_SID abc",
            "/socket.io/ 3 Bad request: TRANSPORT_MISMATCH -",
            "/socket.io/ 4 no: FORBIDDEN -",
        ]
    );
}

#[tokio::test]
async fn ids_come_from_the_application_if_it_wants() {
    let parts = head("GET", "/socket.io/?user=7", &[]);
    let with = |id: Result<&'static str, &'static str>| {
        config(|c| {
            c.hooks.generate_id = Some(Arc::new(move |parts| {
                let user = parts.uri.query().unwrap_or_default().to_owned();
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    id.map(|id| format!("{id}{user}")).map_err(str::to_owned)
                })
            }));
        })
    };
    assert_eq!(new_sid(&Config::default(), &parts).await.unwrap().len(), 20);
    assert_eq!(new_sid(&with(Ok("id-")), &parts).await.unwrap(), "id-user=7");
    let refusal = new_sid(&with(Err("no luck")), &parts).await.unwrap_err();
    assert_eq!(refusal, Refusal::ID_GENERATION_ERROR.with_detail("no luck"));
    let empty = head("GET", "/socket.io/", &[]);
    assert_eq!(new_sid(&with(Ok("")), &empty).await.unwrap_err().code, 3);
}
