//! Whether a handshake that is well formed is let in: by its origin, by the application, by its protocol version.
//! That it is well formed is left to `route`.

use http::request::Parts;
use trunkline_proto::Version;

use super::origin;
use super::query::Query;
use super::refusal::Refusal;
use crate::config::Config;

/// Asks whether a handshake is let in, in the reference's order: `allowed_origins`, the hook `allow_request`, then the
/// protocol version.
///
/// Every handshake has to pass here, also where no hook is set: this is where protocol 3 is refused.
///
/// # Errors
///
/// Code 4 or 5. Waits for the hook without a deadline of its own.
pub async fn admit(config: &Config, parts: &Parts) -> Result<(), Refusal> {
    if let Some(allowed) = &config.allowed_origins {
        origin::check_allowed(&parts.headers, allowed)?;
    }
    if let Some(hook) = &config.hooks.allow_request {
        hook(parts).await.map_err(Refusal::forbidden)?;
    }
    match Query::parse(parts.uri.query()).version() {
        Version::V3 if !config.allow_eio3 => Err(Refusal::UNSUPPORTED_VERSION.with_detail("3")),
        Version::V3 | Version::V4 => Ok(()),
    }
}
