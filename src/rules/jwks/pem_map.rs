//! The document maps key IDs to PEM certificates, and is no key set at all.
//!
//! Google's first format (`{"kid":"-----BEGIN CERTIFICATE-----…"}`), which Firebase and its imitators still serve.
//! 50 of 53 relying parties refuse it where they look for a key set: "No JWKS found in the response", "jwks must be
//! a JSON Web Key Set formatted object".
//!
//! **What is changed:** each certificate or public key becomes a key for signatures under its name as `kid`. A map
//! with anything in it that holds no single public key stays refused, above all one with a private key.

use super::shape::{Reshape, escaped};
use crate::jose::{PublicKey, public_keys_from_pem};
use crate::json::{Kind, Splice, Value, quote};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/pem-map",
    summary: "the document maps key IDs to PEM certificates instead of being a key set",
    reference: "RFC 7517 section 5",
    default: Setting::Repair,
    fixed: false,
    answers: &["pem-instead"],
};

pub(super) fn look(root: Value<'_>) -> Option<Reshape> {
    let mut members = root.members().peekable();
    members.peek()?;
    let span = root.span();
    let mut splices =
        vec![Splice { span: span.start..span.start + 1, text: "{\"keys\":[".to_owned() }];
    let mut origins = Vec::new();
    for member in members {
        let name = member.raw_name()?;
        let key = key_of(&member)?;
        splices.push(Splice { span: member.member_span(), text: jwk(name, &key) });
        origins.push(format!("/{}", escaped(&member.name())));
    }
    splices.push(Splice { span: span.end.saturating_sub(1)..span.end, text: "]}".to_owned() });
    Some(Reshape {
        pointer: String::new(),
        detail: "a map of PEM texts".to_owned(),
        splices,
        origins,
    })
}

fn key_of(member: &Value<'_>) -> Option<PublicKey> {
    if member.kind() != Kind::String {
        return None;
    }
    let text = member.as_str()?;
    if !text.trim_start().starts_with("-----BEGIN ") || text.contains("PRIVATE KEY-----") {
        return None;
    }
    match public_keys_from_pem(text.as_bytes()).ok()?.as_slice() {
        [key] => Some(key.clone()),
        _ => None,
    }
}

fn jwk(quoted_kid: &str, key: &PublicKey) -> String {
    let members: Vec<String> = key
        .required_members()
        .into_iter()
        .map(|(name, value)| format!("{}:{}", quote(name), quote(&value)))
        .collect();
    format!("{{\"kid\":{quoted_kid},\"use\":\"sig\",{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ED25519_MEMBERS, ED25519_PEM, reshaped, unshaped};
    use super::RULE;
    use crate::json::quote;

    #[test]
    fn fixtures() {
        let pem = quote(ED25519_PEM);
        reshaped(
            &RULE,
            &format!("{{\n \"a\\u0062\": {pem},\n \"c/d\": {pem} }}"),
            &format!(
                "{{\"keys\":[\n {{\"kid\":\"a\\u0062\",\"use\":\"sig\",{ED25519_MEMBERS}}},\n \
                 {{\"kid\":\"c/d\",\"use\":\"sig\",{ED25519_MEMBERS}}} ]}}"
            ),
            &["/ab", "/c~1d"],
        );
        let private = pem.replace("PUBLIC", "PRIVATE");
        for text in [
            "{}".to_owned(),
            format!("{{\"a\":{pem},\"b\":1}}"),
            format!("{{\"a\":{pem},\"b\":\"-----BEGIN\"}}"),
            format!("{{\"a\":{pem},\"b\":{private}}}"),
            format!("{{\"a\":{pem},\"a\":{pem}}}"),
            format!("{{\"a\":{}}}", quote(&format!("{ED25519_PEM}{ED25519_PEM}"))),
        ] {
            unshaped(&text);
        }
    }
}
