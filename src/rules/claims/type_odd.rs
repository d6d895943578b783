//! The header's `typ` is an old or private name for an ID token.
//!
//! Early drafts called a JWT `http://openid.net/specs/jwt/1.0`, and Pocket-ID 0.46 wrote `ID+JWT`. 5 of 53 relying parties refuse the
//! token: "JOSE header typ (type) … not allowed" (Nimbus), "the given typ value needs to be one of [JWT]" (Spring), "unexpected or
//! unsupported JWT type `ID+JWT`" (openidconnect-rs, in Proxmox).
//!
//! **What is changed:** `typ` becomes `JWT`. A `typ` that says something else, such as that of an access token (`at+jwt`) or a
//! logout token, is never changed: such a token in the ID token's place passes as it came (RFC 8725 §3.11).

use super::RepairedType;
use crate::rules::{Effect, Finding, Rule, Setting, Settings, shown};

pub(super) static RULE: Rule = Rule {
    id: "claims/typ-odd",
    summary: "typ is an old or private name for an ID token",
    reference: "RFC 7519 section 5.1",
    default: Setting::Repair,
    fixed: false,
    answers: &["id-token-typ-odd", "IDT-42"],
};

/// In lower case, and without `application/`.
const ODD: [&str; 2] = ["http://openid.net/specs/jwt/1.0", "id+jwt"];

pub(super) fn repair(typ: &str, settings: &Settings) -> Option<RepairedType> {
    let setting = RULE.setting(settings);
    if setting == Setting::Off || !ODD.contains(&typ) {
        return None;
    }
    let (effect, typ_then) = match setting {
        Setting::Repair => (Effect::Repaired, Some("JWT")),
        _ => (Effect::Kept, None),
    };
    let finding = Finding {
        rule: RULE.id,
        pointer: "/typ".to_owned(),
        detail: shown(typ),
        effect,
        flaw: RULE.answers.first().copied(),
    };
    Some(RepairedType { finding, typ: typ_then })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixtures() {
        let on = Settings::new();
        for typ in ODD {
            assert_eq!(repair(typ, &on).unwrap().typ, Some("JWT"), "{typ}");
        }
        for typ in ["jwt", "at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "", "jose"] {
            assert_eq!(repair(typ, &on), None, "{typ}");
        }
        let set = |setting| Settings::from([(RULE.id.to_owned(), setting)]);
        assert_eq!(repair("id+jwt", &set(Setting::Warn)).unwrap().typ, None);
        assert_eq!(repair("id+jwt", &set(Setting::Off)), None);
    }
}
