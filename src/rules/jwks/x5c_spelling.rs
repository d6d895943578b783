//! A certificate in `x5c` is not plain base64.
//!
//! Line breaks, PEM lines, base64url, or a text where RFC 7517 §4.7 wants an array of base64 texts. Readers that look
//! at the member refuse the key: "x5c member at index 0 is not a valid base64-encoded DER PKIX certificate",
//! "Expecting a List of org.forgerock.util.encode.Base64 elements".
//!
//! **What is changed:** each certificate is written in standard base64, in an array.

use super::base64url_spelling::decode_leniently;
use super::{KeySet, Report};
use crate::json::{Kind, Value, quote};
use crate::rules::{Effect, Rule, Setting, shown};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) static RULE: Rule = Rule {
    id: "jwks/x5c-spelling",
    summary: "a certificate in x5c is not plain base64",
    reference: "RFC 7517 section 4.7",
    default: Setting::Repair,
    fixed: false,
    answers: &["JWKS-49", "JWKS-66"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let Some(x5c) = key.value.get("x5c") else { continue };
        let certificates: Vec<Value<'d>> =
            if x5c.kind() == Kind::String { vec![x5c] } else { x5c.elements().collect() };
        for certificate in certificates {
            let Some(text) = certificate.as_str() else { continue };
            let Some(plain) = plain(&text) else { continue };
            let json = match x5c.kind() {
                Kind::String => format!("[{}]", quote(&plain)),
                _ if plain == text => continue,
                _ => quote(&plain),
            };
            let detail = shown(certificate.raw());
            report.found(key.pointer(Some("x5c")), detail, Effect::Repaired, |edits| {
                edits.replace(certificate, json);
            });
        }
    }
}

/// The same octets in standard base64; `None` if that can't be told.
fn plain(text: &str) -> Option<String> {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let octets = decode_leniently(&body).filter(|octets| !octets.is_empty())?;
    Some(STANDARD.encode(octets))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let set = |x5c: &str| format!(r#"{{"keys":[{{"x5c":{x5c}}}]}}"#);
        let plain = r#"["+/8="]"#;
        for x5c in [
            r#"["+/8"]"#,
            r#"["-_8="]"#,
            r#"["+/\r\n8="]"#,
            r#"["-----BEGIN CERTIFICATE-----\n+/8=\n-----END CERTIFICATE-----\n"]"#,
            r#""+/8=""#,
        ] {
            repaired(&RULE, &set(x5c), &set(plain));
        }
        for x5c in [plain, r#"["*"]"#, "[1]", "[]", "{}"] {
            silent(&RULE, &set(x5c));
        }
    }
}
