//! `at_hash`, `c_hash` or `s_hash` is not the hash of what stands beside the token.
//!
//! Yahoo, a bank's open banking and an old Apereo CAS wrote the hash of something else. 13 of 53 relying parties refuse:
//! "at_hash mismatch" (openid-client), "access token hash does not match value in ID token" (go-oidc), "Access token hash
//! (at_hash) mismatch" (Nimbus), "Invalid claim: 'at_hash'" (Authlib).
//!
//! **What is changed,** where the rule is set to `repair`: the claim becomes the hash of the access token, code or state in
//! the same response of the provider. **The risk,** for which the rule is off by default: the hash is the provider's word
//! that the two belong together, and then it is kidstamp's, which saw no more than that they came together. Where the
//! provider can be made to answer with another's code or access token beside a user's ID token, the relying party no
//! longer notices.

use super::{Context, Hashes, pointer};
use crate::json::{self, Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/hash-wrong",
    summary: "at_hash, c_hash or s_hash is not of what stands beside the token",
    reference: "OpenID Connect Core sections 3.1.3.6 and 3.3.2.11",
    default: Setting::Off,
    fixed: false,
    answers: &["at-hash-wrong", "IDT-21", "IDT-22", "IDT-23"],
};

pub(super) fn check<'d>(claims: Value<'d>, context: Context<'_>, report: &mut Report<'d>) {
    let Hashes { at_hash, c_hash, s_hash } = context.hashes;
    for (name, right) in [("at_hash", at_hash), ("c_hash", c_hash), ("s_hash", s_hash)] {
        let (Some(claim), Some(right)) = (claims.get(name), right) else { continue };
        if claim.kind() == Kind::String && !claim.is_str(right) {
            report.found(pointer(claim), shown(claim.raw()), Effect::Repaired, |edits| {
                edits.replace(claim, json::quote(right));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired_beside, silent, silent_beside};
    use super::*;

    #[test]
    fn fixtures() {
        let right = |hash: &str| Some(hash.to_owned());
        let all = Hashes { at_hash: right("A"), c_hash: right("C"), s_hash: right("S") };
        repaired_beside(
            &RULE,
            &all,
            r#"{"at_hash":"a", "c_hash":"C=","sub":"at_hash","s_hash" : "" }"#,
            r#"{"at_hash":"A", "c_hash":"C","sub":"at_hash","s_hash" : "S" }"#,
        );
        silent_beside(&RULE, &all, r#"{"at_hash":"\u0041","c_hash":"C","s_hash":"S"}"#);
        silent_beside(&RULE, &all, r#"{"sub":"a","act":{"at_hash":"x"},"at_hash":null}"#);
        silent(&RULE, r#"{"at_hash":"a","c_hash":"c","s_hash":"s"}"#);
    }
}
