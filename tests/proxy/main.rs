//! kidstamp over real sockets: between a client that sends raw bytes and an upstream that misbehaves when told to.
//!
//! `client`, `upstream`, `sidecar` and `tokens` are what tests are made of; each other module holds the tests of
//! one room. Nothing here waits for a time to pass: tests wait for a condition (`eventually`) or open a [`Gate`].
//!
//! [`Gate`]: gate::Gate

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where something is not as it should be"
)]

mod client;
mod frames;
mod gate;
mod http1;
mod process;
mod sidecar;
mod tokens;
mod upstream;
mod wire;

mod cors;
mod decoding;
mod desync;
mod discovery;
mod documents;
mod faults;
mod framing;
mod hmac;
mod http2;
mod hygiene;
mod init;
mod jwks;
mod key_sets;
mod lifecycle;
mod limits;
mod listeners;
mod pass_through;
mod profiles;
mod realms;
mod reload;
mod restore;
#[allow(dead_code, reason = "what combines cases is for src/upstream/snapshot/pairs.rs")]
mod rule_cases;
mod rulebook;
mod rules;
mod same_key;
mod secrets;
mod signed_in;
mod status;
mod streaming;
mod tls;
mod token;
mod token_passes;
mod upgrade;
mod upstream_http2;
mod upstream_tls;
mod upstream_unix;

pub(crate) use client::{Client, Response};
pub(crate) use gate::{Gate, eventually};
pub(crate) use process::Process;
pub(crate) use sidecar::{Setup, Sidecar};
pub(crate) use tokens::Key;
pub(crate) use upstream::{Answer, Request, Upstream};
