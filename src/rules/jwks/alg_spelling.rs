//! `alg` of a key is misspelt under a known other name, such as `RSA256` or `SHA256withRSA`.
//!
//! Names of Java's crypto API, of XML signatures and plain mistakes. 32 of 53 relying parties skip the key or refuse
//! the set: "no applicable key found in the JSON Web Key Set", `JWK "alg" parameter value "RSA256" does not match
//! token "alg"`, "No enum constant SignatureAlgorithm.RSA256", "No key with kid".
//!
//! **What is changed:** `alg` gets its registered name (RFC 7518 §3.1), if the key is of that algorithm's type. A name
//! that is not in this rule's list stays: it is never guessed what it means. Each name of the list stands for one algorithm, and `alg`
//! can only narrow what a key verifies: were one read wrongly, tokens would pass as they came.

use super::{Key, KeySet, Report};
use crate::jose::{Alg, Curve, KeyType};
use crate::json::quote;
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/alg-spelling",
    summary: "alg is misspelt under a known other name",
    reference: "RFC 7518 section 3.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["alg-misspelt"],
};

/// Other names, in lower case without `-`, `_`, `/` and blanks; `#` stands for 256, 384 or 512.
const OTHER_NAMES: [(&str, [Alg; 3]); 12] = [
    ("rs#", RS),
    ("rsa#", RS),
    ("rsasha#", RS),
    ("sha#rsa", RS),
    ("sha#withrsa", RS),
    ("sha#withrsaencryption", RS),
    ("http:www.w3.org200104xmldsigmore#rsasha#", RS),
    ("ps#", PS),
    ("sha#withrsaandmgf1", PS),
    ("es#", ES),
    ("ecdsa#", ES),
    ("sha#withecdsa", ES),
];
const RS: [Alg; 3] = [Alg::Rs256, Alg::Rs384, Alg::Rs512];
const PS: [Alg; 3] = [Alg::Ps256, Alg::Ps384, Alg::Ps512];
const ES: [Alg; 3] = [Alg::Es256, Alg::Es384, Alg::Es512];

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let Some(value) = key.value.get("alg") else { continue };
        let Some(alg) = value.as_str().and_then(|name| meant(&name)) else { continue };
        if key_type(key) == Some(alg.key_type()) {
            report.found(key.pointer(Some("alg")), shown(value.raw()), Effect::Repaired, |edits| {
                edits.replace(value, quote(alg.name()));
            });
        }
    }
}

/// What `name` means; `None` for a registered name, and for one that nobody knows.
pub(crate) fn meant(name: &str) -> Option<Alg> {
    if Alg::from_name(name).is_some() {
        return None;
    }
    let folded: String = name
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '/' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if folded == "eddsa" {
        return Some(Alg::EdDsa);
    }
    OTHER_NAMES.into_iter().find_map(|(pattern, algs)| {
        let (before, after) = pattern.rsplit_once('#')?;
        let bits = folded.strip_prefix(before)?.strip_suffix(after)?;
        let index = ["256", "384", "512"].iter().position(|size| *size == bits)?;
        algs.get(index).copied()
    })
}

fn key_type(key: Key<'_>) -> Option<KeyType> {
    if key.is("RSA") {
        return Some(KeyType::Rsa);
    }
    let curve = Curve::from_name(&key.value.get_str("crv")?)?;
    match curve {
        _ if !key.is(curve.kty()) => None,
        Curve::P256 => Some(KeyType::P256),
        Curve::P384 => Some(KeyType::P384),
        Curve::P521 => Some(KeyType::P521),
        Curve::Ed25519 => Some(KeyType::Ed25519),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let rsa = |alg: &str| format!(r#"{{"keys":[{{"kty":"RSA","alg":"{alg}"}}]}}"#);
        for (other, alg) in [
            ("RSA256", "RS256"),
            ("rs512", "RS512"),
            ("RSA-SHA256", "RS256"),
            ("SHA256withRSA", "RS256"),
            ("SHA-384 with RSA", "RS384"),
            ("sha256WithRSAEncryption", "RS256"),
            ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "RS256"),
            ("SHA256withRSAandMGF1", "PS256"),
        ] {
            repaired(&RULE, &rsa(other), &rsa(alg));
        }
        let ec = |alg: &str| format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","alg":"{alg}"}}]}}"#);
        repaired(&RULE, &ec("SHA256withECDSA"), &ec("ES256"));
        for text in [
            rsa("RS256"),
            rsa("RSA"),
            rsa("RSA-OAEP-256"),
            rsa("ecdsa256"),
            rsa("RS128"),
            rsa("none"),
            rsa("hs256"),
            ec("ecdsa384"),
            ec("ES256K"),
        ] {
            silent(&RULE, &text);
        }
    }
}
