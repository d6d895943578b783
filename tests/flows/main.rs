//! Whole flows over real sockets: a provider of the test's own, kidstamp in this process, and what each side
//! gets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "the helpers of a test may fail as the test itself may"
)]

mod algorithms;
mod front_channel;
mod hashes;
mod jarm;
mod jwt_responses;
mod laundering;
mod logout_relay;
mod nonces;
mod on_failure;
mod restore;
mod stage;
mod twice;
mod untouched;
mod userinfo;
