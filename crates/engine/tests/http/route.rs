//! Which requests are ours and what each asks for: tables of heads.

use http::Method;
use trunkline_engine::config::Config;
use trunkline_engine::http::{Query, Refusal, Route, SessionMethod, Transport, route};
use trunkline_proto::Version;

use crate::support::{UPGRADE, config, head};

fn get(config: &Config, uri: &str) -> Route {
    route(config, &head("GET", uri, &[]))
}

fn refused(method: &str, uri: &str, headers: &[&str]) -> Option<Refusal> {
    match route(&Config::default(), &head(method, uri, headers)) {
        Route::Refused(mut refusal) => {
            refusal.detail = None;
            Some(refusal)
        }
        _ => None,
    }
}

#[test]
fn the_path_and_what_is_below_it_are_ours_and_nothing_else() {
    let slash = Config::default();
    let no_slash = config(|c| c.add_trailing_slash = false);
    let custom = config(|c| c.path = "/a/b/".into());
    let root = config(|c| c.path = "/".into());
    let vectors = [
        (&slash, "/socket.io/", true),
        (&slash, "/socket.io/?EIO=4", true),
        (&slash, "/socket.io/anything", true),
        (&slash, "/socket.io/anything/", true),
        (&slash, "http://example.com/socket.io/?EIO=4", true),
        (&slash, "/socket.io", false),
        (&slash, "/socket.io?EIO=4", false),
        (&slash, "/socket.io-admin", false),
        (&slash, "/socket.io-admin/", false),
        (&slash, "/socket.iox/", false),
        (&slash, "/Socket.io/", false),
        (&slash, "/", false),
        (&slash, "/x/socket.io/", false),
        (&slash, "//socket.io/", false),
        (&no_slash, "/socket.io", true),
        (&no_slash, "/socket.io?EIO=4", true),
        (&no_slash, "/socket.io/", true),
        (&no_slash, "/socket.io/anything", true),
        (&no_slash, "/socket.io-admin", false),
        (&custom, "/a/b/?EIO=4", true),
        (&custom, "/a/b", false),
        (&custom, "/socket.io/", false),
        (&root, "/", true),
        (&root, "/?EIO=4", true),
        (&root, "/anything", true),
    ];
    for (config, uri, ours) in vectors {
        assert_eq!(get(config, uri) != Route::NotOurs, ours, "{} {uri}", config.path);
    }
    assert_eq!(route(&slash, &head("OPTIONS", "*", &[])), Route::NotOurs);
}

#[test]
fn exactly_eight_files_are_the_clients() {
    let serving = config(|c| c.client_dir = Some(".".into()));
    let names = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"];
    for name in names {
        let uri = format!("/socket.io/{name}");
        assert_eq!(get(&serving, &uri), Route::ClientFile(name));
        assert_eq!(get(&serving, &format!("{uri}?v=1")), Route::ClientFile(name));
        let map = get(&serving, &format!("{uri}.map"));
        assert!(matches!(map, Route::ClientFile(file) if file == format!("{name}.map")), "{map:?}");
        assert!(matches!(get(&Config::default(), &uri), Route::Refused(_)), "no folder is configured");
    }
    for name in ["socket.io.esm.js", "socket.io.js.gz", "x/socket.io.js", "socket.io.js/", "../Cargo.toml"] {
        let other = get(&serving, &format!("/socket.io/{name}"));
        assert!(matches!(other, Route::Refused(_)), "{name}: {other:?}");
    }
    let mut off = serving;
    off.serve_client = false;
    assert!(matches!(get(&off, "/socket.io/socket.io.js"), Route::Refused(_)));
}

#[test]
fn a_handshake_says_its_version_and_transport() {
    let config = Config::default();
    let query = |raw| Query::parse(Some(raw));
    let raw = "EIO=4&transport=polling&t=abc&b64=1&foo=b%20ar";
    assert_eq!(
        get(&config, &format!("/socket.io/?{raw}")),
        Route::Handshake { version: Version::V4, transport: Transport::Polling, query: query(raw) }
    );
    let raw = "transport=polling";
    assert_eq!(
        get(&config, &format!("/socket.io/?{raw}")),
        Route::Handshake { version: Version::V3, transport: Transport::Polling, query: query(raw) }
    );
    let raw = "EIO=4&transport=websocket&sid=";
    assert_eq!(
        route(&config, &head("GET", &format!("/socket.io/?{raw}"), &UPGRADE)),
        Route::Handshake { version: Version::V4, transport: Transport::WebSocket, query: query(raw) }
    );
}

#[test]
fn a_request_with_an_id_is_left_to_the_session() {
    let cases = [
        ("GET", "polling", SessionMethod::Get),
        ("POST", "polling", SessionMethod::Post),
        ("PUT", "polling", SessionMethod::Other),
        ("DELETE", "polling", SessionMethod::Other),
        ("OPTIONS", "polling", SessionMethod::Other),
        ("HEAD", "polling", SessionMethod::Other),
        ("GET", "websocket", SessionMethod::Get),
    ];
    for (method, transport, expected) in cases {
        let uri = format!("/socket.io/?EIO=4&transport={transport}&sid=abc");
        let Route::Session { sid, version, transport: found, upgrade, method: asked, query } =
            route(&Config::default(), &head(method, &uri, &[]))
        else {
            panic!("{method} {uri}");
        };
        assert_eq!((sid.as_str(), version, upgrade, asked), ("abc", Version::V4, false, expected));
        assert_eq!(found.name(), transport);
        assert_eq!(query.get("sid"), Some("abc"));
    }
    let uri = "/socket.io/?EIO=4&transport=websocket&sid=abc";
    let found = route(&Config::default(), &head("GET", uri, &UPGRADE));
    assert!(matches!(found, Route::Session { upgrade: true, transport: Transport::WebSocket, .. }), "{found:?}");
}

#[test]
fn checks_come_in_the_references_order() {
    let unknown = Refusal::TRANSPORT_UNKNOWN;
    for transport in [
        "",
        "&transport=",
        "&transport=tobi",
        "&transport=__proto__",
        "&transport=constructor",
        "&transport=webtransport",
        "&transport=Polling",
        "&transport=polling&transport=x",
    ] {
        for sid in ["", "&sid=abc"] {
            for method in ["GET", "POST", "DELETE"] {
                let uri = format!("/socket.io/?EIO=4{transport}{sid}");
                assert_eq!(refused(method, &uri, &[]).as_ref(), Some(&unknown), "{method} {uri}");
                assert_eq!(refused(method, &uri, &UPGRADE).as_ref(), Some(&unknown), "{method} {uri}");
            }
        }
    }
    let polling = "/socket.io/?EIO=4&transport=polling";
    let websocket = "/socket.io/?EIO=4&transport=websocket";
    let origin = "Origin: http://\u{e9}";
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD] {
        assert_eq!(refused(method.as_str(), polling, &[]), Some(Refusal::BAD_METHOD));
        assert_eq!(refused(method.as_str(), websocket, &[]), Some(Refusal::BAD_METHOD));
        assert_eq!(refused(method.as_str(), websocket, &UPGRADE), Some(Refusal::BAD_METHOD));
        assert_eq!(refused(method.as_str(), polling, &[origin]), Some(Refusal::INVALID_ORIGIN));
    }
    assert_eq!(refused("GET", polling, &[origin]), Some(Refusal::INVALID_ORIGIN));
    assert_eq!(refused("GET", &format!("{polling}&sid=x"), &[origin]), Some(Refusal::INVALID_ORIGIN));
    assert_eq!(refused("GET", "/socket.io/?EIO=4", &[origin]), Some(unknown));
    assert_eq!(refused("GET", polling, &["Origin: http://example.com"]), None);
    assert_eq!(refused("GET", websocket, &[]), Some(Refusal::TRANSPORT_HANDSHAKE_ERROR));
}

#[test]
fn disabled_transports_are_unknown() {
    let uri = |transport| format!("/socket.io/?EIO=4&transport={transport}");
    let no_websocket = config(|c| c.websocket = false);
    let no_polling = config(|c| c.polling = false);
    let unknown = |name: &str| Route::Refused(Refusal::TRANSPORT_UNKNOWN.with_detail(name));
    assert_eq!(route(&no_websocket, &head("GET", &uri("websocket"), &UPGRADE)), unknown("websocket"));
    assert_eq!(get(&no_polling, &uri("polling")), unknown("polling"));
    assert!(matches!(get(&no_websocket, &uri("polling")), Route::Handshake { .. }));
}

#[test]
fn an_upgrade_request_has_to_be_a_whole_one() {
    let [connection, upgrade, version, key] = UPGRADE;
    let error = Some(Refusal::TRANSPORT_HANDSHAKE_ERROR);
    let bad_version = Some(Refusal::WEBSOCKET_VERSION);
    let listed = "Connection: keep-alive, upgrade";
    let short = "Sec-WebSocket-Key: short";
    let foreign = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\u{e9}Q==";
    let v8 = "Sec-WebSocket-Version: 8";
    let two = "Sec-WebSocket-Version: 13, 8";
    let vectors: [(&[&str], &Option<Refusal>); 12] = [
        (&[connection, upgrade, version, key], &None),
        (&[listed, "Upgrade: WebSocket", version, key], &None),
        (&[upgrade, version, key], &error),
        (&[connection, version, key], &error),
        (&[connection, "Upgrade: h2c", version, key], &error),
        (&[connection, upgrade, version], &error),
        (&[connection, upgrade, version, short], &error),
        (&[connection, upgrade, version, key, key], &error),
        (&[connection, upgrade, version, foreign], &error),
        (&[connection, upgrade, key], &bad_version),
        (&[connection, upgrade, key, v8], &bad_version),
        (&[connection, upgrade, key, two], &bad_version),
    ];
    for (headers, expected) in vectors {
        let found = refused("GET", "/socket.io/?EIO=4&transport=websocket", headers);
        assert_eq!(&found, expected, "{headers:?}");
    }
}

#[test]
fn an_upgrade_is_a_get_for_a_websocket() {
    let error = Some(Refusal::TRANSPORT_HANDSHAKE_ERROR);
    let polling = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(refused("GET", polling, &UPGRADE), error);
    assert_eq!(refused("GET", &format!("{polling}&sid=x"), &UPGRADE), error);
    let websocket = "/socket.io/?EIO=4&transport=websocket&sid=x";
    assert_eq!(refused("POST", websocket, &UPGRADE), error);
    // Clients that could also speak HTTP/2 are served as they ask.
    let h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"];
    assert_eq!(refused("GET", polling, &h2c), None);
}
