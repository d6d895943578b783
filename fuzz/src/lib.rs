//! What is fuzzed: each target takes any bytes and asserts a promise of kidstamp, judged by code that shares nothing
//! with it where there is such.
//!
//! `cargo fuzz run NAME` looks for bytes that break one; `cargo test` here replays the corpus, which is committed.

mod documents;
mod form_post;
mod jws;
mod location;
mod provider;
mod proxy;
mod restore;
mod signature;
mod token_response;

/// A target: it panics on bytes that break a promise.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 8] = [
    ("documents", documents::run),
    ("form_post", form_post::run),
    ("jws", jws::run),
    ("location", location::run),
    ("proxy", proxy::run),
    ("restore", restore::run),
    ("signature", signature::run),
    ("token_response", token_response::run),
];

/// The target of that name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no target {name}")).1
}

/// The two parts of an input: what stands before the first line feed, and after it.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}
