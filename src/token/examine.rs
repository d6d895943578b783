//! What a strict relying party would say of a token, next to the key set as the provider publishes it.
//!
//! For people who look for a fault: nothing is decided or changed here, and what is found may be shown.

use super::kind::TokenKind;
use super::response::UpstreamToken;
use crate::jose::{Alg, CompactJws, JwsError, Kid, PublicKey, VerificationKey, thumbprint};
use crate::json::{Document, Limits, Value};
use crate::rules::claims::{self, Surroundings};
use crate::rules::jwks::{KnownKey, RepairedSet};
use crate::rules::{Effect, Finding, Settings};

/// What came of looking at a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// What relying parties refuse in its header; pointers are into the header.
    pub findings: Vec<Finding>,
    /// What the token teaches about the key that signed it, where the set does not say it.
    pub learned: Option<KnownKey>,
    /// `exp`, in seconds since 1970.
    pub expires: Option<i64>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`, as a list.
    pub audiences: Vec<String>,
}

/// A key of the repaired set.
struct Key {
    verification: VerificationKey,
    alg: Option<Alg>,
}

/// Looks at an ID token of the provider that publishes `set`, at the time `now`, in seconds since 1970.
pub fn examine(
    token: &UpstreamToken<'_>,
    set: &RepairedSet,
    options: &claims::Options,
    now: i64,
) -> Result<Examined, JwsError> {
    let jws = CompactJws::parse(token.text())?;
    let mut examined = examine_header(&jws, set, &options.settings);
    let typ = jws.header().typ.as_deref().filter(|typ| !TokenKind::IdToken.may_have_typ(Some(typ)));
    let odd = typ.and_then(|typ| claims::repair_type(typ, &options.settings));
    examined.findings.extend(odd.map(|odd| odd.finding));
    let header = claims::repair_header(jws.header_document().root(), &options.settings);
    examined.findings.extend(header.findings);
    let payload = std::str::from_utf8(jws.payload()).unwrap_or_default();
    let hashes = jws.header().alg.map(|alg| token.beside().hashes(alg.hash())).unwrap_or_default();
    // Nobody remembers its login here.
    let surroundings = Surroundings { hashes: &hashes, nonce: None };
    if let Ok(claims) = claims::repair_beside(payload, options, surroundings, now) {
        examined.findings.extend(claims.findings);
    }
    Ok(examined)
}

fn examine_header(jws: &CompactJws<'_>, set: &RepairedSet, settings: &Settings) -> Examined {
    let document = Document::parse(&set.text, Limits::DOCUMENT).ok();
    let keys = document.as_ref().and_then(|document| document.root().get("keys"));
    let published: Vec<Key> =
        keys.into_iter().flat_map(|keys| keys.elements()).filter_map(Key::of).collect();
    let compromised =
        set.compromised.iter().filter_map(|key| VerificationKey::new(key.clone()).ok());
    let by_compromised = compromised.into_iter().any(|key| key.verifies(jws));
    let mut findings = Vec::new();
    let signer = published.iter().find(|key| key.verification.verifies(jws)).or_else(|| {
        let signer = published.iter().find(|key| key.verification.verifies_der(jws))?;
        findings.extend(claims::found_signature_in_der(settings));
        Some(signer)
    });
    let mut found = |rule, member: &str, detail: String, effect, flaw| {
        findings.push(Finding { rule, pointer: format!("/{member}"), detail, effect, flaw });
    };
    let set_has_kids = !set.provider_kids.is_empty();
    let effect = if signer.is_some() || by_compromised { Effect::Repaired } else { Effect::Kept };
    match &jws.header().kid {
        Kid::Text(kid) if set.provider_kids.contains(kid) => {}
        Kid::Text(_) if set_has_kids => found(
            "token/kid-unknown",
            "kid",
            "the token's kid is not in the set".to_owned(),
            effect,
            Some("token-kid-mismatch"),
        ),
        Kid::Text(_) => found(
            "token/kid-unknown",
            "kid",
            "the token has a kid, and no key of the set has one".to_owned(),
            effect,
            Some("jwks-no-kid"),
        ),
        Kid::Missing | Kid::Unusable => found(
            "token/kid-missing",
            "kid",
            "the token has no usable kid".to_owned(),
            effect,
            Some(if set_has_kids { "token-no-kid" } else { "no-kid" }),
        ),
    }
    if let Some((key, alg)) = signer.and_then(|key| Some((key, jws.header().alg?)))
        && key.alg.is_some_and(|said| said != alg)
    {
        let detail = format!("the token's alg is {alg}, and its key's another");
        found("token/alg-mismatch", "alg", detail, Effect::Kept, None);
    }
    if signer.is_none() && !by_compromised {
        let detail = match jws.header().alg {
            Some(_) => "no key of the set verifies the token",
            None => "the token's alg is none that a key of a published set can have",
        };
        found("token/not-verified", "alg", detail.to_owned(), Effect::Kept, None);
    }
    Examined {
        learned: signer.and_then(|key| key.taught_by(jws, set)),
        findings,
        expires: expires(jws),
        issuer: claim(jws, |claims| Some(claims.get_str("iss")?.into_owned())),
        audiences: claim(jws, audiences).unwrap_or_default(),
    }
}

impl Key {
    fn of(jwk: Value<'_>) -> Option<Self> {
        let verification = VerificationKey::new(PublicKey::from_jwk(jwk).ok()?).ok()?;
        let alg = jwk.get_str("alg").and_then(|alg| Alg::from_name(&alg));
        Some(Self { verification, alg })
    }

    fn taught_by(&self, jws: &CompactJws<'_>, set: &RepairedSet) -> Option<KnownKey> {
        let kid = jws.header().kid.text().filter(|kid| !set.provider_kids.contains(*kid));
        let alg = jws.header().alg.filter(|_| self.alg.is_none());
        (kid.is_some() || alg.is_some()).then(|| KnownKey {
            thumbprint: thumbprint::of(self.verification.public()),
            kid: kid.map(str::to_owned),
            alg,
        })
    }
}

fn expires(jws: &CompactJws<'_>) -> Option<i64> {
    let seconds = claim(jws, |claims| claims.get("exp")?.raw().parse::<f64>().ok())?;
    Some(seconds as i64)
}

fn audiences(claims: Value<'_>) -> Option<Vec<String>> {
    let aud = claims.get("aud")?;
    let texts = |value: Value<'_>| value.as_str().map(std::borrow::Cow::into_owned);
    Some(texts(aud).map_or_else(|| aud.elements().filter_map(texts).collect(), |one| vec![one]))
}

/// What `read` takes from the claims.
fn claim<T>(jws: &CompactJws<'_>, read: impl FnOnce(Value<'_>) -> Option<T>) -> Option<T> {
    let document = Document::parse_bytes(jws.payload(), Limits::TOKEN).ok()?;
    read(document.root())
}

/// `iss` of a token, as it says itself; nothing is verified.
pub fn issuer_of(token: &str) -> Option<String> {
    let jws = CompactJws::parse(token).ok()?;
    claim(&jws, |claims| Some(claims.get_str("iss")?.into_owned()))
}
