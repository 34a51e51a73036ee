//! Layers of the application in front of the server: what they see, how they end a request, and what becomes of it when
//! they fail. Serving under axum as such is the part of `serving`.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use trunkline::service::{Layer, Service};
use trunkline::{Cors, Server};

use crate::peer::{POLLING, Polling, WEBSOCKET, WebSocket, get, plain, refused_upgrade, request};
use crate::support::{answer_barriers, seen, server};

async fn serve(app: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Both transports work through what is in front.
async fn works(address: SocketAddr) {
    let session = Polling::joined(address).await;
    session.post("420[\"barrier\"]").await;
    assert_eq!(session.poll().await, "430[]");
    let mut upgrade = session.upgrade().await;
    upgrade.say("2probe").await;
    assert_eq!(upgrade.hear().await, "3probe");
    let mut websocket = WebSocket::dial(address, WEBSOCKET).await;
    assert!(websocket.hear().await.starts_with("0{"));
    websocket.say("40").await;
    assert!(websocket.hear().await.starts_with("40{"));
    websocket.say("420[\"barrier\"]").await;
    assert_eq!(websocket.hear().await, "430[]");
}

#[tokio::test]
async fn layers_see_polling_and_upgrade_requests_in_their_order() {
    let io = server().await;
    answer_barriers(&io);
    let (tell, mut told) = seen();
    let watch = |name: &'static str| {
        let tell = tell.clone();
        from_fn(move |request: Request, next: Next| {
            let kind = if request.headers().contains_key("upgrade") { "upgrade" } else { request.method().as_str() };
            let _ = tell.send(format!("{name} {kind}"));
            next.run(request)
        })
    };
    // The last layer is the outermost.
    let app = axum::Router::new().layer(io.layer()).layer(watch("second")).layer(watch("first"));
    works(serve(app).await).await;
    let kinds = ["GET", "POST", "GET", "POST", "GET", "upgrade", "upgrade"];
    let expected: Vec<_> = kinds.iter().flat_map(|kind| [format!("first {kind}"), format!("second {kind}")]).collect();
    assert_eq!(told.rest(), expected);
}

#[tokio::test]
async fn a_layer_may_end_polling_and_upgrade_requests_itself() {
    let io = server().await;
    answer_barriers(&io);
    let deny = from_fn(|request: Request, next: Next| async move {
        match request.headers().contains_key("x-deny") {
            true => (StatusCode::IM_A_TEAPOT, "tea only").into_response(),
            false => next.run(request).await,
        }
    });
    let address = serve(axum::Router::new().layer(io.layer()).layer(deny)).await;
    let connections = io.connections();
    let denied = ["x-deny: 1"];
    let polling = get(address, POLLING, &denied).await;
    assert_eq!((polling.status, &*polling.text()), (418, "tea only"));
    let websocket = refused_upgrade(address, WEBSOCKET, &["x-deny: 1", "connection: close"]).await;
    assert_eq!((websocket.status, &*websocket.text()), (418, "tea only"));
    // A session that exists is no exception.
    let session = Polling::open(address).await;
    assert_eq!(request(address, "POST", &session.path(), &denied, "40").await.status, 418);
    assert_eq!(io.connections(), connections + 1);
    works(address).await;
}

/// A layer that fails when it is told to.
#[derive(Clone)]
struct Failing;

#[derive(Clone)]
struct FailingService<S>(S);

impl<S> Layer<S> for Failing {
    type Service = FailingService<S>;

    fn layer(&self, inner: S) -> FailingService<S> {
        FailingService(inner)
    }
}

impl<S> Service<Request> for FailingService<S>
where
    S: Service<Request, Response: Send + 'static, Error = std::convert::Infallible, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = std::io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(|never| match never {})
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.headers().contains_key("x-fail") {
            return Box::pin(async { Err(std::io::Error::other("the session store is away")) });
        }
        let answer = self.0.call(request);
        Box::pin(async move { answer.await.map_err(|never| match never {}) })
    }
}

#[tokio::test]
async fn a_layer_that_fails_refuses_with_code_3_on_either_transport_and_the_application_is_told() {
    let (tell, mut told) = seen();
    let io = Server::builder()
        .shards(1)
        .cors(Cors::any())
        .on_connection_error(move |error| {
            let _ =
                tell.send((error.code, error.context, error.detail.map(str::to_owned), error.request.uri.to_string()));
        })
        .build()
        .await
        .unwrap();
    answer_barriers(&io);
    let own = |error: std::io::Error| async move { (StatusCode::BAD_GATEWAY, error.to_string()) };
    let app = axum::Router::new().layer(io.layer()).layer((HandleErrorLayer::new(own), io.refuse_failures(), Failing));
    let address = serve(app).await;

    let failing = ["x-fail: 1"];
    let polling = get(address, POLLING, &failing).await;
    assert_eq!((polling.status, &*polling.text()), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(polling.header("access-control-allow-origin"), Some("*"));
    let websocket = refused_upgrade(address, WEBSOCKET, &failing).await;
    assert_eq!((websocket.status, &*websocket.text()), (400, "Bad request"));
    assert_eq!(websocket.header("content-type"), Some("text/html"));
    for path in [POLLING, WEBSOCKET] {
        let why = Some("the session store is away".to_owned());
        assert_eq!(told.next().await, (3, "MIDDLEWARE_FAILURE", why, path.to_owned()));
    }

    // Errors of other requests stay the application's.
    let other = get(address, "/page", &failing).await;
    assert_eq!((other.status, &*other.text()), (502, "the session store is away"));
    works(address).await;
    assert!(told.rest().is_empty());
}

async fn pass_on(request: Request, next: Next) -> Response {
    next.run(request).await
}

#[tokio::test]
async fn the_limit_of_bodies_and_messages_holds_behind_layers_too() {
    let io = Server::builder().shards(1).max_http_buffer_size(100).build().await.unwrap();
    answer_barriers(&io);
    let app = axum::Router::new().layer(io.layer()).layer(from_fn(pass_on)).layer(from_fn(pass_on));
    let address = serve(app).await;

    let session = Polling::joined(address).await;
    session.post(&format!("420[\"barrier\",\"{}\"]", "x".repeat(80))).await;
    let over = format!("420[\"barrier\",\"{}\"]", "x".repeat(200));
    let answer = request(address, "POST", &session.path(), &[], &over).await;
    assert_eq!((answer.status, answer.body.len()), (413, 0));
    assert_eq!(session.poll().await, "430[]", "nothing of it was delivered, and the session lives");
    // The same without a length that is known before.
    let chunked = String::from_utf8(plain("POST", &session.path(), &["transfer-encoding: chunked"], "")).unwrap();
    let chunked = chunked.replace("content-length: 0\r\n", "") + &format!("{:x}\r\n{over}\r\n0\r\n\r\n", over.len());
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    assert_eq!(crate::peer::exchange(stream, chunked.as_bytes()).await.status, 413);

    let mut websocket = WebSocket::dial(address, WEBSOCKET).await;
    websocket.hear().await;
    websocket.say(&over).await;
    assert_eq!(websocket.close_code().await, Some(1009));
}
