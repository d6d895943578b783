//! The decision: does a token pass, or is it re-signed?

use super::resign::{BridgeKey, Unsigned};
use super::response::UpstreamToken;
use super::verify::{Signer, Trust, TrustedKey, Unverified, VerifiedToken};
use crate::jose::{Alg, Kid, Mac};
use crate::rules::Finding;
use std::sync::Arc;

/// What is to happen to the tokens of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passed where a strict relying party can verify it as it is, re-signed otherwise.
    Auto,
    /// Passed, always.
    Pass,
    /// Passed; where it can be verified, the response says which key signed it.
    Annotate,
    /// Re-signed wherever that is allowed.
    Resign,
    /// Only its claims go on, where it can be verified: for userinfo.
    Json,
}

/// What there is to re-sign with.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// The keys that sign now, one for an algorithm at the most.
    pub keys: Vec<Arc<BridgeKey>>,
    /// Put the original header and signature into the payload, so that it can be restored.
    pub carrier: bool,
    /// The algorithm that tokens get which the client's secret signed; by default one of the same hash function.
    pub instead_of_mac: Option<Alg>,
    /// The longest token that may come out; longer ones go without a carrier.
    pub max_token_bytes: usize,
}

/// A decision, and what the rules found in the token on the way to it.
#[derive(Debug)]
pub struct Decided {
    /// What happens to the token.
    pub decision: Decision,
    /// What the rules found in its claims and its header; nothing, unless its signature is right.
    pub findings: Vec<Finding>,
}

impl Bridge {
    /// The key that signs in the place of a client's secret: of the algorithm that is wished for, or else of the one
    /// that relying parties know best; always with the same hash function.
    pub fn instead_of(&self, mac: Mac) -> Option<&Arc<BridgeKey>> {
        let wished = self.instead_of_mac.map_or(BY_COMMON_USE.to_vec(), |alg| vec![alg]);
        let mut candidates = wished.into_iter().filter(|alg| alg.hash() == mac.hash());
        candidates.find_map(|alg| self.keys.iter().find(|key| key.alg() == alg))
    }
}

/// What happens to one token.
#[derive(Debug)]
pub enum Decision {
    /// It goes on as it is.
    Pass(PassReason),
    /// It goes on as it is, with word of the key that signed it.
    Annotate(Annotation),
    /// Its claims go on without it.
    Unwrap(String),
    /// It is signed anew: what is to be signed, and why.
    Resign(Unsigned, ResignReason),
}

/// Which key signed a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The `kid` under which it is published.
    pub kid: String,
    /// The algorithm.
    pub alg: Alg,
}

/// Why a token passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassReason {
    /// The mode says so.
    Mode,
    /// A strict relying party can verify it as it is.
    Acceptable,
    /// It could not be verified, or must not be touched.
    Unverified(Unverified),
    /// There is no bridge key of its algorithm, which must not change (OpenID Connect Core §3.1.3.7 (7)).
    NoKeyForAlg(Alg),
    /// There is no bridge key that could sign in the place of the client's secret.
    NoKeyForMac(Mac),
    /// Its key is not published, so that there is nothing to say of it.
    Unpublished,
}

/// Why a token is signed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResignReason {
    /// The mode says so.
    Mode,
    /// Its header has no `kid`.
    KidMissing,
    /// Its `kid` is empty, or no string.
    KidUnusable,
    /// Its `kid` names another key than the one that signed it, or none of the published set.
    KidUnknown,
    /// Relying parties that cache the set may not have its key yet.
    KidUnsettled,
    /// Its key is not published: its private half is public knowledge, or the set is to hold the bridge keys alone.
    KeyUnpublished,
    /// A token inside of it is signed anew.
    Inside,
    /// The access token beside it is signed anew, so that it must hold another hash.
    Hash,
    /// The secret of its client signed it, which no key set can show.
    Mac,
    /// Its ECDSA signature is in the form of DER.
    SignatureForm,
    /// Its claims, its `typ`, or what else stands in its header, were repaired.
    Claims,
}

impl PassReason {
    /// The word for metrics and logs; one of a fixed set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Acceptable => "acceptable",
            Self::NoKeyForAlg(_) | Self::NoKeyForMac(_) => "no_key_for_alg",
            Self::Unpublished => "key_not_published",
            Self::Unverified(reason) => match reason {
                Unverified::NotAJws(crate::jose::JwsError::Encrypted) => "encrypted",
                Unverified::NotAJws(_) => "not_a_jws",
                Unverified::Alg => "alg",
                Unverified::Secret => "client_secret",
                Unverified::Extension => "extension",
                Unverified::Type => "type",
                Unverified::Signature => "signature",
                Unverified::Claims => "claims",
                Unverified::Issuer => "issuer",
                Unverified::Audience => "audience",
                Unverified::Expired => "expired",
                Unverified::NotYet => "not_yet",
                Unverified::Bound => "sender_constrained",
                Unverified::Carrier => "carrier_claim",
            },
        }
    }
}

impl PassReason {
    /// True if the token should not have passed: nobody could say that it is what it claims to be, or relying parties
    /// can't verify it. False for those that may pass, and for those that must.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Mode | Self::Acceptable | Self::Unverified(Unverified::Bound))
    }
}

impl ResignReason {
    /// The word for metrics and logs; one of a fixed set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::KidMissing => "kid_missing",
            Self::KidUnusable => "kid_unusable",
            Self::KidUnknown => "kid_unknown",
            Self::KidUnsettled => "kid_unsettled",
            Self::KeyUnpublished => "key_not_published",
            Self::Inside => "token_inside",
            Self::Hash => "at_hash",
            Self::Mac => "hmac",
            Self::SignatureForm => "signature_form",
            Self::Claims => "claims",
        }
    }
}

/// Decides on a token of an upstream response at the time `now`, in seconds since 1970.
///
/// The token is verified first in every mode but [`Mode::Pass`]: a reason to re-sign exists only for a
/// verified one.
pub fn decide(
    trust: &Trust,
    bridge: &Bridge,
    mode: Mode,
    token: &UpstreamToken<'_>,
    now: i64,
) -> Decided {
    let mut findings = Vec::new();
    let decision = decide_noting(trust, bridge, mode, token, now, &mut findings);
    Decided { decision, findings }
}

fn decide_noting(
    trust: &Trust,
    bridge: &Bridge,
    mode: Mode,
    token: &UpstreamToken<'_>,
    now: i64,
    findings: &mut Vec<Finding>,
) -> Decision {
    if mode == Mode::Pass {
        return Decision::Pass(PassReason::Mode);
    }
    let verified = match trust.verify(token, now, findings) {
        Ok(verified) => verified,
        Err(reason) => return Decision::Pass(PassReason::Unverified(reason)),
    };
    if mode == Mode::Json {
        return Decision::Unwrap(String::from_utf8_lossy(verified.payload()).into_owned());
    }
    let (key, alg) = match verified.signer() {
        Signer::Key(key, alg) => (key, alg),
        Signer::Secret(mac) => return decide_on_mac(bridge, mode, &verified, mac),
    };
    if mode == Mode::Annotate {
        return match &key.kid {
            Some(kid) => Decision::Annotate(Annotation { kid: kid.clone(), alg }),
            None => Decision::Pass(PassReason::Unpublished),
        };
    }
    let reason = match reason_to_resign(&verified, key) {
        Some(reason) => reason,
        None if mode == Mode::Resign => ResignReason::Mode,
        None => return Decision::Pass(PassReason::Acceptable),
    };
    match bridge.keys.iter().find(|key| key.alg() == alg) {
        Some(key) => Decision::Resign(Unsigned::new(&verified, key, bridge), reason),
        None => Decision::Pass(PassReason::NoKeyForAlg(alg)),
    }
}

/// A token that the client's secret signed: relying parties that take keys from a set can't verify it, so the algorithm
/// changes, too. Its hash function stays, and with it the hashes in the token.
fn decide_on_mac(bridge: &Bridge, mode: Mode, verified: &VerifiedToken<'_>, mac: Mac) -> Decision {
    if mode == Mode::Annotate {
        return Decision::Pass(PassReason::Unpublished);
    }
    match bridge.instead_of(mac) {
        Some(key) => Decision::Resign(Unsigned::new(verified, key, bridge), ResignReason::Mac),
        None => Decision::Pass(PassReason::NoKeyForMac(mac)),
    }
}

/// What relying parties know best comes first.
const BY_COMMON_USE: [Alg; 11] = [
    Alg::Rs256,
    Alg::Rs384,
    Alg::Rs512,
    Alg::Es256,
    Alg::Es384,
    Alg::Es512,
    Alg::Ps256,
    Alg::Ps384,
    Alg::Ps512,
    Alg::EdDsa,
    Alg::Ed25519,
];

/// Why a strict relying party, which looks a token's key up by `kid` in a set that it may have cached,
/// would refuse `token` as it came; `None` if it would not.
fn reason_to_resign(token: &VerifiedToken<'_>, key: &TrustedKey) -> Option<ResignReason> {
    let Some(published) = &key.kid else { return Some(ResignReason::KeyUnpublished) };
    match &token.jws().header().kid {
        Kid::Missing => Some(ResignReason::KidMissing),
        Kid::Unusable => Some(ResignReason::KidUnusable),
        Kid::Text(kid) if kid != published => Some(ResignReason::KidUnknown),
        Kid::Text(_) if !key.settled => Some(ResignReason::KidUnsettled),
        Kid::Text(_) if token.is_signed_in_der() => Some(ResignReason::SignatureForm),
        Kid::Text(_) if token.has_new_inside() => Some(ResignReason::Inside),
        Kid::Text(_) if token.is_rehashed() => Some(ResignReason::Hash),
        Kid::Text(_) => {
            let repaired = token.repaired_claims().is_some()
                || token.repaired_type().is_some()
                || !token.dropped_members().is_empty();
            repaired.then_some(ResignReason::Claims)
        }
    }
}
