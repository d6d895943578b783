//! `response_types_supported` is missing or empty.
//!
//! OpenID Connect Discovery §3 and RFC 8414 §2 require it. Relying parties refuse: "missing field `response_types_supported`" (Rust),
//! "Response types supported can't be blank" (ruby).
//!
//! **What is changed:** `["code"]` is added, where the document names an authorization and a token endpoint: what they are for. Whether
//! the provider can do more is for its operator to say.

use super::{Facts, require};
use crate::json::Value;
use crate::rules::{Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "discovery/response-types-missing",
    summary: "response_types_supported is missing or empty",
    reference: "OpenID Connect Discovery section 3, RFC 8414 section 2",
    default: Setting::Repair,
    fixed: false,
    answers: &["discovery-minimal"],
};

pub(super) fn check<'d>(document: Value<'d>, _: Facts<'_>, report: &mut Report<'d>) {
    let has = |name: &str| document.get_str(name).is_some();
    if has("authorization_endpoint") && has("token_endpoint") {
        require(document, report, "response_types_supported", "[\"code\"]");
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
            r#"{"authorization_endpoint":"a","token_endpoint":"t"}"#,
            r#"{"response_types_supported":["code"],"authorization_endpoint":"a","token_endpoint":"t"}"#,
        );
        silent(&RULE, r#"{"token_endpoint":"t"}"#);
        silent(
            &RULE,
            r#"{"authorization_endpoint":"a","token_endpoint":"t","response_types_supported":["id_token"]}"#,
        );
    }
}
