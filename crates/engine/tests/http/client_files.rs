//! The client bundle over the wire: names, forms, and what is not sent twice.

use std::fs;
use std::path::PathBuf;

use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use trunkline_engine::http::{Body, ClientFiles, Cors};

use crate::support::{config, exchange, head};

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let dir = std::env::temp_dir().join(format!("trunkline-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("the temporary folder is ours");
        for (name, content) in files {
            fs::write(dir.join(name), content).expect("the folder is writable");
        }
        Self(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn get(files: &ClientFiles, name: &'static str, headers: &[&str]) -> Response<Body> {
    files.respond(name, &head("GET", "/", headers)).await
}

async fn body(response: Response<Body>) -> bytes::Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn files_come_with_their_kind_and_a_name_for_their_content() {
    let folder = Folder::new("kinds", &[("socket.io.js", b"let io;"), ("socket.io.js.map", b"{}")]);
    let files = ClientFiles::new(&folder.0);
    let script = get(&files, "socket.io.js", &[]).await;
    assert_eq!(script.status(), StatusCode::OK);
    assert_eq!(script.headers()["content-type"], "application/javascript; charset=utf-8");
    assert_eq!(script.headers()["cache-control"], "public, max-age=0");
    let etag = script.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(body(script).await, "let io;");
    let map = get(&files, "socket.io.js.map", &[]).await;
    assert_eq!(map.headers()["content-type"], "application/json; charset=utf-8");
    assert_ne!(map.headers()["etag"], etag.as_str());

    for tag in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".into()] {
        let same = get(&files, "socket.io.js", &[&format!("If-None-Match: {tag}")]).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED, "{tag}");
        assert_eq!(same.headers()["etag"], etag.as_str());
        assert!(same.headers().get("content-type").is_none());
        assert_eq!(body(same).await, "");
    }
    let other = get(&files, "socket.io.js", &["If-None-Match: \"x\""]).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_eq!(get(&files, "socket.io.min.js", &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn compressed_forms_lie_beside_the_file_or_are_made() {
    let files: &[(&str, &[u8])] = &[
        ("socket.io.js", b"let io; let io; let io; let io; let io;"),
        ("socket.io.js.br", b"brotli"),
        ("socket.io.js.gz", b"gzipped"),
        ("socket.io.min.js", b"let io; let io; let io; let io; let io;"),
    ];
    let folder = Folder::new("forms", files);
    let files = ClientFiles::new(&folder.0);
    let vectors = [
        ("socket.io.js", "gzip, br", Some("gzip"), &b"gzipped"[..]),
        ("socket.io.js", "gzip;q=0.5, br", Some("br"), b"brotli"),
        ("socket.io.js", "*", Some("br"), b"brotli"),
        ("socket.io.js", "deflate", None, files_content()),
        ("socket.io.min.js", "br", None, files_content()),
    ];
    for (name, accept, encoding, content) in vectors {
        let response = get(&files, name, &[&format!("Accept-Encoding: {accept}")]).await;
        let found = response.headers().get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(found, encoding, "{name} {accept}");
        assert_eq!(response.headers()["vary"], "accept-encoding");
        assert_eq!(body(response).await, content);
    }
    let made = get(&files, "socket.io.min.js", &["Accept-Encoding: gzip"]).await;
    assert_eq!(made.headers()["content-encoding"], "gzip");
    let mut plain = Vec::new();
    let made = body(made).await;
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&made[..]), &mut plain).unwrap();
    assert_eq!(plain, files_content());
}

fn files_content() -> &'static [u8] {
    b"let io; let io; let io; let io; let io;"
}

#[tokio::test]
async fn files_are_read_once() {
    let folder = Folder::new("once", &[("socket.io.js", b"one")]);
    let files = ClientFiles::new(&folder.0);
    assert_eq!(body(get(&files, "socket.io.js", &[]).await).await, "one");
    fs::write(folder.0.join("socket.io.js"), b"two").unwrap();
    assert_eq!(body(get(&files.clone(), "socket.io.js", &[]).await).await, "one");
}

#[tokio::test]
async fn the_bundle_is_shared_with_other_origins_as_answers_are() {
    let folder = Folder::new("cors", &[("socket.io.js", b"let io;")]);
    let config = config(|c| {
        c.client_dir = Some(folder.0.clone());
        c.cors = Some(Cors::origin("https://a.example").unwrap());
    });
    let request = "GET /socket.io/socket.io.js?v=4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(config, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://a.example\r\n"), "{answer}");
    assert!(answer.contains("vary: accept-encoding\r\n") && answer.contains("vary: Origin\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nlet io;"), "{answer}");
}
