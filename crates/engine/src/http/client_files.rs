//! The client bundle, served from a folder: eight names, each read once and kept. Where the folder comes from is left
//! to the operator.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::encoding::{self, Encoding};
use super::response::Body;

const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

/// The files of the client bundle. Clones share what was read.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    dir: PathBuf,
    read: Arc<Mutex<HashMap<&'static str, Arc<File>>>>,
}

/// A file in the forms that it is sent in.
#[derive(Debug)]
struct File {
    plain: Bytes,
    gzip: Option<Bytes>,
    brotli: Option<Bytes>,
    etag: HeaderValue,
}

/// The name of the bundle's file that `below` our path names, if it does.
pub(crate) fn name(below: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|name| *name == below)
}

impl ClientFiles {
    /// Serves from this folder. Nothing is read yet.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), read: Arc::default() }
    }

    /// Answers a request for one of the names that [`route`](super::route()) gives: the file, 304 if the client has it,
    /// 404 if it is not in the folder. The method is not looked at, as in the reference.
    ///
    /// The first request for a file reads it, and compresses it unless a `.gz` lies beside it, on a thread for blocking
    /// work. Changes in the folder are not seen after that.
    pub async fn respond(&self, name: &'static str, parts: &Parts) -> Response<Body> {
        let Some(file) = self.file(name).await else {
            return status_only(StatusCode::NOT_FOUND);
        };
        let mut response = if has_etag(&parts.headers, &file.etag) {
            status_only(StatusCode::NOT_MODIFIED)
        } else {
            content(&file, name, parts)
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, file.etag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
        headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
        response
    }

    async fn file(&self, name: &'static str) -> Option<Arc<File>> {
        let kept = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if kept.is_some() {
            return kept;
        }
        // Two first requests at once both read, which does no harm.
        let path = self.dir.join(name);
        let file = tokio::task::spawn_blocking(move || File::read(&path)).await.ok()??;
        let file = Arc::new(file);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        Some(read.entry(name).or_insert(file).clone())
    }
}

impl File {
    fn read(path: &Path) -> Option<Self> {
        let beside = |suffix: &str| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            std::fs::read(path).ok().map(Bytes::from)
        };
        let plain = beside("")?;
        let gzip = beside(".gz").or_else(|| Encoding::Gzip.compress(&plain));
        Some(Self { gzip, brotli: beside(".br"), etag: etag(&plain)?, plain })
    }

    fn choose(&self, headers: &HeaderMap) -> (Option<Encoding>, &Bytes) {
        let forms = [(Encoding::Brotli, &self.brotli), (Encoding::Gzip, &self.gzip)];
        let offered: Vec<_> =
            forms.into_iter().filter_map(|(encoding, body)| Some((encoding, body.as_ref()?))).collect();
        let encodings: Vec<_> = offered.iter().map(|(encoding, _)| *encoding).collect();
        let chosen = encoding::choose(headers, &encodings);
        let body = offered.iter().find(|(encoding, _)| Some(*encoding) == chosen);
        (chosen, body.map_or(&self.plain, |(_, body)| body))
    }
}

/// The reference names the version here. A name for the content tells apart also what was built from one version twice.
fn etag(content: &[u8]) -> Option<HeaderValue> {
    // This hasher has fixed keys: all nodes that run one build agree.
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    HeaderValue::try_from(format!("\"{:x}-{:016x}\"", content.len(), hasher.finish())).ok()
}

fn has_etag(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter();
    lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).any(|tag| {
        let tag = tag.trim_ascii();
        tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes()
    })
}

fn content(file: &File, name: &str, parts: &Parts) -> Response<Body> {
    let (encoding, body) = file.choose(&parts.headers);
    let mut response = Response::new(Body::new(body.clone()));
    let kind = if name.ends_with(".map") {
        "application/json; charset=utf-8"
    } else {
        "application/javascript; charset=utf-8"
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(encoding) = encoding {
        response.headers_mut().insert(CONTENT_ENCODING, encoding.value());
    }
    response
}

fn status_only(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}
