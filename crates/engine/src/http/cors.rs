//! Cross-origin sharing of our answers, errors and preflights included, as the reference's `cors` option does it. The
//! rules are tower-http's; which answers are ours is left to the caller, and WebSocket is not guarded by this at all.

use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, VARY};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders, MaxAge, Vary};
use tower_layer::Layer as _;
use tower_service::Service;

use super::response::Body;
use crate::config::ConfigError;

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::POST, Method::DELETE];

/// Who may read our answers from pages of other origins.
///
/// Without further calls, preflights allow `GET,HEAD,PUT,PATCH,POST,DELETE` and whichever headers they ask for,
/// credentials are not allowed, and nothing is cached or exposed: the reference's defaults.
#[derive(Clone, Debug)]
pub struct Cors {
    layer: CorsLayer,
    /// None: the layer was made by the application and says itself what its answers vary by.
    varies: Option<Varies>,
    any_with_credentials: bool,
}

#[derive(Clone, Copy, Debug)]
struct Varies {
    by_origin: bool,
    by_requested_headers: bool,
}

impl Cors {
    /// Pages of every origin (`*`), without credentials.
    #[must_use]
    pub fn any() -> Self {
        Self::new(AllowOrigin::any(), false)
    }

    /// Pages of every origin, each named in its own answers, so that credentials can be allowed as well. Together with
    /// those, every page on the web can act in the name of your users.
    #[must_use]
    pub fn mirror_origin() -> Self {
        Self::new(AllowOrigin::mirror_request(), true)
    }

    /// Pages of this origin, which is named in every answer, whoever asks. `*` is [`Cors::any`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::Origin`] if it cannot stand in a header.
    pub fn origin(origin: &str) -> Result<Self, ConfigError> {
        match origin {
            "*" => Ok(Self::any()),
            _ => Ok(Self::new(AllowOrigin::exact(header(origin)?), true)),
        }
    }

    /// Pages of exactly these origins; others get no allowance.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Origin`] if one cannot stand in a header or is `*`.
    pub fn origins<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let parse = |origin: &'a str| match origin {
            "*" => Err(ConfigError::Origin(origin.to_owned())),
            _ => header(origin),
        };
        let list: Vec<_> = origins.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self::new(AllowOrigin::list(list), true))
    }

    /// Pages of the origins for which `allow` returns true. It is asked for every request with an `Origin`.
    #[must_use]
    pub fn predicate(allow: impl Fn(&HeaderValue, &Parts) -> bool + Send + Sync + 'static) -> Self {
        Self::new(AllowOrigin::predicate(allow), true)
    }

    /// Rules made with tower-http itself, `Vary` included; only the form of preflights' answers is ours. Rules that
    /// tower-http finds contradictory panic when they are first used.
    #[must_use]
    pub fn from_layer(layer: CorsLayer) -> Self {
        Self { layer, varies: None, any_with_credentials: false }
    }

    /// Whether browsers may send cookies and show the answers nevertheless. Not possible with [`Cors::any`]:
    /// [`Config::validate`](crate::config::Config::validate) then fails, and nothing is allowed here.
    #[must_use]
    pub fn credentials(mut self, allowed: bool) -> Self {
        self.any_with_credentials = allowed && self.varies.is_some_and(|varies| !varies.by_origin);
        let allowed = allowed && !self.any_with_credentials;
        self.with(|layer| layer.allow_credentials(allowed))
    }

    /// The methods that preflights allow.
    #[must_use]
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with(|layer| layer.allow_methods(AllowMethods::list(methods)))
    }

    /// The request headers that preflights allow, instead of those they ask for.
    #[must_use]
    pub fn allowed_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        if let Some(varies) = &mut self.varies {
            varies.by_requested_headers = false;
        }
        self.with(|layer| layer.allow_headers(AllowHeaders::list(names)))
    }

    /// The headers of our answers that pages may read.
    #[must_use]
    pub fn exposed_headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.with(|layer| layer.expose_headers(ExposeHeaders::list(names)))
    }

    /// How long browsers may remember the answer to a preflight, in whole seconds.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        self.with(|layer| layer.max_age(MaxAge::exact(max_age)))
    }

    /// Answers a preflight (any OPTIONS request) with 204, and anything else by `serve`, whose answer gets the headers
    /// whatever its status. The future is `Send` if those of `serve` are.
    ///
    /// # Errors
    ///
    /// Those of `serve`.
    pub async fn apply<B, E, Fut>(
        &self,
        request: Request<B>,
        serve: impl FnOnce(Request<B>) -> Fut,
    ) -> Result<Response<Body>, E>
    where
        Fut: Future<Output = Result<Response<Body>, E>>,
    {
        let preflight = request.method() == Method::OPTIONS;
        let mut service = self.layer.layer(Once(Some(serve)));
        let mut response = service.call(request).await?;
        if preflight {
            *response.status_mut() = StatusCode::NO_CONTENT;
            // The reference says so. hyper leaves it out on the wire, as RFC 9110 8.6 wants it; other fronts may not.
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
        }
        if let Some(vary) = self.varies.and_then(|varies| varies.header(preflight)) {
            response.headers_mut().append(VARY, vary);
        }
        Ok(response)
    }

    pub(crate) fn is_any_with_credentials(&self) -> bool {
        self.any_with_credentials
    }

    fn new(origin: AllowOrigin, by_origin: bool) -> Self {
        let layer = CorsLayer::new()
            .allow_origin(origin)
            .allow_methods(METHODS)
            .allow_headers(AllowHeaders::mirror_request())
            .vary(Vary::list([]));
        let varies = Varies { by_origin, by_requested_headers: true };
        Self { layer, varies: Some(varies), any_with_credentials: false }
    }

    fn with(mut self, change: impl FnOnce(CorsLayer) -> CorsLayer) -> Self {
        self.layer = change(self.layer);
        self
    }
}

impl Varies {
    fn header(self, preflight: bool) -> Option<HeaderValue> {
        let text = match (self.by_origin, preflight && self.by_requested_headers) {
            (true, true) => "Origin, Access-Control-Request-Headers",
            (true, false) => "Origin",
            (false, true) => "Access-Control-Request-Headers",
            (false, false) => return None,
        };
        Some(HeaderValue::from_static(text))
    }
}

/// A function that is called once, as the service that tower-http wraps.
struct Once<F>(Option<F>);

impl<B, E, F, Fut> Service<Request<B>> for Once<F>
where
    F: FnOnce(Request<B>) -> Fut,
    Fut: Future<Output = Result<Response<Body>, E>>,
{
    type Response = Response<Body>;
    type Error = E;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Fut {
        let serve = self.0.take().expect("one request is served with it");
        serve(request)
    }
}

fn header(origin: &str) -> Result<HeaderValue, ConfigError> {
    HeaderValue::from_str(origin).map_err(|_| ConfigError::Origin(origin.to_owned()))
}
