//! kidstamp: a reverse-proxy sidecar that makes strict OpenID Connect relying parties accept
//! a legacy provider.
//!
//! The map of the house; each room's own documentation says why it exists:
//!
//! - [`cli`]: one file a command; the only room that knows arguments, printing and exit codes
//! - [`config`]: file, environment and flags become one checked configuration

pub mod cli;
pub mod config;
