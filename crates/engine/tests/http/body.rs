//! Bodies within and over their limit and deadline, from a channel and over the wire.

use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use http_body_util::Full;
use http_body_util::channel::Channel;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use trunkline_engine::config::Config;
use trunkline_engine::http::{BodyError, read_body};

use crate::support::{Server, config, exchange, read_to_end};

const DEADLINE: Duration = Duration::from_secs(10);

fn post(headers: &str) -> String {
    format!("POST /socket.io/?EIO=4&transport=polling&sid=known HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_body_is_read_whole_up_to_the_limit() {
    assert_eq!(read_body(Full::new(Bytes::from("12345")), 5, DEADLINE).await.unwrap(), "12345");
    assert_eq!(read_body(Full::new(Bytes::new()), 5, DEADLINE).await.unwrap(), "");
    for (pieces, expected) in [
        (&["12", "", "345"][..], Ok(Bytes::from("12345"))),
        (&["", "12345"], Ok(Bytes::from("12345"))),
        (&["12", "345", "6"], Err(BodyError::TooLarge)),
    ] {
        let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(8);
        for piece in pieces {
            sender.send_data(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        drop(sender);
        assert_eq!(read_body(body, 5, DEADLINE).await, expected, "{pieces:?}");
    }
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_unread() {
    assert_eq!(read_body(Full::new(Bytes::from("123456")), 5, DEADLINE).await, Err(BodyError::TooLarge));
    let config = || config(|c| c.max_http_buffer_size = 100);
    let too_large = "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    // Nothing of the body is ever sent, nor asked for.
    let announced = post("Content-Length: 1000000000\r\n");
    assert_eq!(exchange(config(), &announced).await, too_large);
    let asking = post("Content-Length: 1000000000\r\nExpect: 100-continue\r\n");
    assert_eq!(exchange(config(), &asking).await, too_large);
    let chunked = post("Transfer-Encoding: chunked\r\n") + "64\r\n" + &"4".repeat(100) + "\r\n1\r\n4\r\n";
    assert_eq!(exchange(config(), &chunked).await, too_large);
    let fits =
        post("Transfer-Encoding: chunked\r\nConnection: close\r\n") + "64\r\n" + &"4".repeat(100) + "\r\n0\r\n\r\n";
    let answer = exchange(config(), &fits).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_cut_is_an_error() {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(8);
    sender.send_data(Bytes::from("12")).await.unwrap();
    sender.abort(std::io::ErrorKind::ConnectionReset.into());
    assert_eq!(read_body(body, 5, DEADLINE).await, Err(BodyError::Aborted));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_has_one_deadline_however_it_trickles() {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    let trickle = tokio::spawn(async move {
        while sender.send_data(Bytes::from("1")).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let start = Instant::now();
    assert_eq!(read_body(body, 1000, DEADLINE).await, Err(BodyError::Timeout));
    assert_eq!(start.elapsed(), DEADLINE);
    trickle.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_answered_408_and_closed_after_10_seconds() {
    let (server, _streams) = Server::new(Config::default());
    let mut client = server.pipe();
    let start = Instant::now();
    client.write_all(post("Content-Length: 5\r\n").as_bytes()).await.unwrap();
    client.write_all(b"4x").await.unwrap();
    let answer = read_to_end(&mut client).await;
    assert_eq!(answer, "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn trailers_are_not_counted_as_content() {
    let frames =
        [Ok::<_, std::io::Error>(Frame::data(Bytes::from("12345"))), Ok(Frame::trailers(http::HeaderMap::new()))];
    let stream = Frames(frames.into_iter());
    assert_eq!(read_body(stream, 5, DEADLINE).await.unwrap(), "12345");
}

/// A body of these frames.
struct Frames<I>(I);

impl<I: Iterator<Item = Result<Frame<Bytes>, std::io::Error>> + Unpin> http_body::Body for Frames<I> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(self.0.next())
    }
}
