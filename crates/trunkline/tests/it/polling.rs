//! A client that polls by hand, for tests that are about when a GET waits and what its answer is. What clients of the
//! library's own do over WebSocket is `trunkline::testing`.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer: its head, in lower case, and its body.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The packets of the body, which is text.
    pub(crate) fn packets(&self) -> Vec<String> {
        String::from_utf8(self.body.clone()).unwrap().split('\u{1e}').map(str::to_owned).collect()
    }
}

/// A session over polling.
#[derive(Clone)]
pub(crate) struct Polling {
    address: SocketAddr,
    path: String,
    pub(crate) open: Vec<String>,
}

impl Polling {
    /// Opens a session that has joined nothing.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut polling = Self { address, path: "/socket.io/?EIO=4&transport=polling".to_owned(), open: Vec::new() };
        polling.open = polling.get().await;
        let open: Value = serde_json::from_str(&polling.open[0][1..]).unwrap();
        polling.path.push_str(&format!("&sid={}", open["sid"].as_str().unwrap()));
        polling
    }

    /// Opens a session that has joined the main namespace.
    pub(crate) async fn join(address: SocketAddr) -> Self {
        let polling = Self::open(address).await;
        polling.post("40").await;
        assert!(polling.get().await[0].starts_with("40{"));
        polling
    }

    /// Where its requests go.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) async fn post(&self, body: &str) {
        assert_eq!(self.request("POST", "", body).await.body, b"ok");
    }

    /// The packets of the next answer.
    pub(crate) async fn get(&self) -> Vec<String> {
        self.get_with("").await.packets()
    }

    /// The next answer to a GET with these header lines.
    pub(crate) async fn get_with(&self, headers: &str) -> Answer {
        self.request("GET", headers, "").await
    }

    /// On a connection of its own, which the server is asked to close behind the answer.
    async fn request(&self, method: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{method} {} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: text/plain;charset=UTF-8\r\n\
             content-length: {}\r\n{headers}\r\n{body}",
            self.path,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        Answer { head: String::from_utf8(answer).unwrap().to_lowercase(), body }
    }
}
