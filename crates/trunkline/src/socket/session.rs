//! What of a socket outlives its connection: its data, who it is, and until when its client may come back. How sessions
//! are kept and written is the shard's part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use trunkline_delivery::{Act, Session, Target};

use super::Socket;
use crate::common::{lock, unix_millis};
use crate::mailbox::Command;

/// What outlives a socket's connection: the sockets of one session, one after the other, share it.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The secret by which the client comes back; `None` if it cannot.
    pub(crate) private_id: Option<Arc<str>>,
    pub(crate) data: Mutex<BTreeMap<String, Value>>,
    pub(crate) user: Mutex<Option<Arc<str>>>,
    /// Milliseconds since 1970.
    pub(crate) valid_until: Mutex<Option<u64>>,
}

impl Shared {
    /// `socket.data` as the text of a JSON object.
    pub(crate) fn data_text(&self) -> ByteString {
        let data = lock(&self.data);
        if data.is_empty() {
            return ByteString::from_static("{}");
        }
        serde_json::to_string(&*data).unwrap_or_else(|_| "{}".to_owned()).into()
    }

    /// As a session was written.
    pub(crate) fn restored(session: &Session) -> Self {
        Self {
            private_id: Some(session.private_id.clone()),
            data: Mutex::new(serde_json::from_str(&session.data).unwrap_or_default()),
            user: Mutex::new(session.user.clone()),
            valid_until: Mutex::new(session.valid_until),
        }
    }

    /// Sets a value as it was written, or removes it.
    pub(crate) fn set_data_text(&self, key: &str, value: Option<&str>) {
        let mut data = lock(&self.data);
        match value.and_then(|text| serde_json::from_str(text).ok()) {
            Some(value) => drop(data.insert(key.to_owned(), value)),
            None => drop(data.remove(key)),
        }
    }
}

impl Socket {
    /// Whether this connection continues an earlier one: the id, the rooms and `socket.data` are those of before, and
    /// the client gets what it has missed. Always false without [`crate::Recovery`].
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// Whether its client can come back to it.
    pub(crate) fn has_session(&self) -> bool {
        self.0.shared.private_id.is_some()
    }

    /// Who the application says it is, if it has said so: the scope of its keys, also on later connections of the same
    /// user.
    #[must_use]
    pub fn user(&self) -> Option<Arc<str>> {
        lock(&self.0.shared.user).clone()
    }

    /// Says who it is; a middleware is the place for it.
    pub fn set_user(&self, user: impl Into<Arc<str>>) {
        *lock(&self.0.shared.user) = Some(user.into());
        self.record_session();
    }

    /// Says until when the client may come back to this session, such as the end of its login. `None` (the default) sets
    /// no end beside the window of [`crate::Recovery`].
    pub fn set_valid_until(&self, until: Option<SystemTime>) {
        *lock(&self.0.shared.valid_until) = until.map(unix_millis);
        self.record_session();
    }

    /// Has its session written again, after a change that the log does not know.
    fn record_session(&self) {
        if self.has_session() && self.is_connected() {
            let (conn, ns) = (self.0.conn, self.namespace_name().clone());
            self.mail(Command::Record { conn, ns });
        }
    }

    /// Sets a value of `socket.data`, which other handlers and [`crate::Broadcast::fetch_sockets`] see.
    ///
    /// # Errors
    ///
    /// If the value is no JSON.
    pub fn set_data(&self, key: impl Into<String>, value: impl Serialize) -> Result<(), serde_json::Error> {
        let (key, value) = (key.into(), serde_json::to_value(value)?);
        if self.has_session() && self.is_connected() {
            let target = Target::socket(self.0.ns.name().clone(), self.0.id.clone());
            let act = Act::Data { key: key.as_str().into(), value: Some(value.to_string().into()) };
            self.0.server.append(target, act);
        }
        self.lock_data().insert(key, value);
        Ok(())
    }

    /// A value of `socket.data`, `None` if it is not set or of another type.
    #[must_use]
    pub fn data<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.lock_data().get(key)?.clone();
        serde_json::from_value(value).ok()
    }

    /// All of `socket.data` as a JSON object.
    #[must_use]
    pub fn data_json(&self) -> Value {
        Value::Object(self.lock_data().iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn lock_data(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        lock(&self.0.shared.data)
    }
}
