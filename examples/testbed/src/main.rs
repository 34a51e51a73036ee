//! The testbed: an ordinary user of the library that outside programs drive, with its settings in the environment.
//! `MODE` chooses the application; each one is a module.

mod bench;
mod contract;
mod delivery;
mod engine_suites;
mod settings;
mod socketio_suites;
mod ws_echo;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use settings::{Refused, Settings};
use tokio::net::TcpListener;
use trunkline::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refused(why)) => {
            eprintln!("testbed: {why}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Refused> {
    let settings = Settings::from_env()?;
    // The client suites use the name localhost, which may be either family.
    let both_families = settings.mode.ends_with("-client-suite");
    if settings.mode == "ws-echo" {
        return ws_echo::run(&settings, listen(settings.port, false).await?.remove(0)).await;
    }
    let io = match settings.mode.as_str() {
        "contract" => contract::server(&settings).await?,
        "bench" => bench::server(&settings).await?,
        "eio4-suite" => engine_suites::echo(&settings, false).await?,
        "eio3-suite" => engine_suites::echo(&settings, true).await?,
        "eio-client-suite" => engine_suites::client(&settings).await?,
        "sio5-suite" => socketio_suites::protocol(&settings).await?,
        "sio-client-suite" => socketio_suites::client(&settings).await?,
        "delivery" => delivery::server(&settings).await?,
        other => return Err(Refused(format!("MODE={other} is not known"))),
    };
    let listeners = listen(settings.port, both_families).await?;
    let mut serving = Vec::new();
    for listener in listeners {
        let io = io.clone();
        serving.push(tokio::spawn(async move { io.serve(listener, settings::Health).await }));
    }
    settings::terminated().await;
    io.close().await;
    for served in serving {
        let _ = served.await;
    }
    Ok(())
}

async fn listen(port: u16, both_families: bool) -> Result<Vec<TcpListener>, Refused> {
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    if both_families {
        addresses.push(IpAddr::V6(Ipv6Addr::LOCALHOST));
    }
    let mut listeners = Vec::new();
    for address in addresses {
        let address = SocketAddr::new(address, port);
        let listener = TcpListener::bind(address).await;
        listeners.push(listener.map_err(|error| Refused(format!("cannot listen on {address}: {error}")))?);
    }
    Ok(listeners)
}

/// The server that a builder makes, or why it cannot.
async fn build(builder: trunkline::ServerBuilder) -> Result<Server, Refused> {
    builder.build().await.map_err(|error| Refused(error.to_string()))
}
