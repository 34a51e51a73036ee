//! Ids that cannot be guessed. Whether one is taken already is left to the owner of the sessions.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use http::request::Parts;

use super::refusal::Refusal;
use crate::config::Config;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Makes the id of a new session, by the application's hook if there is one.
///
/// # Errors
///
/// Code 3 with the context `ID_GENERATION_ERROR` when the hook fails or returns nothing, or when the system has no
/// random bytes.
pub async fn new_sid(config: &Config, parts: &Parts) -> Result<String, Refusal> {
    let made = match &config.hooks.generate_id {
        Some(hook) => hook(parts).await,
        None => random_id().map_err(|error| error.to_string()),
    };
    match made {
        Ok(id) if !id.is_empty() => Ok(id),
        Ok(_) => Err(Refusal::ID_GENERATION_ERROR.with_detail("empty id")),
        Err(reason) => Err(Refusal::ID_GENERATION_ERROR.with_detail(reason)),
    }
}

/// Makes an id of 20 characters that are safe in URLs: 96 random bits, then a counter, so that two ids of one process
/// differ even if its random bytes should not.
///
/// # Errors
///
/// The system has no random bytes.
pub fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 15];
    getrandom::fill(&mut bytes[..12])?;
    let [_, counter @ ..] = COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    bytes[12..].copy_from_slice(&counter);
    Ok(URL_SAFE.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_20_safe_characters_and_differ() {
        let ids: std::collections::HashSet<_> = (0..200).map(|_| random_id().unwrap()).collect();
        assert_eq!(ids.len(), 200);
        for id in ids {
            assert_eq!(id.len(), 20);
            assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
    }
}
