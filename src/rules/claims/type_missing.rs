//! The header has no `typ`.
//!
//! AWS Cognito and many small providers leave it out, as RFC 7519 §5.1 lets them. Libraries that compare it refuse the token: fast-jwt
//! with `checkTyp`, cpp-jwt, older releases of lcobucci/jwt, and zod's `jwt()`.
//!
//! **What is changed,** where the rule is set to `repair`: `typ` becomes `JWT`. It is off by default, since what is missing is allowed to
//! be, and none of 53 relying parties refused that. A `typ` that is there stays.

use super::header_finding;
use crate::json::Value;
use crate::rules::{Finding, Rule, Setting, Settings};

pub(super) static RULE: Rule = Rule {
    id: "claims/typ-missing",
    summary: "the header has no typ, which is allowed but refused by some",
    reference: "RFC 7519 section 5.1",
    default: Setting::Off,
    fixed: false,
    answers: &["IDT-43"],
};

pub(super) fn find(header: Value<'_>, settings: &Settings) -> Option<Finding> {
    let is_missing = header.get("typ").is_none();
    is_missing.then(|| header_finding(&RULE, "typ", "missing", settings)).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{header_left, header_repaired, header_warned};
    use super::RULE;

    #[test]
    fn fixtures() {
        header_repaired(&RULE, r#"{"alg":"RS256"}"#, (Some("JWT"), &[]));
        header_warned(&RULE, r#"{"alg":"RS256"}"#);
        for kept in ["\"JWT\"", "\"at+jwt\"", "\"\"", "null", "7"] {
            header_left(&RULE, &format!(r#"{{"alg":"RS256","typ":{kept}}}"#));
        }
    }
}
