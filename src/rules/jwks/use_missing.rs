//! A key has no `use`, though it is known that it signs.
//!
//! The standard allows to leave `use` out, and none of 53 current relying parties refuses that. Older ones look for
//! keys with `use` `sig` alone: "The JWKS endpoint did not contain any signing keys" (node-jwks-rsa, PyJWT), "Ignoring
//! JWK key" (Keycloak), "no keys found, incorrect Signature, validation failed for id_token" (angular-auth-oidc-client).
//!
//! **What is changed:** nothing unless the rule is set to `repair`, since what a standard allows is no flaw. Then
//! `use` becomes `sig` where the key's `alg` is one for signatures, where its `key_ops` is `verify` alone, or
//! where it is the only key. The risk: a set whose only key is used for encryption as well says so no longer.

use super::{Key, KeySet, Report};
use crate::jose::Alg;
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/use-missing",
    summary: "a key for signatures has no use",
    reference: "RFC 7517 section 4.2",
    default: Setting::Off,
    fixed: false,
    answers: &[
        "no-use", "JWKS-18", "JWKS-19", "JWKS-20", "JWKS-21", "JWKS-22", "JWKS-23", "JWKS-24",
    ],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    let alone = set.elements().count() == 1;
    for key in set.elements().filter(|key| key.value.get("use").is_none()) {
        if signs(key, alone) {
            report.found(key.pointer(None), "no use", Effect::Repaired, |edits| {
                edits.insert_member(key.value, "use", "\"sig\"");
            });
        }
    }
}

fn signs(key: Key<'_>, alone: bool) -> bool {
    let operations = key.value.get("key_ops").map(|operations| {
        let mut operations = operations.elements().peekable();
        operations.peek().is_some() && operations.all(|operation| operation.is_str("verify"))
    });
    match (operations, key.value.get("alg")) {
        (Some(only_verify), _) => only_verify,
        (None, Some(alg)) => alg.as_str().is_some_and(|alg| Alg::from_name(&alg).is_some()),
        (None, None) => alone && key.value.get("kty").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"X","alg":"RS256"},{"kty":"X","key_ops":["verify"]},{"kty":"X"}]}"#,
            r#"{"keys":[{"use":"sig","kty":"X","alg":"RS256"},{"use":"sig","kty":"X","key_ops":["verify"]},{"kty":"X"}]}"#,
        );
        repaired(&RULE, r#"{"keys":[{"kty":"X"}]}"#, r#"{"keys":[{"use":"sig","kty":"X"}]}"#);
        silent(
            &RULE,
            r#"{"keys":[{"kty":"X","alg":"RSA-OAEP"},{"kty":"X","key_ops":["verify","encrypt"]},{"kty":"X","use":"enc"}]}"#,
        );
    }
}
