//! JSON as text that is passed on: checked, cut and quoted, never made into a tree.
//! Values of Rust types are serde's matter.

mod string;

pub(crate) use string::quote;
