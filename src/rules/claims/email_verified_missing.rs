//! There is no `email_verified` beside `email`, and the configuration says whose addresses the provider vouches for.
//!
//! Okta, Entra ID and company directories leave it out, since they make the addresses themselves. OpenID Connect Core §5.1 lets them.
//! Applications that know people by their address refuse the login: "Missing \"email_verified\" in OIDC claim" (Dex, in Kargo); so does
//! Coder.
//!
//! **What is changed,** where `client.verified_email_domains` lists the domain of `email`: `email_verified` becomes `true` if it is
//! missing or `null`, in a token whose `aud` has that client. A domain means itself and none below it; an address has one `@`, with plain ASCII before it. What the provider
//! says stays: a `false` never becomes `true`. **The risk,** for which nothing is listed by default, and each list is a warning at
//! start: if people may enter an address at the provider that nobody checks, they sign in as whoever has that address. List
//! only domains whose addresses the provider's administrators give out.

use super::{Context, is_for_client, pointer};
use crate::json::{Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "claims/email-verified-missing",
    summary: "no email_verified, and the configuration says that the address is verified",
    reference: "OpenID Connect Core section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["IDT-33", "IDT-36"],
};

pub(super) fn check<'d>(claims: Value<'d>, context: Context<'_>, report: &mut Report<'d>) {
    const NAME: &str = "email_verified";
    let domains = &context.options.verified_email_domains;
    let Some(email) = claims.get("email") else { return };
    let is_listed = email.as_str().is_some_and(|email| is_at_one_of(&email, domains));
    if !is_listed || !is_for_client(claims, context.options) {
        return;
    }
    match claims.get(NAME) {
        None => report.found(pointer(email), "no email_verified", Effect::Repaired, |edits| {
            edits.insert_member(claims, NAME, "true");
        }),
        Some(claim) if claim.kind() == Kind::Null => {
            report.found(pointer(claim), "null", Effect::Repaired, |edits| {
                edits.replace(claim, "true");
            });
        }
        // The provider's own word.
        Some(_) => {}
    }
}

/// True for an address at one of the `domains`, and nothing that two readers could take for two addresses.
fn is_at_one_of(email: &str, domains: &[String]) -> bool {
    // RFC 5322 §3.2.3: a dot-atom.
    let is_plain =
        |sign: u8| sign.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&sign);
    let Some((local, domain)) = email.split_once('@') else { return false };
    !local.is_empty()
        && local.bytes().all(is_plain)
        && domains.iter().any(|listed| listed.eq_ignore_ascii_case(domain))
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::super::testing::{for_client, repaired_with, silent, silent_with};
    use super::RULE;

    fn listing(domain: &str) -> Options {
        Options { verified_email_domains: vec![domain.to_owned()], ..for_client("rp") }
    }

    #[test]
    fn fixtures() {
        let options = listing("example.com");
        for email in ["a@example.com", "A.b+c@EXAMPLE.com", "o'neil@example.com"] {
            repaired_with(
                &RULE,
                &options,
                &format!(r#"{{"aud":"rp","email":"{email}"}}"#),
                &format!(r#"{{"email_verified":true,"aud":"rp","email":"{email}"}}"#),
            );
        }
        repaired_with(
            &RULE,
            &options,
            r#"{"email_verified" : null,"aud":["rp","api"],"email":"a@example.com"}"#,
            r#"{"email_verified" : true,"aud":["rp","api"],"email":"a@example.com"}"#,
        );
        silent(&RULE, r#"{"aud":"rp","email":"a@example.com"}"#);
        for other in ["\"other\"", "[\"other\"]", "null", "{\"rp\":1}"] {
            silent_with(&RULE, &options, &format!(r#"{{"aud":{other},"email":"a@example.com"}}"#));
        }
        silent_with(&RULE, &options, r#"{"email":"a@example.com"}"#);
    }

    #[test]
    fn what_the_provider_says_stays() {
        for said in ["false", "true", "\"false\"", "0", "[]"] {
            let text = format!(r#"{{"aud":"rp","email":"a@example.com","email_verified":{said}}}"#);
            silent_with(&RULE, &listing("example.com"), &text);
        }
    }

    #[test]
    fn no_address_elsewhere_is_taken_for_one_of_the_domain() {
        for email in [
            "a@evil.test",
            "a@example.com.evil.test",
            "a@evil-example.com",
            "a@mail.example.com",
            "a@example.com@evil.test",
            "a@evil.test@example.com",
            r#"\"a@evil.test\"@example.com"#,
            "a@evil.test,b@example.com",
            "a b@example.com",
            "<a@example.com",
            "a@example.com\\u0000",
            "a@example.com ",
            "a@example.com.",
            "@example.com",
            "example.com",
            "\\u0430@example.com",
            "a@ex\\u0430mple.com",
            "a@ｅxample.com",
            "",
        ] {
            silent_with(
                &RULE,
                &listing("example.com"),
                &format!(r#"{{"aud":"rp","email":"{email}"}}"#),
            );
        }
        for odd in ["null", "7", "[\"a@example.com\"]", "{\"a@example.com\":1}"] {
            silent_with(
                &RULE,
                &listing("example.com"),
                &format!(r#"{{"aud":"rp","email":{odd}}}"#),
            );
        }
        silent_with(
            &RULE,
            &listing("example.com"),
            r#"{"aud":"rp","preferred_username":"a@example.com"}"#,
        );
    }
}
