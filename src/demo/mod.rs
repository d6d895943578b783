//! `kidstamp demo`: a legacy provider, kidstamp before it, and a strict relying party.

pub mod http;
pub mod legacy_idp;
mod secret;
pub mod strict_rp;
#[cfg(test)]
mod tests;
