//! Verification: is this token really one of this issuer's, and in its lifetime?

use super::claims::Claims;
use super::inside;
use super::kind::TokenKind;
use super::nonces::Nonce;
use super::response::UpstreamToken;
use crate::jose::{Alg, ClientSecret, CompactJws, Hash, JwsError, Mac, VerificationKey};
use crate::json::{Document, Limits};
use crate::rules::claims::{self, Hashes, Options, Surroundings};
use crate::rules::{Effect, Finding, Repaired};
use std::sync::Arc;

/// What an issuer's tokens are verified against.
#[derive(Debug)]
pub struct Trust {
    /// The `iss` that a token must have, to the letter (OpenID Connect Core §3.1.3.7 (2)).
    pub issuer: String,
    /// The `iss` of access tokens, where it is another (AD FS).
    pub access_token_issuer: Option<String>,
    /// The audiences that a token may be for; any, if empty (RFC 8725 §3.9).
    pub audiences: Vec<String>,
    /// How far clocks may differ, in seconds.
    pub clock_skew: u32,
    /// The upstream's keys, which all clients share.
    pub keys: Arc<[TrustedKey]>,
    /// How claims are repaired before they are judged.
    pub claims: Options,
    /// The client whose tokens these are, if its secret is known: it may have signed them instead.
    pub client: Option<SecretClient>,
}

/// A client and the secret that it shares with the provider.
#[derive(Debug, Clone)]
pub struct SecretClient {
    /// Its `client_id`, which must be all of the `aud` of a token that its secret verifies.
    pub id: String,
    /// Its secret.
    pub secret: Arc<ClientSecret>,
}

/// What verified a token.
#[derive(Debug, Clone, Copy)]
pub enum Signer<'t> {
    /// A key of the upstream, with this algorithm of the token's.
    Key(&'t TrustedKey, Alg),
    /// The secret of the client.
    Secret(Mac),
}

impl Signer<'_> {
    fn hash(self) -> Hash {
        match self {
            Self::Key(_, alg) => alg.hash(),
            Self::Secret(mac) => mac.hash(),
        }
    }
}

/// A key of the upstream's set, with what the published set says about it.
#[derive(Debug)]
pub struct TrustedKey {
    /// The key.
    pub key: VerificationKey,
    /// The `alg` of the JWK: the key verifies nothing else (RFC 8725 §3.1).
    pub alg: Option<Alg>,
    /// The `kid` under which it is published; `None` if it is not published.
    pub kid: Option<String>,
    /// True if every relying party's cache must have the key under that `kid` by now.
    pub settled: bool,
}

/// A token that a key of the upstream signed, for this issuer, in its lifetime.
///
/// There is no way to make one but [`Trust::verify`]. The signature is that of the token as it came; lifetime,
/// issuer and audience are those of its claims after the repairs.
#[derive(Debug)]
pub struct VerifiedToken<'t> {
    jws: CompactJws<'t>,
    signer: Signer<'t>,
    claims: Option<Repaired<'static>>,
    rehashed: bool,
    new_inside: bool,
    der: bool,
    typ: Option<&'static str>,
    expires: Option<i64>,
    dropped: Vec<String>,
}

/// Why a token could not be verified, or must not be touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Not a compact JWS.
    #[error("not a signed token: {0}")]
    NotAJws(JwsError),
    /// `alg` is `none`, an HMAC, or unknown.
    #[error("its alg is none that a published key can have")]
    Alg,
    /// `alg` is an HMAC, and it is none with the secret of the client.
    #[error("the secret of its client does not verify it")]
    Secret,
    /// `crit`, `b64`, `cty` or `zip` stand in the header.
    #[error("its header has a member that changes how it must be read")]
    Extension,
    /// `typ` says that it is something other than where it was found (RFC 8725 §3.11).
    #[error("its typ is not that of such a token")]
    Type,
    /// No known key verifies it.
    #[error("no key of the issuer verifies it")]
    Signature,
    /// The payload is not strict JSON, or not the claims of a token of its kind in their types.
    #[error(
        "its payload is not a set of claims that such a token must have, such as iss, aud and exp"
    )]
    Claims,
    /// Another `iss`.
    #[error("its iss is not this issuer")]
    Issuer,
    /// An `aud` that is not on the list.
    #[error("its aud is not on the list of audiences")]
    Audience,
    /// After `exp`.
    #[error("it has expired")]
    Expired,
    /// Before `nbf` or `iat`.
    #[error("its time has not come")]
    NotYet,
    /// An access token that only the holder of a key can use (RFC 9449 §6.1, RFC 8705 §3.1).
    #[error("it is bound to a key of the client (cnf)")]
    Bound,
    /// It has a claim of the carrier's name already.
    #[error("it has a claim named _kidstamp")]
    Carrier,
}

impl Trust {
    /// Verifies a token of an upstream response at the time `now`, in seconds since 1970. What the rules find in a
    /// token whose signature is right is added to `findings`, whether or not the rest of it is.
    pub fn verify<'t>(
        &'t self,
        token: &'t UpstreamToken<'_>,
        now: i64,
        findings: &mut Vec<Finding>,
    ) -> Result<VerifiedToken<'t>, Unverified> {
        let jws = CompactJws::parse(token.text()).map_err(Unverified::NotAJws)?;
        let header = jws.header();
        if header.alg.is_none() && (header.mac.is_none() || self.client.is_none()) {
            return Err(Unverified::Alg);
        }
        if header.extension.is_some() {
            return Err(Unverified::Extension);
        }
        let kind = token.kind();
        let typ = header.typ.as_deref();
        let odd_type = if kind.may_have_typ(typ) {
            None
        } else {
            // An odd `typ` is put right only where it can't make one kind of token out of another.
            let odd = typ.filter(|_| kind == TokenKind::IdToken);
            let repaired = odd.and_then(|typ| claims::repair_type(typ, &self.claims.settings));
            Some(repaired.ok_or(Unverified::Type)?)
        };
        let (signer, der) = self.find_signer(kind, &jws, findings)?;
        let typ = match odd_type {
            Some(odd) => {
                findings.push(odd.finding);
                Some(odd.typ.ok_or(Unverified::Type)?)
            }
            None => None,
        };
        if kind != TokenKind::IdToken {
            let expires = self.check_claims(kind, signer, &read(jws.payload())?, now)?;
            let claims = inside::replace(jws.payload(), token.inside());
            let new_inside = claims.is_some();
            return Ok(VerifiedToken {
                signer,
                jws,
                claims,
                rehashed: false,
                new_inside,
                der,
                typ,
                expires,
                dropped: Vec::new(),
            });
        }
        let header = claims::repair_header(jws.header_document().root(), &self.claims.settings);
        findings.extend(header.findings);
        let (typ, dropped) = (typ.or(header.typ), header.dropped);
        let payload = std::str::from_utf8(jws.payload()).map_err(|_| Unverified::Claims)?;
        let beside = token.beside();
        let hashes = if self.claims.want_hashes() {
            beside.hashes(signer.hash())
        } else {
            Hashes::default()
        };
        let nonce = beside.nonce.as_ref().map(Nonce::as_str);
        let surroundings = Surroundings { hashes: &hashes, nonce };
        let (mut repaired, unchanged) =
            claims::repair_and_read(payload, &self.claims, surroundings, now)
                .map_err(|_| Unverified::Claims)?;
        findings.extend(repaired.findings.iter().cloned());
        let rehashed = beside.rehash(&mut repaired, signer.hash());
        let expires = match unchanged.filter(|_| !repaired.is_changed()) {
            Some(document) => self.check_claims(kind, signer, &document, now)?,
            None => self.check_claims(kind, signer, &read(repaired.text.as_bytes())?, now)?,
        };
        let claims = repaired.is_changed().then(|| repaired.into_owned());
        Ok(VerifiedToken {
            signer,
            jws,
            claims,
            rehashed,
            new_inside: false,
            der,
            typ,
            dropped,
            expires,
        })
    }

    /// What verifies `jws`, and whether its signature is in the form of DER.
    fn find_signer(
        &self,
        kind: TokenKind,
        jws: &CompactJws<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(Signer<'_>, bool), Unverified> {
        if let Some(alg) = jws.header().alg {
            if let Some(key) = self.signer(jws, alg, |key| key.key.verifies(jws)) {
                return Ok((Signer::Key(key, alg), false));
            }
            let key = self.signer_in_der(jws, alg, findings).ok_or(Unverified::Signature)?;
            return Ok((Signer::Key(key, alg), true));
        }
        let (Some(mac), Some(client)) = (jws.header().mac, &self.client) else {
            return Err(Unverified::Alg);
        };
        if !kind.may_have_mac() {
            return Err(Unverified::Alg);
        }
        if client.secret.verifies(jws) {
            Ok((Signer::Secret(mac), false))
        } else {
            Err(Unverified::Secret)
        }
    }

    /// The key that verifies `jws`. A key under the token's own `kid` is tried first; the others too,
    /// since a wrong `kid` is one of the flaws that kidstamp repairs.
    fn signer(
        &self,
        jws: &CompactJws<'_>,
        alg: Alg,
        by: impl Fn(&TrustedKey) -> bool,
    ) -> Option<&TrustedKey> {
        let named = |key: &&TrustedKey| {
            jws.header().kid.text().is_some_and(|kid| key.kid.as_deref() == Some(kid))
        };
        let verifies = |key: &&TrustedKey| key.alg.is_none_or(|own| own == alg) && by(key);
        self.keys
            .iter()
            .filter(named)
            .find(verifies)
            .or_else(|| self.keys.iter().filter(|key| !named(key)).find(verifies))
    }

    /// The key that verifies `jws` if its signature is read as DER, where the rules want such tokens signed anew.
    fn signer_in_der(
        &self,
        jws: &CompactJws<'_>,
        alg: Alg,
        findings: &mut Vec<Finding>,
    ) -> Option<&TrustedKey> {
        let signer = self.signer(jws, alg, |key| key.key.verifies_der(jws))?;
        let finding = claims::found_signature_in_der(&self.claims.settings)?;
        let is_repaired = finding.effect == Effect::Repaired;
        findings.push(finding);
        is_repaired.then_some(signer)
    }

    /// The `iss` that tokens of `kind` must have.
    pub fn issuer_of(&self, kind: TokenKind) -> &str {
        match (&self.access_token_issuer, kind) {
            (Some(issuer), TokenKind::AccessToken) => issuer,
            _ => &self.issuer,
        }
    }

    /// Judges the claims; returns when the token ends, as it says itself.
    fn check_claims(
        &self,
        kind: TokenKind,
        signer: Signer<'_>,
        payload: &Document<'_>,
        now: i64,
    ) -> Result<Option<i64>, Unverified> {
        let claims = Claims::of(payload, kind).map_err(|_| Unverified::Claims)?;
        if claims.has_carrier {
            return Err(Unverified::Carrier);
        }
        if claims.issuer != *self.issuer_of(kind) {
            return Err(Unverified::Issuer);
        }
        if kind == TokenKind::AccessToken && claims.is_bound {
            return Err(Unverified::Bound);
        }
        if !self.audiences.is_empty()
            && !claims.audiences.iter().any(|aud| self.audiences.iter().any(|own| own == aud))
        {
            return Err(Unverified::Audience);
        }
        // The client can make such tokens itself: they must be good for nobody else.
        if let (Signer::Secret(_), Some(client)) = (signer, &self.client)
            && (claims.audiences.is_empty() || claims.audiences.iter().any(|aud| *aud != client.id))
        {
            return Err(Unverified::Audience);
        }
        let (now, skew) = (now as f64, f64::from(self.clock_skew));
        if expiry(&claims, kind).is_some_and(|expires| now >= expires + skew) {
            return Err(Unverified::Expired);
        }
        if claims.not_before.into_iter().chain(claims.issued_at).any(|start| start > now + skew) {
            return Err(Unverified::NotYet);
        }
        // A cast of a float saturates.
        Ok(claims.expires.map(|expires| expires as i64))
    }
}

/// Reads a payload, which has to be strict JSON.
fn read(payload: &[u8]) -> Result<Document<'_>, Unverified> {
    Document::parse_bytes(payload, Limits::TOKEN).map_err(|_| Unverified::Claims)
}

/// When a token ends. A logout token without `exp` is from before that was required, and is good for the time
/// that is recommended since (OpenID Connect Back-Channel Logout §2.4).
fn expiry(claims: &Claims<'_>, kind: TokenKind) -> Option<f64> {
    const LOGOUT: f64 = 120.0;
    let implied = match kind {
        TokenKind::LogoutToken => claims.issued_at.map(|issued| issued + LOGOUT),
        _ => None,
    };
    claims.expires.or(implied)
}

impl<'t> VerifiedToken<'t> {
    /// The token.
    pub fn jws(&self) -> &CompactJws<'t> {
        &self.jws
    }

    /// Its claims after the repairs.
    pub fn payload(&self) -> &[u8] {
        self.claims.as_ref().map_or(self.jws.payload(), |claims| claims.text.as_bytes())
    }

    /// What was repaired in its claims; `None` if nothing was.
    pub fn repaired_claims(&self) -> Option<&Repaired<'static>> {
        self.claims.as_ref()
    }

    /// True if its signature came in the form of DER, which relying parties can't verify.
    pub(super) fn is_signed_in_der(&self) -> bool {
        self.der
    }

    /// True if a token inside of it is another one now.
    pub(super) fn has_new_inside(&self) -> bool {
        self.new_inside
    }

    /// True if its `at_hash` is another one now, since the access token beside it is.
    pub(super) fn is_rehashed(&self) -> bool {
        self.rehashed
    }

    /// When it ends, in seconds since 1970, as it says itself.
    pub(super) fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// What its header must say for `typ`; `None` if that stays.
    pub fn repaired_type(&self) -> Option<&'static str> {
        self.typ
    }

    /// The members that its header must lose.
    pub fn dropped_members(&self) -> &[String] {
        &self.dropped
    }

    /// What verified it.
    pub fn signer(&self) -> Signer<'t> {
        self.signer
    }
}
