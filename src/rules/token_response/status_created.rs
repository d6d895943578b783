//! The token endpoint answers 201 instead of 200.
//!
//! CrowdStrike does. RFC 6749 §5.1 wants 200, and openid-client refuses the response ("expected 200").
//!
//! **What is changed:** 201 becomes 200, where the body is a token response.

use super::Head;
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "token-response/status-created",
    summary: "the status is 201 instead of 200",
    reference: "RFC 6749 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["TOKR-13"],
};

pub(super) fn check(head: Head<'_>) -> Option<String> {
    (head.status == 201).then(|| "201".to_owned())
}
