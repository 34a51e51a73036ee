//! Answers to requests of a session, header by header.

use std::io::Read as _;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;
use trunkline_engine::config::{CompressionOptions, Config, Cookie};
use trunkline_engine::http::{
    Body, ReplyContext, bad_request_empty, is_octet_stream, method_not_served, poll_response, post_ok, too_large,
};
use trunkline_proto::payload;

use crate::support::{config, exchange, head};

fn context(headers: &[&str]) -> ReplyContext {
    ReplyContext::of(&head("GET", "/socket.io/", headers))
}

fn text(body: impl Into<bytes::Bytes>) -> payload::Encoded {
    payload::Encoded { body: body.into(), binary: false }
}

async fn shown(response: Response<Body>) -> String {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut out = parts.status.as_u16().to_string();
    for (name, value) in &parts.headers {
        out += &format!("\n{name}: {}", value.to_str().expect("ours are ASCII"));
    }
    format!("{out}\n\n{}", String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn a_poll_is_answered_with_text_and_its_exact_length() {
    let config = Config::default();
    let answer = poll_response(&config, &context(&[]), text("4héllo\u{1e}2"), None, true);
    assert_eq!(
        shown(answer).await,
        "200\ncontent-type: text/plain; charset=UTF-8\ncontent-length: 9\ncache-control: no-store\n\n4héllo\u{1e}2"
    );
    let binary = payload::Encoded { body: "\0\u{1}x".into(), binary: true };
    let answer = poll_response(&config, &context(&[]), binary, None, true);
    assert_eq!(
        shown(answer).await,
        "200\ncontent-type: application/octet-stream\ncontent-length: 3\ncache-control: no-store\n\n\0\u{1}x"
    );
    let answer = poll_response(&config, &context(&[]), text("4\"\u{2028}"), Some("7x1"), true);
    assert_eq!(
        shown(answer).await,
        "200\ncontent-type: text/plain; charset=UTF-8\ncontent-length: 24\ncache-control: no-store\n\n\
         ___eio[71](\"4\\\"\\u2028\");"
    );
}

#[tokio::test]
async fn a_post_is_answered_with_ok() {
    assert_eq!(
        shown(post_ok(&context(&[]))).await,
        "200\ncontent-type: text/html\ncontent-length: 2\ncache-control: no-store\n\nok"
    );
}

#[tokio::test]
async fn what_is_not_allowed_now_is_answered_empty() {
    assert_eq!(shown(bad_request_empty()).await, "400\n\n");
    assert_eq!(shown(too_large()).await, "413\nconnection: close\n\n");
    assert_eq!(shown(method_not_served()).await, "500\n\n");
}

#[tokio::test]
async fn a_session_over_the_wire() {
    let vectors = [
        (
            "GET",
            "",
            "",
            "200 OK",
            "content-type: text/plain; charset=UTF-8\r\ncontent-length: 6\r\n\
            cache-control: no-store\r\nconnection: close\r\n",
            "4hello",
        ),
        (
            "POST",
            "Content-Length: 2\r\n",
            "4x",
            "200 OK",
            "content-type: text/html\r\ncontent-length: 2\r\n\
            cache-control: no-store\r\nconnection: close\r\n",
            "ok",
        ),
        ("PUT", "", "", "500 Internal Server Error", "connection: close\r\ncontent-length: 0\r\n", ""),
        (
            "POST",
            "Content-Length: 2\r\nContent-Type: application/octet-stream\r\n",
            "4x",
            "400 Bad Request",
            "connection: close\r\ncontent-length: 0\r\n",
            "",
        ),
    ];
    for (method, headers, body, status, answered, answer) in vectors {
        let request = format!(
            "{method} /socket.io/?EIO=4&transport=polling&sid=known HTTP/1.1\r\nHost: x\r\n\
             Connection: close\r\n{headers}\r\n{body}"
        );
        assert_eq!(
            exchange(Config::default(), &request).await,
            format!("HTTP/1.1 {status}\r\n{answered}\r\n{answer}"),
            "{method} {headers}"
        );
    }
}

#[tokio::test]
async fn old_internet_explorers_are_told_not_to_filter() {
    let cases = [
        ("Mozilla/5.0 (compatible;MSIE 9.0)", true),
        ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", true),
        ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", false),
    ];
    for (agent, old) in cases {
        let context = context(&[&format!("User-Agent: {agent}")]);
        let poll = poll_response(&Config::default(), &context, text("6"), None, true);
        let value = poll.headers().get("x-xss-protection").cloned();
        assert_eq!(value, old.then(|| HeaderValue::from_static("0")), "{agent}");
        assert_eq!(post_ok(&context).headers().get("x-xss-protection").is_some(), old);
    }
}

#[tokio::test]
async fn long_answers_are_compressed_by_what_the_client_accepts() {
    let body = "4".repeat(1024);
    let off = config(|c| c.http_compression = None);
    let late = config(|c| {
        let mut options = CompressionOptions::default();
        options.threshold = 1025;
        c.http_compression = Some(options);
    });
    let on = Config::default();
    let vectors = [
        (&on, "gzip, deflate, br", 1024, true, Some("gzip")),
        (&on, "deflate, gzip", 1024, true, Some("deflate")),
        (&on, "gzip", 1023, true, None),
        (&on, "gzip", 1024, false, None),
        (&on, "br", 1024, true, None),
        (&on, "", 1024, true, None),
        (&off, "gzip", 1024, true, None),
        (&late, "gzip", 1024, true, None),
    ];
    for (config, accept, length, compress, encoding) in vectors {
        let context = context(&[&format!("Accept-Encoding: {accept}")]);
        let response = poll_response(config, &context, text(body[..length].to_owned()), None, compress);
        let found = response.headers().get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(found, encoding, "{accept} {length} {compress}");
        let announced = response.headers()["content-length"].clone();
        let sent = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(announced, HeaderValue::from(sent.len()));
        let mut plain = String::new();
        match encoding {
            Some("gzip") => flate2::read::GzDecoder::new(&sent[..]).read_to_string(&mut plain),
            Some(_) => flate2::read::ZlibDecoder::new(&sent[..]).read_to_string(&mut plain),
            None => (&sent[..]).read_to_string(&mut plain),
        }
        .unwrap();
        assert_eq!(plain, body[..length]);
        assert!(encoding.is_none() || sent.len() < 100);
    }
}

fn hooked() -> Config {
    config(|c| {
        c.cookie = Some(Cookie::default());
        c.hooks.initial_headers = Some(Arc::new(|headers: &mut HeaderMap, parts| {
            headers.insert("x-first", parts.headers["x-in"].clone());
            headers.append("set-cookie", HeaderValue::from_static("mine=1"));
        }));
        c.hooks.headers = Some(Arc::new(|headers: &mut HeaderMap, _| {
            headers.insert("x-each", HeaderValue::from_static("1"));
            headers.insert("cache-control", HeaderValue::from_static("private"));
            headers.insert("content-length", HeaderValue::from_static("7777"));
        }));
    })
}

#[tokio::test]
async fn hooks_set_headers_on_the_first_and_on_every_answer() {
    let config = hooked();
    let parts = head("GET", "/socket.io/", &["X-In: abc"]);
    let first = ReplyContext::prepare(&config, &parts, Some("id"));
    assert_eq!(
        shown(poll_response(&config, &first, text("0{}"), None, true)).await,
        "200\ncontent-type: text/plain; charset=UTF-8\ncontent-length: 3\ncache-control: private\n\
         set-cookie: io=id; Path=/; HttpOnly; SameSite=Lax\nset-cookie: mine=1\nx-first: abc\nx-each: 1\n\n0{}"
    );
    let later = ReplyContext::prepare(&config, &parts, None);
    assert_eq!(
        shown(post_ok(&later)).await,
        "200\ncontent-type: text/html\ncontent-length: 2\ncache-control: private\nx-each: 1\n\nok"
    );
}

#[test]
fn a_waiting_request_holds_a_few_bytes() {
    assert!(size_of::<ReplyContext>() <= 16);
}

#[test]
fn only_octet_streams_are_binary() {
    let cases = [
        ("application/octet-stream", true),
        ("Application/Octet-Stream; x=y", true),
        ("text/plain;charset=UTF-8", false),
        ("application/octet-streams", false),
    ];
    for (kind, binary) in cases {
        let parts = head("POST", "/", &[&format!("Content-Type: {kind}")]);
        assert_eq!(is_octet_stream(&parts.headers), binary, "{kind}");
    }
    assert!(!is_octet_stream(&HeaderMap::new()));
}
