//! The header has a member that is registered nowhere.
//!
//! Apereo CAS writes `client_id` and `org.apereo.cas.services.RegisteredService` there. RFC 7515 §4 wants what is not understood to be
//! ignored; joserfc refuses: "unsupported_header: Unsupported {'client_id'} in header" (Open WebUI and what else is built on Authlib).
//!
//! **What is changed,** where the rule is set to `repair`: members that the IANA registry of header parameters does not have are left out
//! when the token is re-signed. Those that it has stay, whatever they say, and a token with `crit` is never touched. It is off by
//! default, since what is dropped is allowed to be there, and some relying party may read it.

use super::header_finding;
use crate::json::Value;
use crate::rules::{Finding, Rule, Setting, Settings, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/header-unknown",
    summary: "the header has an unregistered member, which is allowed but refused by some",
    reference: "RFC 7515 section 4",
    default: Setting::Off,
    fixed: false,
    answers: &["IDT-44"],
};

/// What the registry "JSON Web Signature and Encryption Header Parameters" has (RFC 7515 §9.1).
const REGISTERED: [&str; 30] = [
    "alg",
    "apu",
    "apv",
    "aud",
    "b64",
    "crit",
    "cty",
    "enc",
    "epk",
    "iheSSId",
    "iss",
    "iv",
    "jku",
    "jwk",
    "kid",
    "nonce",
    "p2c",
    "p2s",
    "ppt",
    "sub",
    "svt",
    "tag",
    "trust_chain",
    "typ",
    "url",
    "x5c",
    "x5t",
    "x5t#S256",
    "x5u",
    "zip",
];

pub(super) fn find<'d>(
    header: Value<'d>,
    settings: &Settings,
) -> impl Iterator<Item = (String, Finding)> + use<'d> {
    let settings = settings.clone();
    header.members().filter_map(move |member| {
        let name = member.name();
        if REGISTERED.contains(&&*name) {
            return None;
        }
        let finding = header_finding(&RULE, &shown(&name), "not registered", &settings)?;
        Some((name.into_owned(), finding))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{header_left, header_repaired, header_warned};
    use super::RULE;

    #[test]
    fn fixtures() {
        let cas = r#"{"client_id":"rp","org.apereo.cas":7,"alg":"RS256","typ":"JWT"}"#;
        header_repaired(&RULE, cas, (None, &["client_id", "org.apereo.cas"]));
        header_warned(&RULE, cas);
        header_left(
            &RULE,
            r#"{"alg":"RS256","kid":"k","typ":"JWT","x5t":"a","iss":"b","nonce":"c"}"#,
        );
        // Names are compared to the letter.
        header_repaired(&RULE, r#"{"alg":"RS256","Kid":"k","":0}"#, (None, &["Kid", ""]));
    }
}
