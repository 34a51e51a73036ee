//! The `Origin` of a request: whether it can be one, and whether it is on a list. Cross-origin answers are left to
//! `cors`.

use http::HeaderMap;
use http::header::ORIGIN;

use super::refusal::Refusal;

/// Refuses a request whose `Origin` holds bytes that no origin has. hyper has refused control characters before; this
/// is for the bytes above ASCII that HTTP lets pass.
pub(crate) fn check_characters(headers: &HeaderMap) -> Result<(), Refusal> {
    let broken = headers.get_all(ORIGIN).iter().find(|origin| origin.to_str().is_err());
    match broken {
        Some(origin) => {
            let shown = String::from_utf8_lossy(origin.as_bytes()).into_owned();
            Err(Refusal::INVALID_ORIGIN.with_detail(shown))
        }
        None => Ok(()),
    }
}

/// Refuses a request with an `Origin` that is not on the list. Scheme and host are compared without regard to case.
pub(crate) fn check_allowed(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let foreign = headers
        .get_all(ORIGIN)
        .iter()
        .find(|origin| !allowed.iter().any(|entry| entry.as_bytes().eq_ignore_ascii_case(origin.as_bytes())));
    match foreign {
        Some(origin) => {
            let shown = String::from_utf8_lossy(origin.as_bytes()).into_owned();
            Err(Refusal::ORIGIN_NOT_ALLOWED.with_detail(shown))
        }
        None => Ok(()),
    }
}

/// Returns whether a browser could send `text` as an origin: `null`, or a scheme and an authority and nothing else.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else {
        return text == "null";
    };
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b',');
    !scheme.is_empty()
        && !host.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && host.bytes().all(plain)
}
