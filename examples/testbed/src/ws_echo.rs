//! `MODE=ws-echo`: a bare WebSocket echo on every path, for conformance tools, on the library's own framing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trunkline::proto::ws::{self, Item, Opcode, WindowBits};

use crate::settings::{Refused, Settings};

const MAX_MESSAGE: usize = 17 * 1024 * 1024;
const MAX_HEAD: usize = 16 * 1024;

pub(crate) async fn run(settings: &Settings, listener: TcpListener) -> Result<(), Refused> {
    let deflate = settings.flag("WS_DEFLATE", false)?;
    tokio::select! {
        () = accept(listener, deflate) => {}
        () = crate::settings::terminated() => {}
    }
    Ok(())
}

async fn accept(listener: TcpListener, deflate: bool) {
    while let Ok((stream, peer)) = listener.accept().await {
        tokio::spawn(async move {
            if let Err(error) = serve(stream, deflate).await {
                report(peer, &error);
            }
        });
    }
}

fn report(peer: SocketAddr, error: &std::io::Error) {
    eprintln!("testbed: {peer}: {error}");
}

async fn serve(mut stream: TcpStream, deflate: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let Some((head, rest)) = read_head(&mut stream).await? else { return Ok(()) };
    let header = |name: &str| {
        let found = head.lines().filter_map(|line| line.split_once(':'));
        found.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
    };
    let Some(key) = header("sec-websocket-key") else {
        return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
    };
    let agreement =
        header("sec-websocket-extensions").filter(|_| deflate).and_then(|offer| ws::negotiate_deflate(&offer));
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {}\r\n",
        ws::accept_key(&key)
    );
    if let Some(agreement) = &agreement {
        answer.push_str(&format!("sec-websocket-extensions: {}\r\n", agreement.answer));
    }
    answer.push_str("\r\n");
    stream.write_all(answer.as_bytes()).await?;
    echo(stream, rest, agreement.map(|agreement| agreement.window)).await
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
        if bytes.len() > MAX_HEAD || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

async fn echo(mut stream: TcpStream, mut chunk: Vec<u8>, deflate: Option<WindowBits>) -> std::io::Result<()> {
    let config = ws::Config { role_server: true, max_message: MAX_MESSAGE, deflate: deflate.is_some() };
    let (mut decoder, mut inflater, mut deflater) =
        (ws::Decoder::new(config), ws::Inflater::new(), ws::Deflater::new());
    let mut out = Vec::new();
    loop {
        let mut at = 0;
        let mut over = false;
        while !over {
            match decoder.decode(&mut chunk, &mut at, &mut inflater) {
                Ok(None) => break,
                Ok(Some(item)) => over = answer(item, deflate, &mut deflater, &mut out),
                Err(error) => {
                    ws::put_close(&mut out, Some(error.close_code()), "");
                    over = true;
                }
            }
        }
        stream.write_all(&out).await?;
        if over {
            return linger(stream).await;
        }
        out.clear();
        chunk.clear();
        chunk.reserve(64 * 1024);
        if stream.read_buf(&mut chunk).await? == 0 {
            return Ok(());
        }
    }
}

/// Answers one item. True after a close frame.
fn answer(item: Item, deflate: Option<WindowBits>, deflater: &mut ws::Deflater, out: &mut Vec<u8>) -> bool {
    let mut message = |opcode, payload: &[u8]| {
        if let Some(window) = deflate {
            let mut deflated = Vec::new();
            deflater.deflate(window, payload, &mut deflated);
            ws::put_frame(out, opcode, true, &deflated);
        } else {
            ws::put_frame(out, opcode, false, payload);
        }
    };
    match item {
        Item::Text(text) => message(Opcode::Text, text.as_bytes()),
        Item::Binary(data) => message(Opcode::Binary, &data),
        Item::Ping(data) => ws::put_frame(out, Opcode::Pong, false, &data),
        Item::Pong(_) => {}
        Item::Close(frame) => {
            let (code, reason) = frame.map_or((None, String::new()), |f| (Some(f.code), f.reason.to_string()));
            ws::put_close(out, code, &reason);
            return true;
        }
    }
    false
}

/// Reads until the peer closes, so that what it still sends does not turn our last frame into a reset.
async fn linger(mut stream: TcpStream) -> std::io::Result<()> {
    stream.shutdown().await?;
    let mut sink = vec![0; 64 * 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
