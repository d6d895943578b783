//! The set holds the same key twice.
//!
//! Once for `sig` and once for `enc` under the same `kid`, or simply twice. Readers that take the first key of a
//! `kid` take the wrong one; readers that index by `kid` refuse the set ("duplicate kid", "Invalid JSON Web Key Set").
//!
//! Some providers publish a key once for each `alg` that it could sign with: "Token algorithm 'RS256' does not match
//! the key's algorithm 'RS512'".
//!
//! **What is changed:** one of the two stays, the one for signatures before others. Two entries for
//! signatures that each have a good `kid` of their own both stay: tokens may name either. Where entries for
//! signatures differ in `alg`, the one that stays says none: which of them tokens have is not guessed.

use super::{Key, KeySet, Options, Report, kid_malformed};
use crate::jose::Kid;
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/key-twice",
    summary: "the set holds the same key twice",
    reference: "RFC 7517 section 4.5",
    default: Setting::Repair,
    fixed: false,
    answers: &[
        "same-key-twice",
        "same-kid-enc-first",
        "same-kid-multi-alg",
        "JWKS-12",
        "JWKS-13",
        "JWKS-14",
        "JWKS-15",
        "JWKS-16",
        "JWKS-17",
    ],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    let mut seen: Vec<(String, Key<'d>)> = Vec::new();
    let mut at_odds: Vec<Key<'d>> = Vec::new();
    let mut keys: Vec<Key<'d>> = set.elements().collect();
    // Signature keys first, so that they are the ones that stay.
    keys.sort_by_key(|key| !key.is_for_signatures());
    for key in keys {
        let Some(thumbprint) = key.thumbprint() else { continue };
        let twin = seen.iter().find(|(other, kept)| {
            *other == thumbprint && !both_are_needed(set.options, *kept, key)
        });
        if let Some((_, kept)) = twin {
            let detail = format!("the same key as {}", kept.pointer(None));
            set.drop(report, key, detail);
            if !key.is_for_signatures() && kept.is_for_signatures() {
                report.shows("same-kid-enc-first");
            } else if key.value.get_str("alg") != kept.value.get_str("alg") {
                report.shows("same-kid-multi-alg");
                at_odds.push(*kept);
            }
        } else {
            seen.push((thumbprint, key));
        }
    }
    at_odds.dedup_by_key(|kept| kept.place);
    for kept in at_odds {
        if let Some(alg) = kept.value.get("alg") {
            let pointer = kept.pointer(Some("alg"));
            let detail = "other entries for the same key have another alg";
            report.found(pointer, detail, Effect::Repaired, |edits| {
                edits.remove(kept.value, alg);
            });
            report.shows("same-kid-multi-alg");
        }
    }
}

/// Tokens may name either of two good key IDs; where one of them is to become the thumbprint, they would end as
/// one.
fn both_are_needed(options: &Options, one: Key<'_>, other: Key<'_>) -> bool {
    match (Kid::of(one.value), Kid::of(other.value)) {
        (Kid::Text(one_kid), Kid::Text(other_kid)) => {
            let stay = |kid: &String| !options.stamp_all && !kid_malformed::is_malformed(kid);
            one_kid != other_kid
                && one.is_for_signatures() == other.is_for_signatures()
                && stay(&one_kid)
                && stay(&other_kid)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, repaired_with, silent};
    use super::{Options, RULE};
    use std::slice::from_ref;

    #[test]
    fn fixtures() {
        let key = |members: &str| format!(r#"{{"kty":"RSA","n":"gQ","e":"AQAB"{members}}}"#);
        let set = |keys: &[String]| format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        let (plain, sig, enc) =
            (key(""), key(r#","use":"sig","kid":"a""#), key(r#","use":"enc","kid":"a""#));
        repaired(&RULE, &set(&[plain.clone(), plain.clone()]), &set(from_ref(&plain)));
        repaired(&RULE, &set(&[enc, sig.clone()]), &set(from_ref(&sig)));
        repaired(&RULE, &set(&[plain, sig.clone()]), &set(from_ref(&sig)));
        let with = |alg: &str| key(&format!(r#","use":"sig","kid":"a","alg":"{alg}""#));
        repaired(&RULE, &set(&[with("RS512"), with("RS256")]), &set(from_ref(&sig)));
        repaired(&RULE, &set(&[with("RS256"), with("RS256")]), &set(&[with("RS256")]));
        let other = key(r#","use":"sig","kid":"b""#);
        silent(&RULE, &set(&[sig.clone(), other.clone()]));
        let options = Options { stamp_all: true, ..Options::default() };
        repaired_with(&RULE, &options, &set(&[sig.clone(), other]), &set(from_ref(&sig)));
        let malformed = key(r#","use":"sig","kid":"a\n""#);
        repaired(&RULE, &set(&[sig.clone(), malformed]), &set(from_ref(&sig)));
        let unknown = |members: &str| format!(r#"{{"kty":"X","a":"1"{members}}}"#);
        let (one, two) = (unknown(r#","b":1"#), unknown(r#","b":2"#));
        repaired(&RULE, &set(&[one.clone(), one.clone()]), &set(from_ref(&one)));
        silent(&RULE, &set(&[one, two]));
    }
}
