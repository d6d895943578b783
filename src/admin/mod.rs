//! Health, metrics and the status page, on a listener of their own: clients of the proxy can't reach it, and what they ask for
//! under the same paths goes to the provider.
//!
//! GET and HEAD only; nothing here is secret, and nothing can be changed.

mod advice;
mod counters;
mod metrics;
mod page;
mod server;
mod status;
mod sunset;

pub use counters::{Counters, TokenOutcome, UpstreamFailure, WorkerCounters};
pub use server::{Admin, serve};
