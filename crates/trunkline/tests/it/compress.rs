//! The flag that lets a message be compressed or not, over both transports and on every way of emitting. Thresholds and
//! what a client has to accept are the part of the official clients' tests.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use trunkline::{Server, Socket};

use crate::peer::Polling;
use crate::support::{Seen, listen, seen};

/// Long enough to be worth it.
const TEXT: &str = "a text that is said again and again, a text that is said again and again";

async fn server() -> (Server, SocketAddr, Seen<Socket>) {
    let io = Server::builder().shards(1).http_compression(Some(16)).per_message_deflate(16).build().await.unwrap();
    let (told, sockets) = seen();
    io.on_connect(move |socket: Socket| {
        let _ = told.send(socket);
        async {}
    });
    let address = listen(&io).await;
    (io, address, sockets)
}

/// Emits in this way, by its number; `None` when there is no such way.
fn emit(way: usize, compress: bool, io: &Server, socket: &Socket) -> Option<()> {
    match way {
        0 => drop(io.compress(compress).emit("event", TEXT)),
        1 => drop(io.compress(compress).to(socket.id()).emit("event", TEXT)),
        2 => drop(io.compress(compress).local().emit("event", TEXT)),
        3 => drop(socket.compress(compress).emit("event", TEXT)),
        4 => {
            let emitter = socket.compress(compress);
            tokio::spawn(async move { emitter.emit_with_ack::<()>("event", TEXT).await });
        }
        5 => {
            let io = io.compress(compress);
            tokio::spawn(async move { io.emit_with_ack::<()>("event", TEXT).await });
        }
        _ => return None,
    }
    Some(())
}

#[tokio::test]
async fn a_polling_answer_is_compressed_unless_its_message_says_no() {
    let (io, address, mut sockets) = server().await;
    let client = Polling::joined(address).await;
    let socket = sockets.next().await;
    for way in 0.. {
        for compress in [true, false] {
            let Some(()) = emit(way, compress, &io, &socket) else { return };
            let answer = client.get(&["accept-encoding: gzip"]).await;
            assert_eq!(answer.header("content-encoding") == Some("gzip"), compress, "way {way}: {answer:?}");
            assert!(compress || answer.packets()[0].contains(TEXT));
        }
    }
}

#[tokio::test]
async fn a_message_that_is_emitted_as_usual_may_be_compressed() {
    let (io, address, mut sockets) = server().await;
    let mut wire = Frames::open(address).await;
    let socket = sockets.next().await;
    io.emit("event", TEXT);
    assert!(wire.next_is_deflated().await);
    socket.emit("event", TEXT);
    assert!(wire.next_is_deflated().await);
}

#[tokio::test]
async fn a_message_over_websocket_is_deflated_unless_it_says_no() {
    let (io, address, mut sockets) = server().await;
    let mut wire = Frames::open(address).await;
    let socket = sockets.next().await;
    for way in 0.. {
        for compress in [true, false] {
            let Some(()) = emit(way, compress, &io, &socket) else { return };
            assert_eq!(wire.next_is_deflated().await, compress, "way {way}");
        }
    }
}

#[tokio::test]
async fn a_volatile_message_keeps_the_flag() {
    let (io, address, mut sockets) = server().await;
    let mut wire = Frames::open(address).await;
    let socket = sockets.next().await;
    for compress in [true, false] {
        io.volatile().compress(compress).emit("event", TEXT);
        assert_eq!(wire.next_is_deflated().await, compress);
        socket.volatile().compress(compress).emit("event", TEXT);
        assert_eq!(wire.next_is_deflated().await, compress);
    }
}

/// A WebSocket with per-message deflate, seen frame by frame.
struct Frames(TcpStream);

impl Frames {
    /// Opens it and joins the main namespace.
    async fn open(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\n\
                    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                    sec-websocket-extensions: permessage-deflate\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(String::from_utf8(head).unwrap().contains("permessage-deflate"));
        let mut frames = Self(stream);
        frames.next_is_deflated().await;
        // A masked text frame: `40`.
        frames.0.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).await.unwrap();
        frames.next_is_deflated().await;
        frames
    }

    /// Whether the next frame, which is a short one, is deflated.
    async fn next_is_deflated(&mut self) -> bool {
        const RSV1: u8 = 0x40;
        let first = self.0.read_u8().await.unwrap();
        let len = match self.0.read_u8().await.unwrap() {
            126 => usize::from(self.0.read_u16().await.unwrap()),
            len => usize::from(len),
        };
        self.0.read_exact(&mut vec![0; len]).await.unwrap();
        first & RSV1 != 0
    }
}
