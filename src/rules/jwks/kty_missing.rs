//! A key has no `kty`, but its other members say which it is.
//!
//! RFC 7517 §4.1 requires it. 51 of 53 relying parties refuse the key: "Missing key type", "missing json web key
//! type", "data did not match any variant of untagged enum AlgorithmParameters", "no applicable key found".
//!
//! **What is changed:** a key with `n` and `e` becomes `RSA`; one with `crv` and coordinates the type of that curve. A
//! key that could be either, or has a `k`, is left to the rules that drop it.

use super::{KeySet, Report};
use crate::jose::Curve;
use crate::json::{Value, quote};
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/kty-missing",
    summary: "a key has no kty, though its members say which it is",
    reference: "RFC 7517 section 4.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["missing-kty"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| key.value.get("kty").is_none()) {
        if let Some(kty) = kty_of(key.value) {
            report.found(key.pointer(None), "no kty", Effect::Repaired, |edits| {
                edits.insert_member(key.value, "kty", &quote(kty));
            });
        }
    }
}

fn kty_of(jwk: Value<'_>) -> Option<&'static str> {
    let has = |name: &str| jwk.get(name).is_some();
    if has("k") {
        return None;
    }
    match (has("n") && has("e"), has("crv") || has("x")) {
        (true, false) => Some("RSA"),
        (false, true) => {
            let kty = Curve::from_name(&jwk.get_str("crv")?)?.kty();
            (has("x") && has("y") == (kty == "EC")).then_some(kty)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let set = |members: &str| format!(r#"{{"keys":[{{{members}}}]}}"#);
        for (members, kty) in [
            (r#""n":"AQ","e":65537"#, "RSA"),
            (r#""crv":"P-256","x":"AQ","y":"AQ""#, "EC"),
            (r#""crv":"Ed25519","x":"AQ""#, "OKP"),
        ] {
            repaired(&RULE, &set(members), &set(&format!(r#""kty":"{kty}",{members}"#)));
        }
        for members in [
            r#""kty":"rsa","n":"AQ","e":"AQAB""#,
            r#""n":"AQ","e":"AQAB","crv":"P-256","x":"AQ","y":"AQ""#,
            r#""n":"AQ""#,
            r#""crv":"P-256","x":"AQ""#,
            r#""crv":"secp256k1","x":"AQ","y":"AQ""#,
            r#""n":"AQ","e":"AQAB","k":"AQ""#,
        ] {
            silent(&RULE, &set(members));
        }
    }
}
