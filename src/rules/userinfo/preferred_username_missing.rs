//! There is a `username`, and no `preferred_username`.
//!
//! Synology's SSO server calls it so. Applications that take the name from the registered claim refuse the login: "No data in openid
//! callback" (Audiobookshelf), "Cannot retrieve user info from OAuth 2.0 provider" (ezBookkeeping); Homarr does, too.
//!
//! **What is changed,** where the rule is set to `repair`: `preferred_username` becomes what `username` says. It is off by default, since
//! no standard says what `username` is. An `email_verified` that is missing is not made up.

use super::pointer;
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "userinfo/preferred-username-missing",
    summary: "userinfo has a username and no preferred_username",
    reference: "OpenID Connect Core section 5.1",
    default: Setting::Off,
    fixed: false,
    answers: &["UINF-15", "UINF-16"],
};

pub(super) fn check<'d>(response: Value<'d>, (): (), report: &mut Report<'d>) {
    const NAME: &str = "preferred_username";
    let Some(name) = response.get("username").filter(|name| name.kind() == Kind::String) else {
        return;
    };
    if response.get(NAME).is_none() {
        // Who somebody is, is nobody else's to read.
        report.found(pointer(name), "no preferred_username", Effect::Repaired, |edits| {
            edits.insert_member(response, NAME, name.raw());
        });
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
            r#"{"sub":"a","username":"\u0061b"}"#,
            r#"{"preferred_username":"\u0061b","sub":"a","username":"\u0061b"}"#,
        );
        silent(&RULE, r#"{"sub":"a","username":"b","preferred_username":null}"#);
        silent(&RULE, r#"{"sub":"a","username":7}"#);
        silent(&RULE, r#"{"sub":"a","name":"b"}"#);
    }
}
