//! A key has no `kid`.
//!
//! Pocket-ID before 0.8.1, LemonLDAP::NG as installed and others publish their key that way. EspoCRM answers "Bad JWK
//! value", ruby's json-jwt "KidNotFound", PyJWT "The JWKS endpoint did not contain any signing keys": 17 of 53 relying
//! parties refuse it even if the token has none either, 47 if the token has one.
//!
//! **What is changed:** the key gets its SHA-256 thumbprint (RFC 7638) as `kid`, taken over its repaired members.

use super::{KeySet, Report};
use crate::jose::Kid;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kid-missing",
    summary: "a key has no kid",
    reference: "RFC 7517 section 4.5, OpenID Connect Core section 10.1",
    default: Setting::Repair,
    fixed: false,
    answers: &[
        "no-kid",
        "jwks-no-kid",
        "two-keys-no-kid",
        "enc-key-first",
        "JWKS-01",
        "JWKS-02",
        "JWKS-03",
        "JWKS-05",
        "JWKS-06",
        "JWKS-07",
    ],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        match Kid::of(key.value) {
            Kid::Missing => key.stamp(report, "no kid"),
            Kid::Text(kid) if set.options.stamp_all && key.is_stamped_otherwise(&kid) => {
                key.stamp(report, "a kid that is not the thumbprint");
            }
            _ => {}
        }
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
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            r#"{"keys":[{"kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
        );
        silent(
            &RULE,
            r#"{"keys":[{"kid":"good","kty":"RSA"},{"kid":"","kty":"RSA"},{"kid":null,"kty":"RSA"}]}"#,
        );
    }
}
