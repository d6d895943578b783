//! There is no `iat`.
//!
//! OpenID Connect Core §2 requires it; RFC 7519 does not, and general token servers leave it out. 18 of 53 relying parties
//! refuse: "Missing JWT issue time (iat) claim" (Nimbus, Spring), "issuedAt of token is missing" (Zitadel), "Missing claim:
//! 'iat'" (Authlib), "missing field `iat`" (Rust).
//!
//! **What is changed,** where the rule is set to `repair`: `iat` becomes `nbf`, if there is one that has come, and otherwise the
//! time at which kidstamp took the token out of the provider's response. **The risk,** for which the rule is off by default:
//! nobody but the provider knows when it issued the token. If it hands out an old one again, the relying party can't tell any
//! more; `exp` is still checked.

use super::Context;
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "claims/iat-missing",
    summary: "no iat",
    reference: "OpenID Connect Core section 2",
    default: Setting::Off,
    fixed: false,
    answers: &["iat-missing"],
};

pub(super) fn check<'d>(claims: Value<'d>, context: Context<'_>, report: &mut Report<'d>) {
    if claims.get("iat").is_some() {
        return;
    }
    let not_before = claims.get("nbf").filter(|nbf| nbf.kind() == Kind::Number);
    let not_before =
        not_before.and_then(|nbf| nbf.raw().parse::<i64>().ok()).filter(|nbf| *nbf <= context.now);
    let issued = not_before.unwrap_or(context.now);
    report.found("/iat".to_owned(), "missing", Effect::Repaired, |edits| {
        edits.insert_member(claims, "iat", &issued.to_string());
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        repaired(&RULE, r#"{"exp":1800000000}"#, r#"{"iat":1790000000,"exp":1800000000}"#);
        repaired(&RULE, r#"{"nbf":1789999990}"#, r#"{"iat":1789999990,"nbf":1789999990}"#);
        repaired(&RULE, r#"{"nbf":1790000001}"#, r#"{"iat":1790000000,"nbf":1790000001}"#);
        silent(&RULE, r#"{"iat":1,"exp":2}"#);
        silent(&RULE, r#"{"iat":null}"#);
        silent(&RULE, r#"{"iat":"1"}"#);
    }
}
