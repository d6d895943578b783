//! `at_hash`, `c_hash` or `s_hash` is `null` or empty.
//!
//! authentik wrote `null` in tokens that a refresh brought. Relying parties compare it with the hash of the access token
//! and refuse: "at_hash must be a non-empty string" (openid-client 5), "at_hash claim does not match access_token"
//! (python-jose), "at_hash differs" (PyJWT), "Invalid claim: 'at_hash'".
//!
//! **What is changed:** the claim is removed. In the code flow it is optional (OpenID Connect Core §3.1.3.6). A relying
//! party that wants one, as in the implicit and hybrid flows, refuses the token without it as it did before: nothing
//! that was checked is no longer checked.

use super::{Context, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/hash-null",
    summary: "at_hash, c_hash or s_hash is null or empty",
    reference: "OpenID Connect Core sections 3.1.3.6 and 3.3.2.11",
    default: Setting::Repair,
    fixed: false,
    answers: &["at-hash-null", "IDT-20"],
};

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    for hash in ["at_hash", "c_hash", "s_hash"].into_iter().filter_map(|name| claims.get(name)) {
        if hash.kind() == Kind::Null || hash.is_str("") {
            report.found(pointer(hash), shown(hash.raw()), Effect::Repaired, |edits| {
                edits.remove(claims, hash);
            });
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
            r#"{"sub":"a", "at_hash":null, "c_hash":"", "exp":1, "s_hash":null}"#,
            r#"{"sub":"a", "exp":1}"#,
        );
        silent(&RULE, r#"{"at_hash":"wrong","c_hash":0,"hash":null,"act":{"at_hash":null}}"#);
    }
}
