//! The limit server as a program: `ceiling --port N [--fault drop|repeat|swap|alter]`. All of it is
//! `trunkline_bench::ceiling`.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use trunkline_bench::ceiling::Ceiling;
use trunkline_bench::faults::{Faults, Injected};
use trunkline_bench::options::Options;
use trunkline_bench::process::raise_descriptor_limit;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ceiling: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<(), String> {
    let mut options = Options::from_args()?;
    let port: u16 = options.need("port")?;
    let fault = match options.take::<String>("fault")? {
        Some(name) => Some(Injected::from_name(&name).ok_or_else(|| format!("there is no fault {name}"))?),
        None => None,
    };
    options.finish()?;
    let run = || {
        raise_descriptor_limit()?;
        Ceiling::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?, Faults::new(fault))?.run()
    };
    run().map_err(|error| format!("port {port}: {error}"))
}
