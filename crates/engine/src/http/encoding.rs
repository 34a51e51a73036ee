//! How an answer may be compressed, by what the request accepts, and the compressing itself. Which answers are worth it
//! is left to the callers.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
    /// The zlib format, as HTTP means it.
    Deflate,
}

impl Encoding {
    const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    pub(crate) const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// Compresses a whole body; none for Brotli, which is only ever sent from a file.
    pub(crate) fn compress(self, body: &[u8]) -> Option<Bytes> {
        let level = Compression::default();
        let out = Vec::with_capacity(body.len() / 2);
        // Writing into memory has no way to fail.
        let compressed = match self {
            Self::Brotli => return None,
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, level);
                encoder.write_all(body).and_then(|()| encoder.finish())
            }
        };
        compressed.ok().map(Bytes::from)
    }
}

/// The coding of `offered` that the client likes best: by its weights, then by the order it names them in, then by ours.
/// None when it names none of them: the body then goes as it is.
pub(crate) fn choose(headers: &HeaderMap, offered: &[Encoding]) -> Option<Encoding> {
    let lines = headers.get_all(ACCEPT_ENCODING);
    let accepted: Vec<(&str, u16)> =
        lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).filter_map(entry).collect();
    let rank = |encoding: &Encoding| {
        let named = accepted.iter().position(|(name, _)| name.eq_ignore_ascii_case(encoding.name()));
        let at = named.or_else(|| accepted.iter().position(|(name, _)| *name == "*"))?;
        let (_, weight) = accepted[at];
        (weight > 0).then_some((weight, std::cmp::Reverse(at)))
    };
    let ranked = offered.iter().filter_map(|encoding| Some((rank(encoding)?, *encoding)));
    // The first of several equals wins: `max_by_key` would take the last.
    ranked.rev().max_by_key(|(rank, _)| *rank).map(|(_, encoding)| encoding)
}

/// One coding and its weight in thousandths; none if it is malformed.
fn entry(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    match weight {
        None => Some((name, 1000)),
        Some(weight) => Some((name, thousandths(weight)?)),
    }
}

fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole.saturating_mul(1000).saturating_add(fraction).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Encoding; 2] = [Encoding::Gzip, Encoding::Deflate];

    fn chosen(accept: &[&str]) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        choose(&headers, &BOTH)
    }

    #[test]
    fn weights_then_the_clients_order_then_ours_decide() {
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[""]), None);
        assert_eq!(chosen(&["identity"]), None);
        assert_eq!(chosen(&["br"]), None);
        assert_eq!(chosen(&["gzip, deflate, br"]), Some(Encoding::Gzip));
        assert_eq!(chosen(&["deflate, gzip"]), Some(Encoding::Deflate));
        assert_eq!(chosen(&["deflate", "gzip"]), Some(Encoding::Deflate));
        assert_eq!(chosen(&["GZIP;q=0.5, deflate ; q=0.501"]), Some(Encoding::Deflate));
        assert_eq!(chosen(&["gzip;q=0, deflate;q=0.001"]), Some(Encoding::Deflate));
        assert_eq!(chosen(&["gzip;q=0"]), None);
        assert_eq!(chosen(&["*"]), Some(Encoding::Gzip));
        assert_eq!(chosen(&["*, gzip;q=0"]), Some(Encoding::Deflate));
        assert_eq!(chosen(&["gzip;q=nonsense"]), None);
        assert_eq!(chosen(&[",,;q=1,;"]), None);
        assert_eq!(chosen(&["gzip;q=65.999"]), Some(Encoding::Gzip));
        assert_eq!(chosen(&["gzip;q=66"]), Some(Encoding::Gzip));
        assert_eq!(chosen(&["gzip;q=65536"]), None);
    }
}
