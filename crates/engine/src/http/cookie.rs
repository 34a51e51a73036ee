//! The cookie that carries the session id, and how it is written. When it is sent is left to `response`.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;

use crate::config::Config;

/// A cookie whose value is the session id, set by the first polling answer of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cookie {
    /// Its name. Default `io`.
    pub name: String,
    /// The path it is sent back for. Default `/`; none leaves it to the browser.
    pub path: Option<String>,
    /// The domain it is sent back to. Default none: the host alone.
    pub domain: Option<String>,
    /// How long a browser keeps it, in whole seconds. Default none: until it is closed.
    pub max_age: Option<Duration>,
    /// Whether scripts may not read it. Default true.
    pub http_only: bool,
    /// Whether it is sent over TLS alone. Default false.
    pub secure: bool,
    /// When it goes with requests from other sites. Default [`SameSite::Lax`]; none leaves it to the browser.
    pub same_site: Option<SameSite>,
}

/// When a cookie goes with requests from other sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the user follows a link.
    Lax,
    /// Always; browsers then ask for `secure`.
    None,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: "io".to_owned(),
            path: Some("/".to_owned()),
            domain: None,
            max_age: None,
            http_only: true,
            secure: false,
            same_site: Some(SameSite::Lax),
        }
    }
}

/// The `Set-Cookie` value for a session; none if no cookie is configured, or one that cannot stand in a header.
#[must_use]
pub fn set_cookie(config: &Config, sid: &str) -> Option<HeaderValue> {
    let cookie = config.cookie.as_ref()?;
    let mut text = format!("{}={}", cookie.name, encode(sid));
    if let Some(max_age) = cookie.max_age {
        let _ = write!(text, "; Max-Age={}", max_age.as_secs());
    }
    if let Some(domain) = &cookie.domain {
        let _ = write!(text, "; Domain={domain}");
    }
    if let Some(path) = &cookie.path {
        let _ = write!(text, "; Path={path}");
    }
    text.push_str(if cookie.http_only { "; HttpOnly" } else { "" });
    text.push_str(if cookie.secure { "; Secure" } else { "" });
    text.push_str(match cookie.same_site {
        Some(SameSite::Strict) => "; SameSite=Strict",
        Some(SameSite::Lax) => "; SameSite=Lax",
        Some(SameSite::None) => "; SameSite=None",
        None => "",
    });
    HeaderValue::try_from(text).ok()
}

/// Returns whether `text` can be a part of a cookie without ending it.
pub(crate) fn is_cookie_octets(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"' | b'\\'))
}

/// Escapes what a cookie's value cannot hold, as `encodeURIComponent` does.
fn encode(sid: &str) -> String {
    let mut out = String::with_capacity(sid.len());
    for byte in sid.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(change: impl FnOnce(&mut Cookie)) -> String {
        let mut cookie = Cookie::default();
        change(&mut cookie);
        let config = Config { cookie: Some(cookie), ..Config::default() };
        set_cookie(&config, "abc").unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn cookies_are_written_as_the_reference_does() {
        assert_eq!(set_cookie(&Config::default(), "abc"), None);
        assert_eq!(written(|_| ()), "io=abc; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(written(|c| c.name = "woot".into()), "woot=abc; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(written(|c| c.path = Some("/custom".into())), "io=abc; Path=/custom; HttpOnly; SameSite=Lax");
        assert_eq!(written(|c| c.path = None), "io=abc; HttpOnly; SameSite=Lax");
        assert_eq!(written(|c| c.http_only = false), "io=abc; Path=/; SameSite=Lax");
        assert_eq!(written(|c| c.same_site = Some(SameSite::Strict)), "io=abc; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(
            written(|c| {
                c.max_age = Some(Duration::from_secs(60));
                c.domain = Some("example.com".into());
                c.secure = true;
                c.same_site = Some(SameSite::None);
            }),
            "io=abc; Max-Age=60; Domain=example.com; Path=/; HttpOnly; Secure; SameSite=None"
        );
    }

    #[test]
    fn an_id_of_the_application_cannot_break_the_header() {
        let config = Config { cookie: Some(Cookie::default()), ..Config::default() };
        let value = set_cookie(&config, "a;b\r\nc é").unwrap();
        assert_eq!(value, "io=a%3Bb%0D%0Ac%20%C3%A9; Path=/; HttpOnly; SameSite=Lax");
    }
}
