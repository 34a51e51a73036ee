//! Under whom the server may serve: axum, hyper, itself; and that the stream under a WebSocket leaves the runtime it
//! came from. What is served is tested elsewhere.

use std::net::SocketAddr;

use axum::routing::get;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use trunkline::testing::Client;
use trunkline::{NotFound, Socket};

use crate::peer::request;
use crate::support::{answer_barriers, barrier, seen, server, server_of};

async fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Both transports work under this address, and the application answers beside them.
async fn works(address: SocketAddr, page: (u16, &str)) {
    let client = Client::dial(address).await.unwrap();
    barrier(&client.connect("/", json!({})).await.unwrap()).await;
    let open = request(address, "GET", "/socket.io/?EIO=4&transport=polling", &[], "").await;
    assert_eq!(open.status, 200);
    assert!(open.text().starts_with("0{"));
    let answer = request(address, "GET", "/page", &[], "").await;
    assert_eq!((answer.status, &*answer.text()), page);
}

#[tokio::test]
async fn it_is_a_layer_of_an_axum_application() {
    let io = server().await;
    answer_barriers(&io);
    let (listener, address) = bind().await;
    let app = axum::Router::new().route("/page", get(|| async { "page" })).layer(io.layer());
    tokio::spawn(async move { axum::serve(listener, app).await });
    works(address, (200, "page")).await;
}

#[tokio::test]
async fn it_is_a_service_of_hyper_alone() {
    let io = server().await;
    answer_barriers(&io);
    let (listener, address) = bind().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = io.service();
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    works(address, (404, "")).await;
}

#[tokio::test]
async fn it_serves_by_itself_with_and_without_an_application() {
    let io = server_of(2).await;
    answer_barriers(&io);
    let ((alone, alone_at), (with_app, with_app_at)) = (bind().await, bind().await);
    let app = axum::Router::new().route("/page", get(|| async { "page" }));
    let (one, other) = (io.clone(), io.clone());
    let serving = [
        tokio::spawn(async move { one.serve(alone, NotFound).await }),
        tokio::spawn(async move { other.serve(with_app, app).await }),
    ];
    works(alone_at, (404, "")).await;
    works(with_app_at, (200, "page")).await;
    io.close().await;
    for serving in serving {
        serving.await.unwrap().unwrap();
    }
}

/// A stream that were not plain TCP would stay with the runtime that accepted it, and die with it.
#[test]
fn under_axum_the_stream_is_taken_out_as_plain_tcp() {
    let of_axum = tokio::runtime::Runtime::new().unwrap();
    let of_client = tokio::runtime::Runtime::new().unwrap();
    let io = of_client.block_on(server());
    answer_barriers(&io);
    let app = axum::Router::new().layer(io.layer());
    let (listener, address) = of_axum.block_on(bind());
    of_axum.spawn(async move { axum::serve(listener, app).await });
    let (_client, socket) = of_client.block_on(async {
        let client = Client::dial(address).await.unwrap();
        let socket = client.connect("/", json!({})).await.unwrap();
        (client, socket)
    });

    of_axum.shutdown_timeout(trunkline::testing::DEADLINE);

    of_client.block_on(barrier(&socket));
}

/// What does not leave the runtime takes the same road: a pipe is no TCP.
#[tokio::test]
async fn a_stream_that_is_not_tcp_is_served_all_the_same() {
    let io = server().await;
    answer_barriers(&io);
    let client = Client::open(&io).await.unwrap();
    barrier(&client.connect("/", json!({})).await.unwrap()).await;
}

#[tokio::test]
async fn closing_goes_with_the_graceful_shutdown_of_axum() {
    let io = server_of(2).await;
    let (told, mut connected) = seen();
    io.on_connect(move |_: Socket| {
        let _ = told.send(());
        async {}
    });
    let (listener, address) = bind().await;
    let app = axum::Router::new().route("/page", get(|| async { "page" })).layer(io.layer());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving =
        tokio::spawn(
            async move { axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) }).await },
        );
    let client = Client::dial(address).await.unwrap();
    let _socket = client.connect("/", json!({})).await.unwrap();
    connected.next().await;
    // A poll that waits for an event holds up axum's end, unless the server is closed.
    let open = request(address, "GET", "/socket.io/?EIO=4&transport=polling", &[], "").await;
    let sid = serde_json::from_str::<serde_json::Value>(&open.text()[1..]).unwrap()["sid"].as_str().unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    request(address, "POST", &path, &[], "40").await;
    let first = request(address, "GET", &path, &[], "").await;
    assert!(first.text().starts_with("40"));
    let (waiting_at, waiting_path) = (address, path.clone());
    let waiting = tokio::spawn(async move { request(waiting_at, "GET", &waiting_path, &[], "").await });

    stop.send(()).unwrap();
    io.close().await;
    client.ended().await.unwrap();
    serving.await.unwrap().unwrap();
    drop(waiting);
}
