//! Serving without another HTTP server: connections are accepted here, and each one is served on the shard where its
//! sockets will live.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tower_layer::Layer;
use tower_service::Service;

use crate::Server;
use crate::mailbox::Command;
use crate::service::PeerAddress;
use crate::shard::Shard;

type Serving = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// A connection on its way to a shard.
pub(crate) struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    serve: Arc<dyn Fn(tokio::net::TcpStream, SocketAddr) -> Serving + Send + Sync>,
}

impl Accepted {
    pub(crate) fn serve(self, _shard: &Rc<Shard>) {
        let Ok(stream) = tokio::net::TcpStream::from_std(self.stream) else { return };
        tokio::task::spawn_local((self.serve)(stream, self.peer));
    }
}

impl Server {
    /// Accepts connections and serves them until [`Server::close`] is called: this server's requests, and `app` (an
    /// axum `Router` or any other tower service) for all others.
    ///
    /// Each connection is served on the shard that its sockets will live on, so that nothing has to move. Where the
    /// application is served by somebody else (`axum::serve`, hyper), use [`Server::layer`] instead.
    ///
    /// # Errors
    ///
    /// Those of the listener, or that a thread of the server panicked, which ends it. A connection that cannot be accepted for want of descriptors is tried again.
    pub async fn serve<S, B>(&self, listener: TcpListener, app: S) -> std::io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let config = self.core().config.clone();
        let service = self.layer().layer(app);
        let serve = move |stream, peer| -> Serving {
            let (service, config) = (service.clone(), config.clone());
            Box::pin(async move {
                let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(PeerAddress(peer));
                    service.clone().call(request)
                });
                if let Err(error) = trunkline_engine::http::serve_connection(stream, service, &config).await {
                    tracing::debug!(%peer, %error, "a connection ended with an error");
                }
            })
        };
        self.accept(&listener, Arc::new(serve)).await
    }

    async fn accept(
        &self,
        listener: &TcpListener,
        serve: Arc<dyn Fn(tokio::net::TcpStream, SocketAddr) -> Serving + Send + Sync>,
    ) -> std::io::Result<()> {
        let core = self.core();
        while !core.is_closed() {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = core.wait_closed() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let _ = stream.set_nodelay(true);
            let stream = stream.into_std()?;
            let accepted = Accepted { stream, peer, serve: serve.clone() };
            core.mailbox(core.pick_shard()).send(Command::Serve(accepted));
        }
        if core.is_broken() {
            return Err(std::io::Error::other("a thread of the server panicked"));
        }
        Ok(())
    }
}

/// Errors of one connection, or of too many: the listener itself is well.
fn is_passing(error: &std::io::Error) -> bool {
    const NO_DESCRIPTORS: [i32; 2] = [23, 24];
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
        || error.raw_os_error().is_some_and(|code| NO_DESCRIPTORS.contains(&code))
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("peer", &self.peer).finish_non_exhaustive()
    }
}
