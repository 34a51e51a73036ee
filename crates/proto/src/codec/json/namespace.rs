//! Namespaces of protocol 3, whose names carry a query when a client joins.
//! What the query authorises is left to the application.

use std::collections::BTreeMap;

use bytestring::ByteString;

use crate::json::quote;
use crate::query;

/// Cuts the query off a name and makes a JSON object of it, as node's `url.parse` does: members in order of their first
/// coming, an array for a name that comes several times. `None` if there is no query.
pub(in crate::codec) fn split_query(name: &ByteString) -> (ByteString, Option<ByteString>) {
    let Some(at) = name.find(['?', '#']) else {
        return (name.clone(), None);
    };
    let path = name.slice_ref(&name[..at]);
    let query = name[at..].strip_prefix('?').map(|query| query.split('#').next().unwrap_or(query));
    (path, query.map(to_object))
}

fn to_object(query: &str) -> ByteString {
    let mut places = BTreeMap::new();
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in query::pairs(query.as_bytes()) {
        let place = *places.entry(name.clone()).or_insert(members.len());
        match members.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => members.push((name, vec![value])),
        }
    }
    let mut out = String::with_capacity(query.len() + 16);
    for (i, (name, values)) in members.iter().enumerate() {
        out.push(if i == 0 { '{' } else { ',' });
        quote(&mut out, name);
        out.push(':');
        put_values(&mut out, values);
    }
    out.push_str(if members.is_empty() { "{}" } else { "}" });
    out.into()
}

fn put_values(out: &mut String, values: &[String]) {
    if let [value] = values {
        return quote(out, value);
    }
    for (i, value) in values.iter().enumerate() {
        out.push(if i == 0 { '[' } else { ',' });
        quote(out, value);
    }
    out.push(']');
}
