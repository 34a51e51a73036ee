//! `MODE=bench`: what speed is judged by.

use trunkline::{Args, Data, Server, Socket};

use crate::settings::{Refused, Settings};

pub(crate) async fn server(settings: &Settings) -> Result<Server, Refused> {
    let recovery = settings.flag("RECOVERY", false)? || std::env::var_os("DATA_DIR").is_some_and(|dir| !dir.is_empty());
    let io = crate::build(settings.recovery(Server::builder().parser(settings.parser), recovery)?).await?;
    io.on("echo", async |args: Args| args.slice(0..1));
    io.on("pub", async |socket: Socket, args: Args| {
        socket.namespace().emit_args("msg", args.slice(0..1));
    });
    io.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room).await;
        "ok"
    });
    io.on("pubroom", async |socket: Socket, args: Args| {
        let room: String = args.get(0)?;
        socket.namespace().to(room).emit_args("msg", args.slice(1..2));
        Ok::<_, trunkline::Error>(())
    });
    Ok(io)
}
