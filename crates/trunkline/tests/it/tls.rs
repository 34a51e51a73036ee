//! TLS under the server, by whoever accepts: both transports, with the server's certificate and with the client's. The
//! options of the program are its own matter.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use trunkline::{OverTls, PeerAddress, Server, Socket};

use crate::peer::{POLLING, WEBSOCKET, WebSocket, exchange, plain};
use crate::support::server;

const AUTHORITY: &[u8] = include_bytes!("../tls/authority.pem");
const SERVER: (&[u8], &[u8]) = (include_bytes!("../tls/server.pem"), include_bytes!("../tls/server.key.pem"));
const CLIENT: (&[u8], &[u8]) = (include_bytes!("../tls/client.pem"), include_bytes!("../tls/client.key.pem"));

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    Arc::new(roots)
}

fn identity((certificate, key): (&[u8], &[u8])) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (vec![CertificateDer::from_pem_slice(certificate).unwrap()], PrivateKeyDer::from_pem_slice(key).unwrap())
}

/// The certificate that a client showed, for the application.
#[derive(Clone)]
struct ClientCertificate(Vec<u8>);

/// Serves over TLS, asking clients for a certificate or not; hyper does the HTTP.
async fn listen(io: &Server, ask_clients: bool) -> SocketAddr {
    let config = ServerConfig::builder();
    let config = match ask_clients {
        true => config.with_client_cert_verifier(WebPkiClientVerifier::builder(roots()).build().unwrap()),
        false => config.with_no_client_auth(),
    };
    let (certificates, key) = identity(SERVER);
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(certificates, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let io = io.clone();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let (io, acceptor) = (io.clone(), acceptor.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|shown| shown.to_vec());
                let service = io.service();
                let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(OverTls);
                    request.extensions_mut().insert(PeerAddress(peer));
                    shown.clone().map(|shown| request.extensions_mut().insert(ClientCertificate(shown)));
                    hyper::service::Service::call(&service, request)
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
    address
}

async fn dial(address: SocketAddr, show: Option<(&[u8], &[u8])>) -> std::io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder().with_root_certificates(roots());
    let config = match show.map(identity) {
        Some((certificates, key)) => config.with_client_auth_cert(certificates, key).unwrap(),
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn tells(io: &Server) {
    io.on("tell", |socket: Socket| async move {
        let handshake = socket.handshake();
        (socket.transport(), handshake.secure(), handshake.address().is_some_and(|address| address.ip().is_loopback()))
    });
}

/// Joins and asks over each transport, on connections that show this certificate.
async fn works(address: SocketAddr, show: Option<(&[u8], &[u8])>) {
    let ask = async |method: &str, path: &str, body: &str| {
        exchange(dial(address, show).await.unwrap(), &plain(method, path, &[], body)).await
    };
    let open = ask("GET", POLLING, "").await.open();
    let sid = open["sid"].as_str().unwrap();
    let path = format!("{POLLING}&sid={sid}");
    assert_eq!(ask("POST", &path, "40\u{1e}420[\"tell\"]").await.text(), "ok");
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(ask("GET", &path, "").await.text().split('\u{1e}').map(str::to_owned));
    }
    assert_eq!(heard[1], "430[\"polling\",true,true]");

    let upgrade = format!("{WEBSOCKET}&sid={sid}");
    let mut upgrade = WebSocket::over(dial(address, show).await.unwrap(), &upgrade, &[]).await;
    upgrade.say("2probe").await;
    assert_eq!(upgrade.hear().await, "3probe");
    upgrade.say("5").await;
    upgrade.say("421[\"tell\"]").await;
    assert_eq!(upgrade.hear().await, "431[\"websocket\",true,true]");

    let mut websocket = WebSocket::over(dial(address, show).await.unwrap(), WEBSOCKET, &[]).await;
    websocket.hear().await;
    websocket.say("40").await;
    websocket.hear().await;
    websocket.say("420[\"tell\"]").await;
    assert_eq!(websocket.hear().await, "430[\"websocket\",true,true]");
}

#[tokio::test]
async fn both_transports_and_the_upgrade_work_over_tls() {
    let io = server().await;
    tells(&io);
    works(listen(&io, false).await, None).await;
}

#[tokio::test]
async fn both_transports_work_for_clients_that_show_a_certificate_and_for_no_others() {
    let io = Server::builder()
        .shards(1)
        .allow_request(|parts| {
            let shown = parts.extensions.get::<ClientCertificate>().cloned();
            let expected = CertificateDer::from_pem_slice(CLIENT.0).unwrap();
            let right = shown.is_some_and(|ClientCertificate(shown)| shown == *expected);
            async move { if right { Ok(()) } else { Err(None) } }
        })
        .build()
        .await
        .unwrap();
    tells(&io);
    let address = listen(&io, true).await;
    works(address, Some(CLIENT)).await;

    // Who shows none may think itself connected, but is not heard.
    let refused = match dial(address, None).await {
        Ok(mut stream) => {
            let request = plain("GET", POLLING, &[], "");
            let mut answer = Vec::new();
            let written = tokio::io::AsyncWriteExt::write_all(&mut stream, &request).await;
            written.is_err() || tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.is_err()
        }
        Err(_) => true,
    };
    assert!(refused);
}
