//! kidstamp: a reverse-proxy sidecar that makes strict OpenID Connect relying parties accept
//! a legacy provider.
//!
//! The map of the house; each room's own documentation says why it exists.
//!
//! The core is pure: bytes and a clock value in; bytes, decisions and findings out.
//! - [`json`]: strict reading, and edits as splices on the text
//! - [`jose`]: keys and signatures
//! - [`rules`]: every known flaw, how it is found and mended
//! - [`token`]: pass or re-sign, and the way back
//!
//! The shell does the I/O and knows no JOSE. The core never calls it.
//! - [`cli`]: one file a command; the only room that knows arguments, printing and exit codes
//! - [`config`]: file, environment and flags become one checked configuration
//! - [`keys`]: bridge keys on disk
//! - [`upstream`]: what is known of the provider, and how it is reached
//! - [`proxy`]: the way of a request
//! - [`admin`]: health and metrics
//! - [`demo`]: a legacy provider and a strict relying party, for `kidstamp demo` and the tests
//! - [`clock`]: the one place where the time is read

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod jose;
pub mod json;
pub mod keys;
pub mod proxy;
pub mod rules;
pub mod token;
pub mod upstream;
