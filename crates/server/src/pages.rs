//! The pages, which are part of the program, and the health check.
//! What the pages talk to is in `demos`; the official client's files are served by the library.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;

use crate::client::{CDN, Source};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, type and text. `{{client}}` and `{{note}}` in pages stand for what [`Source`] decides.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("../pages/index.html")),
    ("/chat/", HTML, include_str!("../pages/chat.html")),
    ("/board/", HTML, include_str!("../pages/board.html")),
    ("/assets/style.css", CSS, include_str!("../pages/style.css")),
    ("/assets/common.js", SCRIPT, include_str!("../pages/common.js")),
    ("/assets/chat.js", SCRIPT, include_str!("../pages/chat.js")),
    ("/assets/board.js", SCRIPT, include_str!("../pages/board.js")),
    ("/assets/drawing.js", SCRIPT, include_str!("../pages/drawing.js")),
    ("/assets/icon.svg", SVG, include_str!("../pages/icon.svg")),
];

/// All that is not Socket.IO.
pub(crate) fn router(source: Source) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/chat", get(async || Redirect::permanent("/chat/")))
        .route("/board", get(async || Redirect::permanent("/board/")));
    for (path, content_type, text) in FILES {
        let text = if content_type == HTML { page(text, source) } else { text.to_owned() };
        router = router.route(path, get(move || std::future::ready(file(content_type, text.clone(), source))));
    }
    router
}

fn page(text: &str, source: Source) -> String {
    let (client, note) = match source {
        Source::Served => ("/socket.io/socket.io.min.js", String::new()),
        Source::Cdn => {
            let note = format!("This server has no Socket.IO client from npm, so your browser takes it from {CDN}.");
            (CDN, format!("<p class=\"note\">{note}</p>"))
        }
    };
    text.replace("{{client}}", client).replace("{{note}}", &note)
}

fn file(content_type: &'static str, text: String, source: Source) -> impl IntoResponse {
    // Whatever somebody writes into the chat, a browser runs no script but these.
    let policy = match source {
        Source::Served => "default-src 'self'",
        Source::Cdn => "default-src 'self'; script-src 'self' https://cdn.socket.io",
    };
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_take_the_client_from_this_program_or_say_that_they_do_not() {
        for (path, content_type, text) in FILES {
            let served = page(text, Source::Served);
            assert!(!served.contains("{{"), "{path}");
            if content_type != HTML || path == "/" {
                continue;
            }
            assert!(served.contains("src=\"/socket.io/socket.io.min.js\"") && !served.contains("cdn."), "{path}");
            let cdn = page(text, Source::Cdn);
            assert_eq!(cdn.matches(CDN).count(), 2, "{path}: the script and the note");
        }
    }

    #[test]
    fn no_page_has_script_or_style_of_its_own_or_makes_markup_of_text() {
        for (path, _, text) in FILES {
            for forbidden in ["innerHTML", "insertAdjacentHTML", "document.write", "<style", " style=", " onclick="] {
                assert!(!text.contains(forbidden), "{path} has {forbidden}");
            }
        }
    }
}
