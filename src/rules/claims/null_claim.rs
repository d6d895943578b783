//! An optional claim of the protocol is `null`.
//!
//! Serialisers that write every member do that; authentik did with `nonce` after a refresh. OpenID Connect Core §5.3.2
//! wants a claim without a value left out, and relying parties that look at it refuse the token: a `nonce` or `azp` that is
//! `null` is one that does not match, `nbf` and `auth_time` are no numbers.
//!
//! **What is changed:** `nonce`, `azp`, `auth_time`, `nbf`, `acr`, `amr` and `sid` are removed where they are `null`. A relying
//! party that sent a `nonce` refuses a token without one just as it refused `null`. Claims of the person stay.

use super::{Context, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "claims/null-claim",
    summary: "an optional claim of the protocol is null",
    reference: "OpenID Connect Core sections 2 and 5.3.2",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

const OPTIONAL: [&str; 7] = ["nonce", "azp", "auth_time", "nbf", "acr", "amr", "sid"];

pub(super) fn check<'d>(claims: Value<'d>, _: Context<'_>, report: &mut Report<'d>) {
    for claim in OPTIONAL.into_iter().filter_map(|name| claims.get(name)) {
        if claim.kind() == Kind::Null {
            report.found(pointer(claim), "null", Effect::Repaired, |edits| {
                edits.remove(claims, claim);
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
        repaired(&RULE, r#"{"nonce":null,"sub":"a","azp" : null,"nbf":null}"#, r#"{"sub":"a"}"#);
        silent(&RULE, r#"{"sub":null,"exp":null,"iat":null,"aud":null,"name":null,"nonce":""}"#);
    }
}
