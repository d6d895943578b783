//! A number of an RSA key is written as a JSON number or in hex.
//!
//! Programs that print a key's numbers the way their big-integer library does write `"e": 65537` or a modulus
//! in hex. RFC 7518 §6.3.1 wants base64url of the octets; typed libraries fail to load the set.
//!
//! **What is changed:** the number is written as base64url. A hex modulus is told from a base64url one by
//! having at least 256 characters without a single one outside of `0-9a-f`; a hex exponent only as
//! `10001`, `010001` or `0x10001`.

use super::{Key, KeySet, Report};
use crate::jose::base64url;
use crate::json::{self, Kind, Value};
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/integer-spelling",
    summary: "n or e is written as a number or in hex",
    reference: "RFC 7518 section 6.3.1",
    default: Setting::Repair,
    fixed: false,
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| key.is("RSA")) {
        fix(key, "n", report, |value| modulus_in_hex(&value.as_str()?));
        fix(key, "e", report, |value| match value.kind() {
            Kind::Number => value.raw().parse::<u64>().ok().map(|e| e.to_be_bytes().to_vec()),
            _ => matches!(&*value.as_str()?, "10001" | "010001" | "0x10001").then(|| vec![1, 0, 1]),
        });
    }
}

fn fix<'d>(
    key: Key<'d>,
    name: &str,
    report: &mut Report<'d>,
    read: impl FnOnce(Value<'d>) -> Option<Vec<u8>>,
) {
    let Some(value) = key.value.get(name) else { return };
    let Some(octets) = read(value) else { return };
    let octets =
        octets.get(octets.iter().take_while(|octet| **octet == 0).count()..).unwrap_or_default();
    report.found(key.pointer(Some(name)), shown(value.raw()), Effect::Repaired, |edits| {
        edits.replace(value, json::quote(&base64url::encode(octets)));
    });
}

fn modulus_in_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() < 256 || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| (*byte as char).to_digit(16).map(|digit| digit as u8);
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::*;

    #[test]
    fn fixtures() {
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"RSA","e":65537}]}"#,
            r#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#,
        );
        repaired(
            &RULE,
            r#"{"keys":[{"kty":"RSA","e":"0x10001"}]}"#,
            r#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#,
        );
        let octets = [0xc3_u8; 128];
        let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        let set = |n: &str| format!(r#"{{"keys":[{{"kty":"RSA","n":"{n}"}}]}}"#);
        repaired(&RULE, &set(&hex), &set(&base64url::encode(octets)));
        silent(&RULE, &set(hex.get(2..).unwrap()));
        silent(
            &RULE,
            r#"{"keys":[{"kty":"RSA","e":"AQAB","n":"abcd"},{"kty":"EC","e":65537},{"kty":"RSA","e":1.5}]}"#,
        );
    }
}
