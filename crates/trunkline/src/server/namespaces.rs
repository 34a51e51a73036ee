//! The namespaces of a server: those that were made, those that a dynamic one makes when a client asks, and those that go
//! with their last socket. What a namespace is, is `namespace`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytestring::ByteString;

use super::ServerCore;
use crate::dynamic::Asked;
use crate::handler::dispatch::guarded_call;
use crate::namespace::NamespaceCore;
use crate::{ConnectError, Namespace, limits};

impl ServerCore {
    pub(crate) fn namespace(self: &Arc<Self>, name: &str) -> Arc<NamespaceCore> {
        if let Some(found) = self.find_namespace(name) {
            return found;
        }
        let parent = {
            let dynamic = self.dynamic.read().unwrap_or_else(PoisonError::into_inner);
            let parent = dynamic.iter().find(|ns| ns.matcher.as_ref().is_some_and(|m| m.matches_literally(name)));
            parent.cloned()
        };
        self.add_namespace(name, |name| match &parent {
            Some(parent) => parent.child(name),
            None => Arc::new(NamespaceCore::new(name, None)),
        })
    }

    pub(crate) fn find_namespace(&self, name: &str) -> Option<Arc<NamespaceCore>> {
        self.namespaces.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn add_namespace(
        self: &Arc<Self>,
        name: &str,
        make: impl FnOnce(&str) -> Arc<NamespaceCore>,
    ) -> Arc<NamespaceCore> {
        let core = {
            let mut namespaces = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
            // Several clients may have asked for it at once: the first one made it.
            if let Some(found) = namespaces.get(name) {
                return found.clone();
            }
            let core = make(name);
            namespaces.insert(core.name().clone(), core.clone());
            core
        };
        if name != "/" {
            let ns = Namespace::new(self.clone(), core.clone());
            let listeners = self.namespace_listeners.read().unwrap_or_else(PoisonError::into_inner);
            listeners.iter().for_each(|call| guarded_call("a listener of namespaces", || call(&ns)));
        }
        core
    }

    /// The namespace that a client asks for, made if a dynamic one takes the name.
    pub(crate) async fn admit(self: &Arc<Self>, asked: Asked) -> Result<Arc<NamespaceCore>, ConnectError> {
        if let Some(found) = self.find_namespace(&asked.name) {
            return Ok(found);
        }
        let dynamic = self.dynamic.read().unwrap_or_else(PoisonError::into_inner).clone();
        for parent in dynamic {
            let Some(matcher) = &parent.matcher else { continue };
            if matcher.matches(asked.clone()).await {
                let known = self.namespaces.read().unwrap_or_else(PoisonError::into_inner).len();
                if known >= limits::DYNAMIC_NAMESPACES {
                    return Err(ConnectError::new("too many namespaces"));
                }
                return Ok(self.add_namespace(&asked.name, |name| parent.child(name)));
            }
        }
        Err(ConnectError::new("Invalid namespace"))
    }

    /// A socket of this namespace has gone: an empty child goes with it, if that was asked for.
    pub(crate) fn leave_namespace(&self, ns: &Arc<NamespaceCore>) {
        let last = ns.sockets.fetch_sub(1, Ordering::AcqRel) == 1;
        if !last || !ns.is_child || !self.options.cleanup_empty_child_namespaces {
            return;
        }
        let mut namespaces = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        if ns.sockets.load(Ordering::Acquire) == 0 && namespaces.get(ns.name()).is_some_and(|n| Arc::ptr_eq(n, ns)) {
            namespaces.remove(ns.name());
            let dynamic = self.dynamic.read().unwrap_or_else(PoisonError::into_inner);
            dynamic.iter().for_each(|parent| parent.forget_child(ns));
        }
    }

    /// Handlers often hold the server itself; letting go of them lets go of it.
    pub(super) fn forget_handlers(&self) {
        let namespaces = std::mem::take(&mut *self.namespaces.write().unwrap_or_else(PoisonError::into_inner));
        namespaces.into_values().for_each(|ns| ns.clear_listeners());
        let dynamic = std::mem::take(&mut *self.dynamic.write().unwrap_or_else(PoisonError::into_inner));
        dynamic.into_iter().for_each(|ns| ns.clear_listeners());
        self.room_listeners.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.namespace_listeners.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A namespace's name as text of JSON `auth`, for matchers.
pub(crate) fn auth_value(auth: Option<&ByteString>) -> serde_json::Value {
    auth.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| serde_json::json!({}))
}
