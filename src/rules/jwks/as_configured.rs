//! A key lacks the `kid` or `alg` that the configuration knows it by.
//!
//! Where tokens name a `kid` that the set lacks, 47 to 50 of 53 relying parties refuse them ("No key for kid",
//! "JWK with matching kid not found"), and some want an `alg` that the provider leaves out ("The KID in the token was
//! not present in the JWKS", "0 key(s)"). Both can be learned from a token, and are never guessed.
//!
//! **What is changed:** the key of that thumbprint gets the `kid` and `alg` of its `[[issuer.key]]`. `kidstamp init`
//! and `kidstamp lint --token` write these lines.

use super::{KeySet, Report};
use crate::jose::{Alg, thumbprint};
use crate::json::quote;
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/as-configured",
    summary: "a key lacks the kid or alg that the configuration knows it by",
    reference: "RFC 7517 sections 4.4 and 4.5",
    default: Setting::Repair,
    fixed: false,
    answers: &[
        "no-alg", "JWKS-04", "JWKS-10", "JWKS-11", "JWKS-25", "JWKS-26", "JWKS-27", "JWKS-28",
        "JWKS-29", "JWKS-30", "JWKS-31", "JWKS-32", "JWKS-67",
    ],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let Some(thumbprint) = key.public().map(|public| thumbprint::of(&public)) else { continue };
        let known = set.options.keys.iter().find(|known| known.thumbprint == thumbprint);
        let Some(known) = known else { continue };
        let alg = known.alg.map(Alg::name);
        for (name, value) in [("alg", alg), ("kid", known.kid.as_deref())] {
            let Some(value) = value else { continue };
            if !key.value.get(name).is_some_and(|present| present.is_str(value)) {
                let detail = format!("{name} is configured as \"{value}\"");
                report.found(key.pointer(Some(name)), detail, Effect::Repaired, |edits| {
                    edits.set_member(key.value, name, &quote(value));
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ED25519, ED25519_KID, repaired_with, silent};
    use super::super::{KnownKey, Options};
    use super::{Alg, RULE};

    #[test]
    fn fixtures() {
        let known = KnownKey {
            thumbprint: ED25519_KID.to_owned(),
            kid: Some("1_RS256".to_owned()),
            alg: Some(Alg::EdDsa),
        };
        let options = Options { keys: vec![known], ..Options::default() };
        repaired_with(
            &RULE,
            &options,
            &format!(r#"{{"keys":[{{"kid":"1",{ED25519}}},{{"kty":"X"}}]}}"#),
            &format!(r#"{{"keys":[{{"alg":"EdDSA","kid":"1_RS256",{ED25519}}},{{"kty":"X"}}]}}"#),
        );
        silent(&RULE, &format!(r#"{{"keys":[{{"kid":"1",{ED25519}}}]}}"#));
    }
}
