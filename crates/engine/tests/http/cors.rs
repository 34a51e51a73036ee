//! Cross-origin headers on preflights, answers and errors, as the reference's option writes them.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::CorsLayer;
use trunkline_engine::config::{Config, ConfigError};
use trunkline_engine::http::Cors;

use crate::support::{config, exchange};

const ORIGIN: &str = "Origin: https://a.example\r\n";
const ASKED: &str = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type, x-y\r\n";

async fn answer(cors: Cors, method: &str, query: &str, headers: &str) -> String {
    let config = config(|c| c.cors = Some(cors));
    let request = format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    exchange(config, &request).await
}

/// The headers about sharing, sorted, and the status.
async fn sharing(cors: Cors, method: &str, query: &str, headers: &str) -> String {
    let answer = answer(cors, method, query, headers).await;
    let mut lines = answer.split("\r\n");
    let status = lines.next().unwrap_or_default().to_owned();
    let about = |line: &&str| line.starts_with("access-control-") || line.starts_with("vary");
    let mut found: Vec<&str> = lines.filter(about).collect();
    found.sort_unstable();
    format!("{status}\n{}", found.join("\n"))
}

const GET: &str = "EIO=4&transport=polling";

#[tokio::test]
async fn a_preflight_is_answered_204_with_everything() {
    let cors = Cors::mirror_origin().credentials(true);
    assert_eq!(
        answer(cors, "OPTIONS", GET, &format!("{ORIGIN}{ASKED}")).await,
        "HTTP/1.1 204 No Content\r\n\
         access-control-allow-credentials: true\r\n\
         access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n\
         access-control-allow-headers: content-type, x-y\r\n\
         access-control-allow-origin: https://a.example\r\n\
         vary: Origin, Access-Control-Request-Headers\r\n\
         connection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn a_preflight_says_that_it_is_empty_though_hyper_does_not_pass_it_on() {
    let request = http::Request::options("/socket.io/").body(()).unwrap();
    let serve = |_| async { Err(()) };
    let answer = Cors::any().apply(request, serve).await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()["content-length"], "0");
}

#[tokio::test]
async fn answers_and_errors_carry_the_headers() {
    let cors = || Cors::origins(["https://a.example", "https://b.example"]).unwrap().credentials(true);
    let shared = "access-control-allow-credentials: true\naccess-control-allow-origin: https://a.example\nvary: Origin";
    assert_eq!(sharing(cors(), "GET", GET, ORIGIN).await, format!("HTTP/1.1 200 OK\n{shared}"));
    for query in ["EIO=4", "EIO=4&transport=polling&sid=x"] {
        assert_eq!(sharing(cors(), "GET", query, ORIGIN).await, format!("HTTP/1.1 400 Bad Request\n{shared}"));
    }
    assert_eq!(
        sharing(cors(), "PUT", "EIO=4&transport=polling&sid=known", ORIGIN).await,
        format!("HTTP/1.1 500 Internal Server Error\n{shared}")
    );
}

#[tokio::test]
async fn an_origin_that_is_not_listed_gets_no_allowance() {
    let cors = || Cors::origins(["https://b.example"]).unwrap();
    assert_eq!(sharing(cors(), "GET", GET, ORIGIN).await, "HTTP/1.1 200 OK\nvary: Origin");
    assert_eq!(sharing(cors(), "GET", GET, "").await, "HTTP/1.1 200 OK\nvary: Origin");
    assert_eq!(
        sharing(cors(), "OPTIONS", GET, &format!("{ORIGIN}{ASKED}")).await,
        "HTTP/1.1 204 No Content\n\
         access-control-allow-headers: content-type, x-y\n\
         access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE\n\
         vary: Origin, Access-Control-Request-Headers"
    );
}

#[tokio::test]
async fn each_kind_of_rule_names_its_origin() {
    let allowed = |cors, headers: &'static str| async move { sharing(cors, "GET", GET, headers).await };
    assert_eq!(allowed(Cors::any(), ORIGIN).await, "HTTP/1.1 200 OK\naccess-control-allow-origin: *");
    assert_eq!(allowed(Cors::origin("*").unwrap(), ORIGIN).await, "HTTP/1.1 200 OK\naccess-control-allow-origin: *");
    // A single origin is named whoever asks, also nobody.
    for headers in [ORIGIN, "Origin: https://evil\r\n", ""] {
        assert_eq!(
            allowed(Cors::origin("https://a.example").unwrap(), headers).await,
            "HTTP/1.1 200 OK\naccess-control-allow-origin: https://a.example\nvary: Origin"
        );
    }
    let pattern = || Cors::predicate(|origin, _| origin.as_bytes().ends_with(b".example"));
    assert_eq!(
        allowed(pattern(), ORIGIN).await,
        "HTTP/1.1 200 OK\naccess-control-allow-origin: https://a.example\nvary: Origin"
    );
    assert_eq!(allowed(pattern(), "Origin: https://evil\r\n").await, "HTTP/1.1 200 OK\nvary: Origin");
    assert_eq!(
        allowed(Cors::mirror_origin(), "Origin: https://evil\r\n").await,
        "HTTP/1.1 200 OK\naccess-control-allow-origin: https://evil\nvary: Origin"
    );
}

#[tokio::test]
async fn every_part_can_be_set() {
    let cors = || {
        Cors::origin("https://a.example")
            .unwrap()
            .methods([Method::GET, Method::POST])
            .allowed_headers([HeaderName::from_static("x-a"), HeaderName::from_static("x-b")])
            .exposed_headers([HeaderName::from_static("x-c")])
            .max_age(Duration::from_secs(60))
    };
    assert_eq!(
        sharing(cors(), "OPTIONS", GET, &format!("{ORIGIN}{ASKED}")).await,
        "HTTP/1.1 204 No Content\n\
         access-control-allow-headers: x-a,x-b\n\
         access-control-allow-methods: GET,POST\n\
         access-control-allow-origin: https://a.example\n\
         access-control-max-age: 60\n\
         vary: Origin"
    );
    assert_eq!(
        sharing(cors(), "GET", GET, ORIGIN).await,
        "HTTP/1.1 200 OK\naccess-control-allow-origin: https://a.example\n\
         access-control-expose-headers: x-c\nvary: Origin"
    );
}

#[tokio::test]
async fn rules_of_tower_http_are_taken_as_they_are() {
    let layer = || {
        let origin = HeaderValue::from_static("https://a.example");
        CorsLayer::new().allow_origin([origin]).allow_methods([Method::GET])
    };
    assert_eq!(
        sharing(Cors::from_layer(layer()), "OPTIONS", GET, ORIGIN).await,
        "HTTP/1.1 204 No Content\naccess-control-allow-methods: GET\n\
         access-control-allow-origin: https://a.example\nvary: origin"
    );
}

#[tokio::test]
async fn without_the_option_nothing_is_shared() {
    let request = format!("GET /socket.io/?{GET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{ORIGIN}\r\n");
    let answer = exchange(Config::default(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("access-control") && !answer.contains("vary"), "{answer}");
}

#[tokio::test]
async fn any_origin_with_credentials_is_a_mistake_and_allows_nothing() {
    let cors = Cors::any().credentials(true);
    let mut bad = Config::default();
    bad.cors = Some(cors);
    assert_eq!(bad.validate(), Err(ConfigError::CorsCredentials));
    let request = format!("GET /socket.io/?{GET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{ORIGIN}\r\n");
    let answer = exchange(bad, &request).await;
    assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");
    assert!(!answer.contains("credentials"), "{answer}");
    assert_eq!(Cors::origins(["*"]).err(), Some(ConfigError::Origin("*".into())));
    assert_eq!(Cors::origin("a\r\nb").err(), Some(ConfigError::Origin("a\r\nb".into())));
}
