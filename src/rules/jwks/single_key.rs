//! The document is one key instead of a set.
//!
//! RFC 7517 §5 wants an object with an array `keys`, also for a single key. 48 of 53 relying parties refuse
//! the bare key: "JSON Web Key Set malformed", "jwks must be a JSON Web Key Set formatted object", "JWK with
//! matching kid not found in JWK Set", "KeyError: 'keys'".
//!
//! **What is changed:** the key becomes the one element of a set.

use super::shape::{Reshape, insert, looks_like_a_key};
use crate::json::Value;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/single-key",
    summary: "the document is one key instead of a set of keys",
    reference: "RFC 7517 section 5",
    default: Setting::Repair,
    fixed: false,
    answers: &["single-jwk"],
};

pub(super) fn look(root: Value<'_>) -> Option<Reshape> {
    looks_like_a_key(root).then(|| Reshape {
        pointer: String::new(),
        detail: "one key".to_owned(),
        splices: vec![insert(root.span().start, "{\"keys\":["), insert(root.span().end, "]}")],
        origins: vec![String::new()],
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reshaped, unshaped};
    use super::RULE;

    #[test]
    fn fixtures() {
        reshaped(&RULE, r#" {"kty":"X"} "#, r#" {"keys":[{"kty":"X"}]} "#, &[""]);
        reshaped(&RULE, r#"{"n":"AQ","e":"AQAB"}"#, r#"{"keys":[{"n":"AQ","e":"AQAB"}]}"#, &[""]);
        unshaped(r#"{"error":"not_found","e":"x"}"#);
        unshaped(r#"{"kty":"RSA","kty":"EC"}"#);
        unshaped(r#"{"issuer":"https://idp.test","jwks_uri":"https://idp.test/jwks"}"#);
    }
}
