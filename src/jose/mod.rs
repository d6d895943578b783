//! JOSE: keys and signatures, as RFC 7515, 7517, 7518, 7638 and 8037 define them.
//!
//! Bytes in, values out; no I/O and no clock. What is read here is read strictly: a key or a
//! token that is spelt wrongly is an error here, and a repair only in [`crate::rules`]. No cryptography
//! is written here: aws-lc-rs verifies and signs.

mod alg;
pub mod base64url;
mod client_secret;
mod ecdsa_der;
mod jwk;
mod jws;
mod mac;
mod pem;
mod sign;
pub mod thumbprint;
mod verify;

pub use alg::{Alg, Hash, KeyType};
pub use client_secret::ClientSecret;
pub use jwk::{Curve, JwkError, PRIVATE_MEMBERS, PublicKey, RSA_BITS};
pub use jws::{CompactJws, JwsError, Kid, ProtectedHeader};
pub use mac::Mac;
pub use pem::{PemError, public_key_from_certificate, public_key_from_spki, public_keys_from_pem};
pub use sign::{KeyError, SigningKey, this_is_an_event_loop};
pub(crate) use verify::is_safe_exponent;
pub use verify::{UnusableKey, VerificationKey};
