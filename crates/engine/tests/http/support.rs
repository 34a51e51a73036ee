//! Heads of requests, raw exchanges over a pipe, and a server with one session that plays the owner of the sessions.
//! What is expected of them is left to the tests.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use trunkline_engine::config::Config;
use trunkline_engine::http::{
    Body, ClientFiles, Refusal, ReplyContext, Route, SessionMethod, Taken, Transport, admit, bad_request_empty,
    is_octet_stream, method_not_served, new_sid, poll_response, post_ok, read_body, refuse, route, serve_connection,
    switching_protocols, take_stream,
};
use trunkline_proto::{EnginePacket, Message, Version, payload};

/// The id of the only session, which is on polling.
pub(crate) const SID: &str = "known";

/// The head of a request; headers as `Name: value`.
pub(crate) fn head(method: &str, uri: &str, headers: &[&str]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for header in headers {
        let (name, value) = header.split_once(": ").expect("headers are written Name: value");
        request = request.header(name, value);
    }
    request.body(()).expect("tests write valid heads").into_parts().0
}

/// The headers of a well-formed upgrade request.
pub(crate) const UPGRADE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A config changed by `change`.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config.validate().expect("tests use valid options");
    config
}

/// A server with one polling session.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) config: Arc<Config>,
    files: Option<ClientFiles>,
    taken: mpsc::UnboundedSender<(Taken, Bytes)>,
}

impl Server {
    /// The server, and the streams that it takes out of upgraded requests.
    pub(crate) fn new(config: Config) -> (Self, mpsc::UnboundedReceiver<(Taken, Bytes)>) {
        let (taken, streams) = mpsc::unbounded_channel();
        let files = config.client_dir.clone().map(ClientFiles::new);
        (Self { config: Arc::new(config), files, taken }, streams)
    }

    /// Serves one end of a pipe; returns the other. The connection ends with its pipe.
    pub(crate) fn pipe(&self) -> DuplexStream {
        let (client, stream) = tokio::io::duplex(64 * 1024);
        let server = self.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| async { Ok::<_, Infallible>(server.answer(request).await) });
            serve_connection(stream, service, &server.config).await
        });
        client
    }

    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body,
    {
        match &self.config.cors {
            Some(cors) => {
                let serve = |request| async { Ok::<_, Infallible>(self.dispatch(request).await) };
                cors.apply(request, serve).await.unwrap_or_default()
            }
            None => self.dispatch(request).await,
        }
    }

    async fn dispatch<B: http_body::Body>(&self, mut request: Request<B>) -> Response<Body> {
        let upgraded = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        match route(&self.config, &parts) {
            Route::NotOurs => not_found(),
            Route::ClientFile(name) => match &self.files {
                Some(files) => files.respond(name, &parts).await,
                None => not_found(),
            },
            Route::Refused(refusal) => refuse(&self.config, &parts, refusal),
            Route::Handshake { version, transport, .. } => {
                let response = self.handshake(&parts, version, transport, upgraded).await;
                response.unwrap_or_else(|refusal| refuse(&self.config, &parts, refusal))
            }
            Route::Session { sid, transport, upgrade, method, version, query } => {
                if sid != SID {
                    return refuse(&self.config, &parts, Refusal::UNKNOWN_SID.with_detail(sid));
                }
                if upgrade {
                    return self.upgrade(&parts, upgraded, false);
                }
                if transport != Transport::Polling {
                    return refuse(&self.config, &parts, Refusal::TRANSPORT_MISMATCH);
                }
                let context = ReplyContext::prepare(&self.config, &parts, None);
                match method {
                    SessionMethod::Get => {
                        let jsonp = query.j.as_deref();
                        self.packets(&context, version, &[message("hello")], jsonp)
                    }
                    SessionMethod::Post => self.post(&parts, &context, body).await,
                    SessionMethod::Other => method_not_served(),
                }
            }
        }
    }

    async fn handshake(
        &self,
        parts: &Parts,
        version: Version,
        transport: Transport,
        upgraded: hyper::upgrade::OnUpgrade,
    ) -> Result<Response<Body>, Refusal> {
        admit(&self.config, parts).await?;
        let sid = new_sid(&self.config, parts).await?;
        if transport == Transport::WebSocket {
            return Ok(self.upgrade(parts, upgraded, true));
        }
        let context = ReplyContext::prepare(&self.config, parts, Some(&sid));
        Ok(self.packets(&context, version, &[EnginePacket::Open("{}".into())], None))
    }

    fn upgrade(&self, parts: &Parts, upgraded: hyper::upgrade::OnUpgrade, initial: bool) -> Response<Body> {
        let (response, _) = switching_protocols(&self.config, parts, initial);
        let taken = self.taken.clone();
        tokio::spawn(async move {
            if let Ok(upgraded) = upgraded.await {
                let _ = taken.send(take_stream(upgraded));
            }
        });
        response
    }

    async fn post<B: http_body::Body>(&self, parts: &Parts, context: &ReplyContext, body: B) -> Response<Body> {
        if is_octet_stream(&parts.headers) {
            return bad_request_empty();
        }
        match read_body(body, self.config.max_http_buffer_size, self.config.body_timeout).await {
            Ok(_) => post_ok(context),
            Err(error) => error.into_response(),
        }
    }

    fn packets(
        &self,
        context: &ReplyContext,
        version: Version,
        packets: &[EnginePacket],
        jsonp: Option<&str>,
    ) -> Response<Body> {
        let payload = payload::encode(version, true, packets);
        poll_response(&self.config, context, payload, jsonp, true)
    }
}

/// What a server of these options answers to `request`, whole, without the `date`; the connection has to end with it.
pub(crate) async fn exchange(config: Config, request: &str) -> String {
    let (server, _streams) = Server::new(config);
    let mut client = server.pipe();
    client.write_all(request.as_bytes()).await.expect("the server reads");
    read_to_end(&mut client).await
}

/// Reads until the other side closes, and drops the `date` headers.
pub(crate) async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("the server closes in order");
    without_date(&String::from_utf8_lossy(&bytes))
}

/// Reads one answer's head, and drops its `date`.
pub(crate) async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.expect("the head comes whole"));
    }
    without_date(&String::from_utf8_lossy(&bytes))
}

/// One service for hyper.
pub(crate) async fn answer_incoming(server: Server, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(server.answer(request).await)
}

fn message(text: &'static str) -> EnginePacket {
    EnginePacket::Message(Message::Text(text.into()))
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("not ours"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn without_date(text: &str) -> String {
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
    lines.collect()
}
