//! Namespaces that come into being when a client asks for them.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::Handshake;

type MatchFuture = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Decides whether a name is a child of a dynamic namespace.
#[derive(Clone)]
pub(crate) enum Matcher {
    Pattern(Arc<regex_lite::Regex>),
    Function(Arc<dyn Fn(Asked) -> MatchFuture + Send + Sync>),
}

/// A client asks for a namespace that there is not yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The name it asks for, with the leading slash.
    pub name: String,
    /// What it sent as `auth`, `{}` if nothing.
    pub auth: Value,
    /// The first request of its connection.
    pub handshake: Arc<Handshake>,
}

impl Matcher {
    pub(crate) async fn matches(&self, asked: Asked) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.is_match(&asked.name),
            Self::Function(function) => function(asked).await,
        }
    }

    pub(crate) fn matches_literally(&self, name: &str) -> bool {
        matches!(self, Self::Pattern(pattern) if pattern.is_match(name))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => f.debug_tuple("Pattern").field(&pattern.as_str()).finish(),
            Self::Function(_) => f.write_str("Function"),
        }
    }
}
