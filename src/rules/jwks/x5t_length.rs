//! `x5t` or `x5t#S256` is not the digest of a certificate by its length.
//!
//! Providers that encode the hexadecimal text of the digest instead of its octets write 40 octets where there
//! should be 20. Strict readers refuse the whole set: "invalid JWK, x5t header is of incorrect size", "X5T in marshal
//! does not match X5T in marshalled".
//!
//! **What is changed:** the hexadecimal text becomes the octets that it names; any other wrong length goes.

use super::{KeySet, Report};
use crate::jose::base64url;
use crate::json::{Value, quote};
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/x5t-length",
    summary: "x5t has not the length of a certificate's digest",
    reference: "RFC 7517 sections 4.8 and 4.9",
    default: Setting::Repair,
    fixed: false,
    answers: &["JWKS-63"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        for (name, length) in [("x5t", 20), ("x5t#S256", 32)] {
            let Some(value) = key.value.get(name) else { continue };
            let Some(octets) = octets(value).filter(|octets| octets.len() != length) else {
                continue;
            };
            let pointer = key.pointer(Some(name));
            let digest = from_hex(&octets).filter(|digest| digest.len() == length);
            report.found(pointer, shown(value.raw()), Effect::Repaired, |edits| match digest {
                Some(digest) => edits.replace(value, quote(&base64url::encode(digest))),
                None => edits.remove(key.value, value),
            });
        }
    }
}

fn octets(value: Value<'_>) -> Option<Vec<u8>> {
    base64url::decode(&*value.as_str()?)
}

/// The octets that a hexadecimal text names.
pub(super) fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| (*byte as char).to_digit(16).map(|digit| digit as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;
    use crate::jose::base64url::encode;

    #[test]
    fn fixtures() {
        let set = |x5t: &str| format!(r#"{{"keys":[{{"x5t":"{x5t}","kty":"RSA"}}]}}"#);
        let right = set(&encode([0xab; 20]));
        repaired(&RULE, &set(&encode("AB".repeat(20))), &right);
        repaired(&RULE, &set(&encode([1; 32])), r#"{"keys":[{"kty":"RSA"}]}"#);
        silent(&RULE, &right);
        silent(&RULE, &format!(r#"{{"keys":[{{"x5t#S256":"{}","x5t":1}}]}}"#, encode([1; 32])));
    }
}
