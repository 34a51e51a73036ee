//! The 101 as it stands on the wire, and the stream under it: plain TCP under hyper and under `axum::serve`, anything
//! else boxed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as AxumBody;
use http::{HeaderMap, HeaderValue, Request};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use trunkline_engine::config::{Config, DeflateOptions};
use trunkline_engine::http::{Taken, serve_connection, switching_protocols};
use trunkline_proto::ws::WindowBits;

use crate::support::{Server, UPGRADE, answer_incoming, config, head, read_head};

const REQUEST: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Upgrades on `client` with bytes right behind the request, and has both sides speak.
async fn speak_through(client: &mut TcpStream, taken: (Taken, bytes::Bytes)) {
    let (Taken::Tcp(stream), read_ahead) = taken else {
        panic!("plain TCP comes out as such");
    };
    assert!(stream.nodelay().expect("a socket has options"));
    let mut stream = TcpStream::from_std(stream).expect("it does not block");
    let mut seen = read_ahead.to_vec();
    let mut rest = vec![0; "early".len() - seen.len()];
    stream.read_exact(&mut rest).await.expect("all that was sent comes");
    seen.append(&mut rest);
    assert_eq!(seen, b"early");
    stream.write_all(b"to you").await.expect("it can be written");
    let mut answer = [0; 6];
    client.read_exact(&mut answer).await.expect("the client reads it");
    assert_eq!(&answer, b"to you");
}

async fn upgrade(client: &mut TcpStream) {
    client.write_all(format!("{REQUEST}early").as_bytes()).await.expect("the server reads");
    assert_eq!(read_head(client).await, SWITCHING);
}

#[tokio::test]
async fn under_bare_hyper_the_stream_comes_out_as_plain_tcp() {
    let (server, mut streams) = Server::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let service = service_fn(move |request| answer_incoming(server.clone(), request));
    let http = hyper::server::conn::http1::Builder::new();
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let serving = tokio::spawn(connection);
    upgrade(&mut client).await;
    let taken = streams.recv().await.unwrap();
    serving.await.unwrap().unwrap();
    speak_through(&mut client, taken).await;
}

#[tokio::test]
async fn under_our_own_loop_the_stream_comes_out_as_plain_tcp() {
    let (server, mut streams) = Server::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let serving = tokio::spawn(async move {
        let service = service_fn(|request| answer_incoming(server.clone(), request));
        serve_connection(stream, service, &server.config).await
    });
    upgrade(&mut client).await;
    let taken = streams.recv().await.unwrap();
    serving.await.unwrap().unwrap();
    speak_through(&mut client, taken).await;
}

#[tokio::test]
async fn under_axum_the_stream_comes_out_as_plain_tcp() {
    let (server, mut streams) = Server::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |request: Request<AxumBody>| async move { server.answer(request).await.map(AxumBody::new) };
    let serving = tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    upgrade(&mut client).await;
    let taken = streams.recv().await.unwrap();
    speak_through(&mut client, taken).await;
    serving.abort();
}

#[tokio::test]
async fn the_stream_moves_to_another_runtime() {
    let (server, mut streams) = Server::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    tokio::spawn(async move {
        let service = service_fn(|request| answer_incoming(server.clone(), request));
        serve_connection(stream, service, &server.config).await
    });
    upgrade(&mut client).await;
    let taken = streams.recv().await.unwrap();
    let client = client.into_std().unwrap();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut client = TcpStream::from_std(client).unwrap();
            speak_through(&mut client, taken).await;
        });
    });
    tokio::task::spawn_blocking(|| other.join()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_bounds_of_http_do_not_hold_for_a_websocket() {
    let (server, mut streams) = Server::new(Config::default());
    let mut client = server.pipe();
    client.write_all(REQUEST.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut client).await, SWITCHING);
    let (Taken::Other(mut stream), _) = streams.recv().await.unwrap() else {
        panic!("a pipe is not TCP");
    };
    let much = vec![7; 100_000];
    let writing = tokio::spawn(async move {
        stream.write_all(&much).await?;
        stream.shutdown().await
    });
    tokio::time::sleep(Duration::from_secs(100)).await;
    let start = Instant::now();
    let mut seen = Vec::new();
    client.read_to_end(&mut seen).await.unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(seen.len(), 100_000);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_pipe_comes_out_boxed_with_what_was_read_ahead() {
    let (server, mut streams) = Server::new(Config::default());
    let mut client = server.pipe();
    client.write_all(format!("{REQUEST}early").as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut client).await, SWITCHING);
    let (Taken::Other(mut stream), read_ahead) = streams.recv().await.unwrap() else {
        panic!("a pipe is not TCP");
    };
    assert!(read_ahead.is_empty());
    let mut seen = [0; 5];
    stream.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"early");
    stream.write_all(b"to you").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"to you");
}

fn answered(config: &Config, more: &[&str]) -> (HeaderMap, Option<u8>) {
    let headers: Vec<&str> = UPGRADE.iter().chain(more).copied().collect();
    let parts = head("GET", "/socket.io/?EIO=4&transport=websocket", &headers);
    let (response, negotiated) = switching_protocols(config, &parts, true);
    assert_eq!(response.status(), 101);
    (response.into_parts().0.headers, negotiated.deflate.map(WindowBits::get))
}

#[test]
fn the_first_subprotocol_is_echoed() {
    let blanks = format!("Sec-WebSocket-Protocol: a{}b", " ".repeat(14_000));
    let vectors = [
        (&[][..], None),
        (&["Sec-WebSocket-Protocol: chat, superchat"], Some("chat")),
        (&["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: other"], Some("chat")),
        (&["Sec-WebSocket-Protocol:  , chat"], None),
        (&["Sec-WebSocket-Protocol: a b"], None),
        (&[blanks.as_str()], None),
    ];
    for (more, expected) in vectors {
        let (headers, _) = answered(&Config::default(), more);
        let found = headers.get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        assert_eq!(found, expected, "{more:?}");
    }
}

#[test]
fn deflate_is_negotiated_only_when_it_is_on() {
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    let (headers, deflate) = answered(&Config::default(), &[offer]);
    assert!(deflate.is_none() && headers.get("sec-websocket-extensions").is_none());
    let on = config(|c| c.per_message_deflate = Some(DeflateOptions::default()));
    let (headers, deflate) = answered(&on, &[offer]);
    assert_eq!(deflate, Some(15));
    let answer = headers["sec-websocket-extensions"].to_str().unwrap();
    assert!(answer.starts_with("permessage-deflate"), "{answer}");
    assert!(answer.contains("server_no_context_takeover"), "{answer}");
    assert!(answer.contains("client_no_context_takeover"), "{answer}");
    let offers = [
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate",
    ];
    let (headers, deflate) = answered(&on, &offers);
    assert_eq!(deflate, Some(10));
    assert!(headers["sec-websocket-extensions"].to_str().unwrap().ends_with("; server_max_window_bits=10"));
    for other in ["Sec-WebSocket-Extensions: constructor", "Sec-WebSocket-Extensions: ,;,;=", "X-Y: z"] {
        let (headers, deflate) = answered(&on, &[other]);
        assert!(deflate.is_none() && headers.get("sec-websocket-extensions").is_none(), "{other}");
    }
}

#[test]
fn hooks_set_headers_of_the_101_but_not_its_own() {
    let config = config(|c| {
        c.hooks.initial_headers = Some(Arc::new(|headers: &mut HeaderMap, _| {
            headers.insert("x-first", HeaderValue::from_static("1"));
        }));
        c.hooks.headers = Some(Arc::new(|headers: &mut HeaderMap, _| {
            headers.insert("x-each", HeaderValue::from_static("1"));
            headers.insert("upgrade", HeaderValue::from_static("h2c"));
        }));
    });
    let parts = head("GET", "/socket.io/?EIO=4&transport=websocket", &UPGRADE);
    for initial in [true, false] {
        let (response, _) = switching_protocols(&config, &parts, initial);
        assert_eq!(response.headers().contains_key("x-first"), initial);
        assert_eq!(response.headers()["x-each"], "1");
        assert_eq!(response.headers()["upgrade"], "websocket");
    }
}
