//! What the first request of a connection said, kept small: all sockets of the connection share it.

use std::net::SocketAddr;
use std::time::SystemTime;

use serde_json::{Map, Value};

/// The request that opened a connection.
#[derive(Clone, Debug)]
pub struct Handshake {
    issued: SystemTime,
    address: Option<SocketAddr>,
    secure: bool,
    url: Box<str>,
    query: Box<[(Box<str>, Box<str>)]>,
    /// Lines of `name: value`, so that a connection keeps one string and no map.
    headers: Box<str>,
}

impl Handshake {
    pub(crate) fn new(parts: &http::request::Parts, query: &[(String, String)]) -> Self {
        let over_tls = parts.extensions.get::<crate::OverTls>().is_some();
        Self {
            issued: SystemTime::now(),
            address: parts.extensions.get::<crate::PeerAddress>().map(|address| address.0),
            secure: over_tls || parts.uri.scheme_str() == Some("https"),
            url: parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).into(),
            query: query.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
            headers: header_lines(&parts.headers).into(),
        }
    }

    /// When the request came.
    #[must_use]
    pub fn issued(&self) -> SystemTime {
        self.issued
    }

    /// The peer's address, if the server knows it: [`crate::Server::serve`] does, and so does axum with
    /// [`crate::PeerAddress`] in the request's extensions.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Whether it came over TLS, if the server knows it: see [`crate::OverTls`].
    #[must_use]
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// Whether it named an origin, as browsers do across sites.
    #[must_use]
    pub fn xdomain(&self) -> bool {
        self.header("origin").is_some()
    }

    /// Path and query as they were asked for.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A query parameter of the request, decoded; the last one of that name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| **key == *name).map(|(_, value)| &**value)
    }

    /// All query parameters, in the order of the request.
    pub fn queries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(key, value)| (&**key, &**value))
    }

    /// A header of the request, by its name in lower case; the first one of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All headers of the request, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.lines().filter_map(|line| line.split_once(": "))
    }

    /// The handshake in the form that Socket.IO gives to its users, with this `auth`.
    #[must_use]
    pub fn to_json(&self, auth: &Value) -> Value {
        let object = |pairs: &mut dyn Iterator<Item = (&str, &str)>| {
            Value::Object(pairs.map(|(key, value)| (key.to_owned(), Value::from(value))).collect::<Map<_, _>>())
        };
        let issued = self.issued.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        serde_json::json!({
            "headers": object(&mut self.headers()),
            "time": httpdate(self.issued),
            "address": self.address.map(|address| address.ip().to_string()),
            "xdomain": self.xdomain(),
            "secure": self.secure,
            "issued": u64::try_from(issued).unwrap_or(0),
            "url": &*self.url,
            "query": object(&mut self.queries()),
            "auth": auth,
        })
    }
}

/// Headers as lines of `name: value`.
pub(crate) fn header_lines(headers: &http::HeaderMap) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        lines.push_str(name.as_str());
        lines.push_str(": ");
        lines.push_str(&String::from_utf8_lossy(value.as_bytes()));
        lines.push('\n');
    }
    lines
}

/// As JavaScript prints a date: `Tue Nov 24 2026 04:29:08 GMT+0000 (Coordinated Universal Time)`.
fn httpdate(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years (the civil calendar's arithmetic).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12;
    let year = year_of_era + era * 400 + u64::from(month < 2);
    let name = |names: &[&'static str], index: u64| names[usize::try_from(index).unwrap_or(0) % names.len()];
    format!(
        "{} {} {day:02} {year} {:02}:{:02}:{:02} GMT+0000 (Coordinated Universal Time)",
        name(&DAYS, days),
        name(&MONTHS, month),
        rest / 3600,
        rest / 60 % 60,
        rest % 60,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_read_as_javascript_prints_them() {
        let at = |seconds| httpdate(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1_795_494_548), "Tue Nov 24 2026 04:29:08 GMT+0000 (Coordinated Universal Time)");
        assert_eq!(at(0), "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)");
        assert_eq!(at(1_709_164_800), "Thu Feb 29 2024 00:00:00 GMT+0000 (Coordinated Universal Time)");
    }
}
