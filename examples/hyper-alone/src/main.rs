//! Socket.IO on hyper, without a framework: an accept loop of our own, a page of our own, and the server before it.
//! Where nothing of this is needed, `Server::serve` is shorter, and keeps each connection on one thread.
//!
//! ```text
//! cargo run -p hyper-alone
//! ```

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use trunkline::service::Layer;
use trunkline::{Args, PeerAddress, Server, Socket};

const PAGE: &str = r#"<!doctype html>
<title>hyper alone</title>
<script src="https://cdn.socket.io/4.8.1/socket.io.min.js"></script>
<p id="clock"></p>
<script>io().on("tick", (count) => { document.getElementById("clock").textContent = count; });</script>
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder().build().await?;
    io.on("echo", |args: Args| async move { args });
    io.on("address", |socket: Socket| async move { socket.handshake().address().map(|address| address.to_string()) });
    tokio::spawn(tick(io.clone()));

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(serve(io.clone(), stream, peer));
    }
}

/// One connection. Upgrades have to be allowed, or there are no WebSockets.
async fn serve(io: Server, stream: tokio::net::TcpStream, peer: SocketAddr) {
    let service = io.layer().layer(service_fn(page));
    // The peer's address is known here alone, and goes with each request.
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        hyper::service::Service::call(&service, request)
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(error) = connection.await {
        eprintln!("{peer}: {error}");
    }
}

/// Everything that is not Socket.IO's.
async fn page(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(PAGE.as_bytes()))))
}

/// Emits from a task of the program's own runtime: the server can be used from everywhere.
async fn tick(io: Server) {
    let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
    for count in 0_u64.. {
        second.tick().await;
        io.emit("tick", count);
    }
}
