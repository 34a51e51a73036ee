//! Layers in front of the server that fail: for its own requests an error of theirs becomes the refusal that clients
//! know. What the layers do, and the errors of all other requests, are left to the application.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http_body_util::Either;
use tower_layer::Layer;
use trunkline_engine::http::{self as engine, Refusal};

use crate::Server;
use crate::server::ServerCore;
use crate::service::{Body, Request, Response, Service};

/// A layer for in front of layers that may fail; see [`Server::refuse_failures`].
#[derive(Clone)]
pub struct RefuseFailuresLayer {
    server: Arc<ServerCore>,
}

/// A service whose failures are refusals; see [`Server::refuse_failures`].
#[derive(Clone)]
pub struct RefuseFailures<S> {
    server: Arc<ServerCore>,
    inner: S,
}

impl Server {
    /// A layer for in front of layers of yours that may fail, as `next(err)` of a middleware of Engine.IO does.
    ///
    /// A request of this server's that ends with an error of such a layer is refused with code 3 in the form that its
    /// client understands, JSON or the end of an upgrade, and `on_connection_error` is told, with the error's text as
    /// the detail. Errors of all other requests pass. A layer that only wants to refuse can answer by itself and needs
    /// none of this.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::error_handling::HandleErrorLayer;
    /// use trunkline::service::Layer;
    ///
    /// # #[derive(Clone)] struct YourLayer;
    /// # impl<S> Layer<S> for YourLayer { type Service = S; fn layer(&self, inner: S) -> S { inner } }
    /// let io = trunkline::Server::builder().build().await?;
    /// let app: axum::Router = axum::Router::new()
    ///     .layer(io.layer())
    ///     .layer((
    ///         HandleErrorLayer::new(|error| async move { format!("your own answer to {error}") }),
    ///         io.refuse_failures(),
    ///         YourLayer,
    ///     ));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn refuse_failures(&self) -> RefuseFailuresLayer {
        RefuseFailuresLayer { server: self.core().clone() }
    }
}

impl<S> Layer<S> for RefuseFailuresLayer {
    type Service = RefuseFailures<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RefuseFailures { server: self.server.clone(), inner }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RefuseFailures<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: fmt::Display + Send + 'static,
    ResBody: 'static,
{
    type Response = Response<Either<Body, ResBody>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let ours = engine::is_ours(&self.server.config, &parts).then(|| (self.server.clone(), parts.clone()));
        let answer = self.inner.call(Request::from_parts(parts, body));
        Box::pin(async move {
            let error = match answer.await {
                Ok(answer) => return Ok(answer.map(Either::Right)),
                Err(error) => error,
            };
            let Some((server, parts)) = ours else { return Err(error) };
            let refusal = Refusal::MIDDLEWARE_FAILURE.with_detail(error.to_string());
            Ok(refuse(&server, parts, refusal).await.map(Either::Left))
        })
    }
}

async fn refuse(server: &ServerCore, parts: Parts, refusal: Refusal) -> Response<Body> {
    let config = &server.config;
    let Some(cors) = &config.cors else {
        return engine::refuse(config, &parts, refusal);
    };
    let request = Request::from_parts(parts, ());
    let refused = |request: Request<()>| async move {
        Ok::<_, Infallible>(engine::refuse(config, &request.into_parts().0, refusal))
    };
    cors.apply(request, refused).await.unwrap_or_else(|never| match never {})
}

impl fmt::Debug for RefuseFailuresLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefuseFailuresLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for RefuseFailures<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefuseFailures").field("inner", &self.inner).finish_non_exhaustive()
    }
}
