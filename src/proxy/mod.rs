//! The way of a request: listener, route, restore, forward, repair, respond.
//!
//! One current-thread runtime a worker, each with its own listener and its own upstream connections, so that
//! nothing is shared on the way of a request that passes; what is shared (the site, counters) is read without
//! locks. This room does I/O and knows no JOSE: it asks [`crate::token`] and [`crate::upstream`].

mod asked;
mod body;
mod client;
mod connection;
mod connection_http2;
mod connections;
mod cors;
mod deadline;
mod door;
mod drain;
mod endpoint_authorize;
mod endpoint_discovery;
mod endpoint_jwks;
mod endpoint_jwt;
mod endpoint_token;
mod error;
mod forward;
mod gather;
mod handle;
mod headers;
mod http2;
mod http2_guard;
mod hygiene;
mod idle;
#[cfg(feature = "in-memory")]
pub mod in_memory;
mod judge;
mod listener;
mod logout_relay;
mod look;
mod nonces;
mod pool;
mod proxy_protocol;
mod reload;
mod repair_token_response;
mod repair_userinfo;
mod rest;
mod restore;
mod rewrite;
mod roll;
mod server;
mod settings;
mod signing;
mod slots;
mod stream;
mod tls;
mod trace;
mod transport;
mod upgrade;
mod vouch;
mod watch;
mod worker;

pub use listener::{InheritError, Inherited};
pub use server::{Running, StartError, start, start_on};
pub use settings::SettingsError;
pub use tls::FrontTlsError;
