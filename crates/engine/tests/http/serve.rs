//! One connection and its bounds: slow and long heads, silence, pipelining, cut requests, an orderly end.

use std::convert::Infallible;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use http::Response;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use trunkline_engine::config::Config;
use trunkline_engine::http::{Body, serve_connection, serve_connection_until};

use crate::support::{Server, answer_incoming, read_head, read_to_end};

const POLL: &str = "GET /socket.io/?EIO=4&transport=polling&sid=known HTTP/1.1\r\nHost: x\r\n";

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_closed_after_10_seconds_however_it_trickles() {
    let (server, _streams) = Server::new(Config::default());
    let (mut reader, mut writer) = tokio::io::split(server.pipe());
    let start = Instant::now();
    let trickle = tokio::spawn(async move {
        writer.write_all(POLL.as_bytes()).await?;
        loop {
            writer.write_all(b"X: y\r\n").await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok::<(), std::io::Error>(())
    });
    assert_eq!(read_to_end(&mut reader).await, "");
    assert_eq!(start.elapsed().as_secs(), 10);
    trickle.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_connection_before_and_between_requests() {
    let (server, _streams) = Server::new(Config::default());
    let mut client = server.pipe();
    let start = Instant::now();
    assert_eq!(read_to_end(&mut client).await, "");
    assert_eq!(start.elapsed().as_secs(), 10);

    let mut client = server.pipe();
    client.write_all(format!("{POLL}\r\n").as_bytes()).await.unwrap();
    let start = Instant::now();
    let answer = read_to_end(&mut client).await;
    assert!(answer.ends_with("4hello"), "{answer}");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_answer_is_not_cut_by_the_deadline_of_heads() {
    let (mut client, stream) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let service = service_fn(|_| async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok::<_, Infallible>(Response::new(Body::from("late")))
        });
        serve_connection(stream, service, &Config::default()).await
    });
    client.write_all(format!("{POLL}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let answer = read_to_end(&mut client).await;
    assert!(answer.ends_with("late"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_cut_after_30_seconds() {
    let (client, stream) = tokio::io::duplex(1024);
    let serving = tokio::spawn(async move {
        let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::from("4".repeat(100_000)))) });
        serve_connection(stream, service, &Config::default()).await
    });
    let (mut reader, mut writer) = tokio::io::split(client);
    writer.write_all(format!("{POLL}\r\n").as_bytes()).await.unwrap();
    let start = Instant::now();
    // One that reads something now and then is slow, not gone.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        reader.read_exact(&mut [0; 1024]).await.unwrap();
    }
    serving.await.unwrap().unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 90);
}

#[tokio::test]
async fn an_answer_is_not_lost_though_its_request_is_still_being_sent() {
    let (server, _streams) = Server::new(Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let serving = tokio::spawn(async move {
        let service = service_fn(|request| answer_incoming(server.clone(), request));
        serve_connection(stream, service, &server.config).await
    });
    let head = "POST /socket.io/?EIO=4&transport=polling&sid=known HTTP/1.1\r\nHost: x\r\n";
    let body = "4".repeat(8_000_000);
    client.write_all(format!("{head}Content-Length: 8000000\r\n\r\n{body}").as_bytes()).await.unwrap();
    assert_eq!(
        read_to_end(&mut client).await,
        "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    drop(client);
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_waits_a_second_for_its_peer() {
    let (mut client, stream) = tokio::io::duplex(1024);
    let serving = tokio::spawn(async move {
        let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::default())) });
        serve_connection(stream, service, &Config::default()).await
    });
    client.write_all(format!("{POLL}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let start = Instant::now();
    read_to_end(&mut client).await;
    assert_eq!(start.elapsed().as_millis(), 0);
    serving.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_millis(), 1000);
}

#[tokio::test]
async fn heads_are_bounded_in_number_and_length() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let many = format!("{POLL}{upgrade}{}\r\n", "X: y\r\n".repeat(2000));
    let long = format!("{POLL}X: {}\r\n\r\n", "y".repeat(20_000));
    let line = format!("GET /socket.io/?x={} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(100_000));
    let endless = "X: y\r\n".repeat(100_000);
    let endless = format!("{POLL}{endless}");
    for (name, head) in [("many", many), ("long", long), ("line", line), ("endless", endless)] {
        let (server, _streams) = Server::new(Config::default());
        let (mut reader, mut writer) = tokio::io::split(server.pipe());
        let writing = tokio::spawn(async move { writer.write_all(head.as_bytes()).await });
        let answer = read_to_end(&mut reader).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "431" | "414"), "{name}: {answer}");
        // Cut by the end of the connection, or taken whole into its buffer: it must not hang.
        let _ = writing.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_400() {
    for junk in [
        "\u{16}\u{3}\u{1}\u{2}\0 hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nX\u{1}: y\r\n\r\n",
        "GET / HTTP/1.1\r\nOrigin: http://\u{1}\r\n\r\n",
    ] {
        let (server, _streams) = Server::new(Config::default());
        let mut client = server.pipe();
        client.write_all(junk.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{junk:?}: {answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_one_at_a_time() {
    let (server, _streams) = Server::new(Config::default());
    let (mut reader, mut writer) = tokio::io::split(server.pipe());
    let post = "POST /socket.io/?EIO=4&transport=polling&sid=known HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n4x";
    let mut requests = format!("{POLL}\r\n{post}").repeat(500);
    requests += &format!("{POLL}Connection: close\r\n\r\n");
    let writing = tokio::spawn(async move { writer.write_all(requests.as_bytes()).await });
    let answers = read_to_end(&mut reader).await;
    writing.await.unwrap().unwrap();
    let bodies: Vec<&str> = answers.split("HTTP/1.1 200 OK").skip(1).collect();
    assert_eq!(bodies.len(), 1001);
    for (index, answer) in bodies.iter().enumerate() {
        let expected = if index % 2 == 0 { "4hello" } else { "ok" };
        assert!(answer.ends_with(expected), "{index}: {answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_wait_unread_behind_one_that_waits() {
    let (mut client, stream) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let service = service_fn(|_| pending::<Result<Response<Body>, Infallible>>());
        serve_connection(stream, service, &Config::default()).await
    });
    let request = format!("{POLL}\r\n");
    let mut written = 0;
    // The pipe is full when the server stops reading; a task of a current-thread runtime has run until it waits by
    // the time that this one is polled again.
    loop {
        let write = client.write_all(request.as_bytes());
        tokio::select! {
            biased;
            result = write => result.unwrap(),
            () = async { for _ in 0..10 { tokio::task::yield_now().await } } => break,
        }
        written += request.len();
        assert!(written < 1_000_000, "the server reads on");
    }
}

#[tokio::test]
async fn a_request_that_is_cut_drops_its_answer() {
    let (began, mut beginnings) = mpsc::unbounded_channel();
    let (mut client, stream) = tokio::io::duplex(1024);
    let serving = tokio::spawn(async move {
        let service = service_fn(|_| {
            began.send(()).unwrap();
            pending::<Result<Response<Body>, Infallible>>()
        });
        serve_connection(stream, service, &Config::default()).await
    });
    client.write_all(format!("{POLL}\r\n").as_bytes()).await.unwrap();
    beginnings.recv().await.unwrap();
    drop(client);
    // It would wait for ever for its answer.
    serving.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn service_and_future_may_stay_on_one_thread() {
    let local = tokio::task::LocalSet::new();
    let (mut client, stream) = tokio::io::duplex(1024);
    local.spawn_local(async move {
        let text = Rc::new("one thread");
        let service = service_fn(move |_| {
            let text = Rc::clone(&text);
            async move { Ok::<_, Infallible>(Response::new(Body::from(*text))) }
        });
        serve_connection(stream, service, &Config::default()).await
    });
    let asking = async {
        client.write_all(format!("{POLL}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        read_to_end(&mut client).await
    };
    let answer = local.run_until(asking).await;
    assert!(answer.ends_with("one thread"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_is_shut_down_answers_what_runs_and_ends() {
    let (mut client, stream) = tokio::io::duplex(1024);
    let (began, mut beginnings) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let service = service_fn(|_| {
            let (answer, answered) = oneshot::channel::<&'static str>();
            began.send(answer).unwrap();
            async move { Ok::<_, Infallible>(Response::new(Body::from(answered.await.unwrap()))) }
        });
        let shutdown = async { stopped.await.unwrap_or_default() };
        serve_connection_until(stream, service, &Config::default(), shutdown).await
    });
    client.write_all(format!("{POLL}\r\n").as_bytes()).await.unwrap();
    let answer = beginnings.recv().await.unwrap();
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    answer.send("last words").unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "last words");
    drop(client);
    serving.await.unwrap().unwrap();
}
