//! The little HTTP that the demo's parties need: a server and a client for loopback, and forms.
//!
//! Why not the proxy's own: what is to show that the proxy works must not share its code. Bodies are
//! texts held in memory, so this must never be used for anything but the demo and tests.

mod client;
mod form;
mod server;

pub use client::{HttpError, browse, get, post_form, send};
pub use form::{Form, with_query};
pub use server::{Server, Site, json, redirect, text};

/// The longest body that either side reads, in bytes.
const MAX_BODY: usize = 1 << 20;
