//! Tokens: what happens to one on its way to a relying party, and how it becomes itself again on the way back.
//!
//! Texts and a clock value in; decisions and texts out. The one thing that must never happen here is a
//! signature over something that was not verified: a [`VerifiedToken`] can only come from
//! [`Trust::verify`], which takes an [`UpstreamToken`], which only a response of the upstream has; and a
//! [`BridgeKey`] signs nothing but an [`Unsigned`] token, which only a verified one turns into.
//!
//! The one exception is the [`LogoutRequest`], which the provider sends by itself: what comes of it goes to one
//! configured relying party, and never back to whoever sent it.

mod authorization_code;
mod authorization_issuer;
mod authorization_response;
mod claims;
mod client;
mod decide;
mod examine;
mod form_post;
mod hashes;
mod inside;
mod jwt_response;
mod kind;
mod logout_request;
mod nonces;
mod resign;
mod response;
mod restore;
mod restore_body;
mod undo;
mod verify;

pub use authorization_code::AuthorizationCode;
pub use authorization_issuer::{repair_issuer_in_page, repair_issuer_parameter};
pub use authorization_response::AuthorizationResponse;
pub use decide::{Annotation, Bridge, Decided, Decision, Mode, PassReason, ResignReason, decide};
pub use examine::{Examined, examine, issuer_of};
pub use jwt_response::JwtResponse;
pub use kind::{Modes, TokenKind};
pub use logout_request::LogoutRequest;
pub use nonces::{AuthorizationRequest, Login, MemoryBounds, Nonce, Nonces, Remembered};
pub use resign::{BridgeKey, CARRIER, ResignError, Unsigned};
pub use response::{TokenResponse, UnreadableResponse, UpstreamToken};
pub use restore::{Place, restore, restore_authorization, restore_fields};
pub use restore_body::{boundary_of, restore_json, restore_multipart};
pub use verify::{SecretClient, Signer, Trust, TrustedKey, Unverified, VerifiedToken};

#[cfg(test)]
mod algorithm_tests;
#[cfg(test)]
mod tests;
