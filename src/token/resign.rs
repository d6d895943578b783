//! Re-signing: the same claims under a key that relying parties can find, with what restore needs inside.
//!
//! The carrier is the first member of the new payload:
//! `"_kidstamp":"<original protected header>.<original signature>"`, with a third part where claims were repaired:
//! how to take that back. It stands in the payload, since real relying parties refuse unknown header members but no
//! unknown claims. Nothing else of the payload's text moves.

use super::decide::Bridge;
use super::undo;
use super::verify::VerifiedToken;
use crate::jose::{Alg, KeyError, PublicKey, SigningKey, base64url};
use crate::json::{self, Edits};
use std::fmt;
use std::sync::Arc;

/// The name of the claim that carries the original header and signature.
pub const CARRIER: &str = "_kidstamp";

/// What stands between the first brace of the payload and the carrier's content.
pub(super) const CARRIER_START: &str = "\"_kidstamp\":\"";

/// Header members that would point at the old key (RFC 7515 §4.1.2 to §4.1.8).
const KEY_POINTERS: [&str; 6] = ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"];

/// A signing key of kidstamp's own, which signs verified tokens and nothing else.
#[derive(Debug)]
pub struct BridgeKey {
    key: Arc<SigningKey>,
    kid: String,
}

impl BridgeKey {
    /// Takes `key` into service; it is published under its thumbprint.
    pub fn new(key: SigningKey) -> Self {
        let kid = key.kid().to_owned();
        Self { key: Arc::new(key), kid }
    }

    /// The same key under the `kid` that the provider publishes it with (same-key mode).
    pub fn published_as(&self, kid: &str) -> Self {
        Self { key: Arc::clone(&self.key), kid: kid.to_owned() }
    }

    /// The algorithm that it signs with.
    pub fn alg(&self) -> Alg {
        self.key.alg()
    }

    /// The `kid` of the tokens that it signs.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// The JWK to publish.
    pub fn public_jwk(&self) -> String {
        self.key.public_jwk()
    }
}

/// A verified token in its new form, but for the signature.
pub struct Unsigned {
    key: Arc<BridgeKey>,
    signing_input: String,
    carried: bool,
    expires: Option<i64>,
}

/// Without the token.
impl fmt::Debug for Unsigned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Unsigned")
            .field("kid", &self.key.kid)
            .field("carried", &self.carried)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The signature could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library could not make the signature")]
pub struct ResignError;

impl Unsigned {
    /// Gives `token` the header and payload that `key` is to sign.
    pub(super) fn new(token: &VerifiedToken<'_>, key: &Arc<BridgeKey>, bridge: &Bridge) -> Self {
        let header = new_header(token, key);
        let chars = |payload: &[u8]| {
            let parts = [base64url::chars(header.len()), base64url::chars(payload.len())];
            parts.iter().sum::<usize>() + 2 + signature_chars(&key.key)
        };
        let carried = bridge.carrier.then(|| with_carrier(token)).flatten();
        let carried = carried.filter(|payload| chars(payload) <= bridge.max_token_bytes);
        let payload = carried.as_deref().unwrap_or(token.payload());
        // With room for the signature.
        let mut signing_input = String::with_capacity(chars(payload));
        base64url::encode_into(&mut signing_input, &header);
        signing_input.push('.');
        base64url::encode_into(&mut signing_input, payload);
        Self {
            key: Arc::clone(key),
            signing_input,
            carried: carried.is_some(),
            expires: token.expires(),
        }
    }

    /// True if the token can be restored from what it carries.
    pub fn is_carried(&self) -> bool {
        self.carried
    }

    /// The `kid` that the token will have.
    pub fn kid(&self) -> &str {
        &self.key.kid
    }

    /// When the token ends, in seconds since 1970, as it says itself.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// Signs. With RSA this takes up to a millisecond of one core: not to be called on an event loop.
    pub fn sign(self) -> Result<String, ResignError> {
        let signature =
            self.key.key.sign(self.signing_input.as_bytes()).map_err(|_: KeyError| ResignError)?;
        let mut token = self.signing_input;
        token.push('.');
        base64url::encode_into(&mut token, signature);
        Ok(token)
    }
}

/// The original header with the new `kid`, without what points at the old key, and with the key's `alg` if that is
/// another one.
fn new_header(token: &VerifiedToken<'_>, key: &BridgeKey) -> String {
    let (kid, alg) = (key.kid(), key.alg().name());
    let header = token.jws().header_document();
    let root = header.root();
    let mut edits = Edits::default();
    root.members()
        .filter(|member| {
            let name = &*member.name();
            KEY_POINTERS.contains(&name) || token.dropped_members().iter().any(|each| each == name)
        })
        .for_each(|member| edits.remove(root, member));
    edits.set_member(root, "kid", &json::quote(kid));
    if let Some(member) = root.get("alg").filter(|member| !member.is_str(alg)) {
        edits.replace(member, json::quote(alg));
    }
    if let Some(typ) = token.repaired_type() {
        edits.set_member(root, "typ", &json::quote(typ));
    }
    json::apply(header.text(), &edits.splices(header)).unwrap_or_else(|_| header.text().to_owned())
}

/// The payload with the carrier as its first member; `None` if what was repaired is more than a carrier holds.
fn with_carrier(token: &VerifiedToken<'_>) -> Option<Vec<u8>> {
    let payload = token.payload();
    let brace = payload.iter().position(|byte| *byte == b'{')?;
    let (before, after) = payload.split_at_checked(brace + 1)?;
    let undo = match token.repaired_claims() {
        Some(repaired) => [".", &undo::encode(repaired.undo())?].concat(),
        None => String::new(),
    };
    let (header, signature) = (token.jws().header_segment(), token.jws().signature_segment());
    let carrier = [CARRIER_START, header, ".", signature, &undo, "\","].concat();
    Some([before, carrier.as_bytes(), after].concat())
}

/// How many characters a signature of `key` takes.
fn signature_chars(key: &SigningKey) -> usize {
    let octets = match key.public() {
        PublicKey::Rsa { n, .. } => n.len(),
        PublicKey::Ec { curve, .. } | PublicKey::Okp { curve, .. } => 2 * curve.octets(),
    };
    base64url::chars(octets)
}
