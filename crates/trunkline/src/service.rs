//! The server as a tower service: its own requests are served, all others go to the application beneath.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
pub use http::{HeaderValue, Request, Response};
use http_body_util::Either;
use tokio::sync::oneshot;
pub use tower_layer::Layer;
pub use tower_service::Service;
use trunkline_delivery::{id_with_place, shard_of};
pub use trunkline_engine::http::Body;
use trunkline_engine::http::{
    self as engine, ClientFiles, Query, Refusal, ReplyContext, Route, SessionMethod, Transport,
};
use trunkline_proto::{Version, payload};

use crate::Server;
use crate::handshake::{Handshake, header_lines};
use crate::mailbox::{Command, NewSession, NewWire, PostBody, Reply};
use crate::server::ServerCore;
use crate::shard;

/// The peer's address of a connection, put into a request's extensions by whoever accepted it.
///
/// [`Server::serve`] does it. Under axum, a middleware can copy it from `ConnectInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Says that a connection is encrypted, put into a request's extensions by whoever accepted it: handlers then find
/// [`Handshake::secure`] true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverTls;

/// A layer that puts the server before an application: `Router::new().route(..).layer(io.layer())`.
#[derive(Clone, Debug)]
pub struct SocketIoLayer {
    endpoint: Endpoint,
}

/// The server before an application; see [`SocketIoLayer`].
#[derive(Clone, Debug)]
pub struct SocketIoService<S> {
    endpoint: Endpoint,
    inner: S,
}

/// An application that has nothing but 404, for servers that stand alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotFound;

#[derive(Clone)]
struct Endpoint {
    server: Arc<ServerCore>,
    files: Option<Arc<ClientFiles>>,
}

impl Server {
    /// The layer for an application of axum or any other tower service.
    ///
    /// It takes the requests under the configured path and leaves all others alone. WebSocket upgrades need the
    /// server beneath to support them, as `axum::serve` and hyper `with_upgrades` do.
    ///
    /// Without a framework it is put before a service with the trait [`Layer`], which is tower's.
    #[must_use]
    pub fn layer(&self) -> SocketIoLayer {
        SocketIoLayer { endpoint: Endpoint::new(self.core().clone()) }
    }

    /// The server as a service of its own, which answers 404 elsewhere.
    #[must_use]
    pub fn service(&self) -> SocketIoService<NotFound> {
        self.layer().layer(NotFound)
    }
}

impl<S> Layer<S> for SocketIoLayer {
    type Service = SocketIoService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SocketIoService { endpoint: self.endpoint.clone(), inner }
    }
}

type ServiceFuture<B, E> = Pin<Box<dyn Future<Output = Result<Response<Either<Body, B>>, E>> + Send>>;

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for SocketIoService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: http_body::Body<Error: Send> + Send + 'static,
    ReqBody::Data: Send,
    ResBody: 'static,
{
    type Response = Response<Either<Body, ResBody>>;
    type Error = S::Error;
    type Future = ServiceFuture<ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match engine::route(&self.endpoint.server.config, &parts) {
            Route::NotOurs => {
                let answer = self.inner.call(Request::from_parts(parts, body));
                Box::pin(async move { Ok(answer.await?.map(Either::Right)) })
            }
            route => {
                let endpoint = self.endpoint.clone();
                Box::pin(async move { Ok(endpoint.answer(route, parts, body).await.map(Either::Left)) })
            }
        }
    }
}

impl<S, ReqBody, ResBody> hyper::service::Service<Request<ReqBody>> for SocketIoService<S>
where
    S: hyper::service::Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    ReqBody: http_body::Body<Error: Send> + Send + 'static,
    ReqBody::Data: Send,
    ResBody: 'static,
{
    type Response = Response<Either<Body, ResBody>>;
    type Error = S::Error;
    type Future = ServiceFuture<ResBody, S::Error>;

    fn call(&self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match engine::route(&self.endpoint.server.config, &parts) {
            Route::NotOurs => {
                let answer = self.inner.call(Request::from_parts(parts, body));
                Box::pin(async move { Ok(answer.await?.map(Either::Right)) })
            }
            route => {
                let endpoint = self.endpoint.clone();
                Box::pin(async move { Ok(endpoint.answer(route, parts, body).await.map(Either::Left)) })
            }
        }
    }
}

fn not_found<E>() -> std::future::Ready<Result<Response<Body>, E>> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    std::future::ready(Ok(response))
}

impl<B> Service<Request<B>> for NotFound {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        not_found()
    }
}

impl<B> hyper::service::Service<Request<B>> for NotFound {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn call(&self, _: Request<B>) -> Self::Future {
        not_found()
    }
}

impl Endpoint {
    fn new(server: Arc<ServerCore>) -> Self {
        let dir = server.config.client_dir.clone().filter(|_| server.config.serve_client);
        let files = dir.map(|dir| Arc::new(ClientFiles::new(dir)));
        Self { server, files }
    }

    async fn answer<B>(self, route: Route, parts: Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Error: Send> + Send + 'static,
        B::Data: Send,
    {
        let cors = self.server.config.cors.clone();
        let request = Request::from_parts(parts, body);
        let Some(cors) = cors else {
            return self.route(route, request).await;
        };
        let answer =
            cors.apply(request, |request| async move { Ok::<_, Infallible>(self.route(route, request).await) });
        answer.await.unwrap_or_else(|never| match never {})
    }

    async fn route<B>(self, route: Route, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Error: Send> + Send + 'static,
        B::Data: Send,
    {
        let (mut parts, body) = request.into_parts();
        match route {
            Route::NotOurs => Response::default(),
            Route::ClientFile(name) => match &self.files {
                Some(files) => files.respond(name, &parts).await,
                None => self.refuse(&parts, Refusal::TRANSPORT_UNKNOWN),
            },
            Route::Refused(refusal) => self.refuse(&parts, refusal),
            Route::Handshake { version, transport, query } => match transport {
                Transport::Polling => self.handshake_polling(&parts, version, &query).await,
                Transport::WebSocket => self.handshake_websocket(&mut parts, version, &query).await,
            },
            Route::Session { sid, version, upgrade: true, query, .. } => {
                self.upgrade(&mut parts, sid, version, &query).await
            }
            Route::Session { transport: Transport::WebSocket, sid, version, query, .. } => {
                self.wrong_transport(&parts, sid, version, &query).await
            }
            Route::Session { sid, version, method, query, .. } => match method {
                SessionMethod::Get => self.poll(&parts, sid, version, &query).await,
                SessionMethod::Post => self.post(&parts, sid, version, &query, body).await,
                SessionMethod::Other => self.touch(&parts, sid, version, &query).await,
            },
        }
    }

    fn refuse(&self, parts: &Parts, refusal: Refusal) -> Response<Body> {
        engine::refuse(&self.server.config, parts, refusal)
    }

    /// A session id, and the shard that it belongs to.
    async fn new_sid(&self, parts: &Parts) -> Result<(String, usize), Refusal> {
        let shards = self.server.shards();
        if self.server.config.hooks.generate_id.is_some() {
            let sid = engine::new_sid(&self.server.config, parts).await?;
            let shard = shard_of(&sid, shards);
            return Ok((sid, shard));
        }
        if let Some(shard) = shard::current(&self.server) {
            return Ok((shard.new_id(), shard.index()));
        }
        let shard = self.server.pick_shard();
        let mut random = [0; 14];
        getrandom::fill(&mut random).map_err(|error| Refusal::ID_GENERATION_ERROR.with_detail(error.to_string()))?;
        let [head @ .., a, b] = random;
        Ok((id_with_place(head, u8::try_from(shard).unwrap_or(u8::MAX), u16::from_be_bytes([a, b])), shard))
    }

    async fn handshake_polling(&self, parts: &Parts, version: Version, query: &Query) -> Response<Body> {
        let (sid, shard) = match self.admit(parts).await {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse(parts, refusal),
        };
        let context = ReplyContext::prepare(&self.server.config, parts, Some(&sid));
        let handshake = Arc::new(Handshake::new(parts, &query.all));
        let (reply, answer) = oneshot::channel();
        let b64 = query.b64 || query.j.is_some();
        let session = NewSession { sid, version, handshake, b64, wire: NewWire::Polling(reply) };
        self.server.mailbox(shard).send(Command::Open(Box::new(session)));
        self.poll_answer(parts, &context, version, query, answer.await)
    }

    async fn admit(&self, parts: &Parts) -> Result<(String, usize), Refusal> {
        engine::admit(&self.server.config, parts).await?;
        self.new_sid(parts).await
    }

    async fn handshake_websocket(&self, parts: &mut Parts, version: Version, query: &Query) -> Response<Body> {
        let (sid, shard) = match self.admit(parts).await {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse(parts, refusal),
        };
        let (response, negotiated) = engine::switching_protocols(&self.server.config, parts, true);
        let handshake = Arc::new(Handshake::new(parts, &query.all));
        let server = self.server.clone();
        self.take_stream(parts, move |stream, leftover| {
            let wire = NewWire::WebSocket { stream, leftover, deflate: negotiated.deflate };
            let session = NewSession { sid, version, handshake, b64: false, wire };
            match shard::current(&server).filter(|current| current.index() == shard) {
                Some(shard) => shard.open(session),
                None => server.mailbox(shard).send(Command::Open(Box::new(session))),
            }
        });
        response
    }

    async fn upgrade(&self, parts: &mut Parts, sid: String, version: Version, query: &Query) -> Response<Body> {
        let (shard, sid) = self.place_of(sid);
        let answer = self.ask(shard, |reply| Command::ProbeBegin { sid: sid.clone(), version, reply }).await;
        let goes_on = match answer {
            Some(Reply::Go) => true,
            Some(Reply::NoUpgrade) => false,
            other => return self.refuse(parts, refusal_of(other.as_ref(), query)),
        };
        let (response, negotiated) = engine::switching_protocols(&self.server.config, parts, false);
        let server = self.server.clone();
        self.take_stream(parts, move |stream, leftover| {
            // Refused ones are closed right after the 101, as the reference does.
            if goes_on {
                let deflate = negotiated.deflate;
                server.mailbox(shard).send(Command::Probe { sid, stream, leftover, deflate });
            }
        });
        response
    }

    /// Gives the stream under this request to `take` when the 101 has been written.
    fn take_stream(&self, parts: &mut Parts, take: impl FnOnce(engine::Taken, Bytes) + Send + 'static) {
        let mut request = Request::new(());
        std::mem::swap(request.extensions_mut(), &mut parts.extensions);
        let upgrade = hyper::upgrade::on(request);
        let taking = async move {
            if let Ok(upgraded) = upgrade.await {
                let (stream, leftover) = engine::take_stream(upgraded);
                take(stream, leftover);
            }
        };
        if shard::current(&self.server).is_some() {
            tokio::task::spawn_local(taking);
        } else {
            tokio::spawn(taking);
        }
    }

    async fn wrong_transport(&self, parts: &Parts, sid: String, version: Version, query: &Query) -> Response<Body> {
        let (shard, sid) = self.place_of(sid);
        let answer = match self.ask(shard, |reply| Command::Touch { sid, version, reply }).await {
            // The session polls, which is not what this request says.
            Some(Reply::Go) => Some(Reply::TransportMismatch),
            other => other,
        };
        self.refuse(parts, refusal_of(answer.as_ref(), query))
    }

    async fn touch(&self, parts: &Parts, sid: String, version: Version, query: &Query) -> Response<Body> {
        let (shard, sid) = self.place_of(sid);
        match self.ask(shard, |reply| Command::Touch { sid, version, reply }).await {
            Some(Reply::Go) => engine::method_not_served(),
            other => self.refuse(parts, refusal_of(other.as_ref(), query)),
        }
    }

    async fn poll(&self, parts: &Parts, sid: String, version: Version, query: &Query) -> Response<Body> {
        let (shard, sid) = self.place_of(sid);
        let context = ReplyContext::prepare(&self.server.config, parts, None);
        let (reply, answer) = oneshot::channel();
        self.server.mailbox(shard).send(Command::Poll { sid, version, tag: tag_of(query), reply });
        self.poll_answer(parts, &context, version, query, answer.await)
    }

    fn poll_answer(
        &self,
        parts: &Parts,
        context: &ReplyContext,
        version: Version,
        query: &Query,
        answer: Result<Reply, oneshot::error::RecvError>,
    ) -> Response<Body> {
        match answer {
            Ok(Reply::Packets { packets, b64, compress }) => {
                let b64 = b64 || query.j.is_some();
                let payload = payload::encode(version, b64, &packets);
                engine::poll_response(&self.server.config, context, payload, query.j.as_deref(), compress)
            }
            Ok(Reply::Overlap) => engine::bad_request_empty(),
            other => self.refuse(parts, refusal_of(other.ok().as_ref(), query)),
        }
    }

    async fn post<B>(&self, parts: &Parts, sid: String, version: Version, query: &Query, body: B) -> Response<Body>
    where
        B: http_body::Body<Error: Send> + Send + 'static,
        B::Data: Send,
    {
        let (shard, sid) = self.place_of(sid);
        let context = ReplyContext::prepare(&self.server.config, parts, None);
        match self.ask(shard, |reply| Command::PostBegin { sid: sid.clone(), version, tag: tag_of(query), reply }).await
        {
            Some(Reply::Go) => {}
            // It was taken before; the answer to that was lost.
            Some(Reply::Taken) => return engine::post_ok(&context),
            Some(Reply::Overlap) => return engine::bad_request_empty(),
            other => return self.refuse(parts, refusal_of(other.as_ref(), query)),
        }
        let mut running = RunningPost { server: &self.server, shard, sid: sid.clone(), close: Some(true) };
        let binary = engine::is_octet_stream(&parts.headers);
        if binary && version == Version::V4 {
            return engine::bad_request_empty();
        }
        let config = &self.server.config;
        let body = match engine::read_body(body, config.max_http_buffer_size, config.body_timeout).await {
            Ok(body) => body,
            Err(error) => {
                // "413, session stays alive"; a body that was cut ends it.
                running.close = Some(!matches!(error, engine::BodyError::TooLarge));
                return error.into_response();
            }
        };
        let body = match &query.j {
            None => body,
            Some(_) => match payload::jsonp_body(&body) {
                Some(text) => text.into(),
                None => return engine::bad_request_empty(),
            },
        };
        running.close = None;
        drop(running);
        let headers = self.server.options.raw.as_ref().map(|_| header_lines(&parts.headers).into());
        let body = PostBody { body, binary, headers };
        match self.ask(shard, |reply| Command::Post { sid, body, reply }).await {
            Some(Reply::Taken) => engine::post_ok(&context),
            _ => self.refuse(parts, refusal_of(None, query)),
        }
    }

    /// The shard that answers for a session, and the session's id to be shared.
    fn place_of(&self, sid: String) -> (usize, Arc<str>) {
        (shard_of(&sid, self.server.shards()), sid.into())
    }

    async fn ask(&self, shard: usize, command: impl FnOnce(oneshot::Sender<Reply>) -> Command) -> Option<Reply> {
        let (reply, answer) = oneshot::channel();
        self.server.mailbox(shard).send(command(reply));
        answer.await.ok()
    }
}

/// A POST whose body is being read. Dropped before it has come (the client cut it), the session is told.
struct RunningPost<'a> {
    server: &'a ServerCore,
    shard: usize,
    sid: Arc<str>,
    /// Whether the session ends; `None` when all went well.
    close: Option<bool>,
}

impl Drop for RunningPost<'_> {
    fn drop(&mut self) {
        if let Some(close) = self.close {
            let sid = self.sid.clone();
            self.server.mailbox(self.shard).send(Command::PostFailed { sid, close });
        }
    }
}

/// Why a request of a session is refused, with what of its query is to blame.
/// What makes a request different from every other of its session, as a number; 0 if it does not say.
fn tag_of(query: &Query) -> u64 {
    let Some(t) = &query.t else { return 0 };
    let mut hasher = std::hash::DefaultHasher::new();
    t.hash(&mut hasher);
    hasher.finish().max(1)
}

fn refusal_of(reply: Option<&Reply>, query: &Query) -> Refusal {
    let (refusal, blamed) = match reply {
        Some(Reply::TransportMismatch | Reply::NoUpgrade) => (Refusal::TRANSPORT_MISMATCH, query.get("transport")),
        Some(Reply::ProtocolMismatch) => (Refusal::PROTOCOL_MISMATCH, query.get("EIO")),
        _ => (Refusal::UNKNOWN_SID, query.get("sid")),
    };
    refusal.with_detail(blamed.unwrap_or_default())
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}
