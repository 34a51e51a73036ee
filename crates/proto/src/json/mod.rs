//! JSON as text that is passed on: checked, cut and quoted, never made into a tree.
//! Values of Rust types are serde's matter.

mod scan;
mod string;

pub(crate) use scan::{Children, Invalid, Span, Visitor, is_blank_from, scan, skip_blanks};
pub(crate) use string::{quote, string_is, unquote};

#[cfg(test)]
mod tests;
