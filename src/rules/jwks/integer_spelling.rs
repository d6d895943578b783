//! A number of an RSA key is written in decimal or in hex.
//!
//! Programs that print a key's numbers the way their big-integer library does write `"e": 65537` or a modulus
//! in hex. RFC 7518 §6.3.1 wants base64url of the octets; typed libraries fail to load the set.
//!
//! **What is changed:** the number is written as base64url. A hex modulus is told from a base64url one by
//! having at least 256 characters without a single one outside of `0-9a-f`, a decimal one by having as many
//! without one outside of `0-9`; an exponent as text only where it is `10001`, `010001`, `0x10001` or `65537`.

use super::x5t_length::from_hex;
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
    answers: &["number-e", "hex-e", "decimal-n", "JWKS-34"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| key.is("RSA")) {
        fix(key, "n", report, |value| modulus(value));
        fix(key, "e", report, |value| match value.kind() {
            Kind::Number => {
                Some((value.raw().parse::<u64>().ok()?.to_be_bytes().to_vec(), "number-e"))
            }
            _ => match &*value.as_str()? {
                "10001" | "010001" | "0x10001" => Some((vec![1, 0, 1], "hex-e")),
                "65537" => Some((vec![1, 0, 1], "decimal-n")),
                _ => None,
            },
        });
    }
}

fn fix<'d>(
    key: Key<'d>,
    name: &str,
    report: &mut Report<'d>,
    read: impl FnOnce(Value<'d>) -> Option<(Vec<u8>, &'static str)>,
) {
    let Some(value) = key.value.get(name) else { return };
    let Some((octets, flaw)) = read(value) else { return };
    let octets =
        octets.get(octets.iter().take_while(|octet| **octet == 0).count()..).unwrap_or_default();
    report.found(key.pointer(Some(name)), shown(value.raw()), Effect::Repaired, |edits| {
        edits.replace(value, json::quote(&base64url::encode(octets)));
    });
    report.shows(flaw);
}

/// The octets of a modulus, and how they were written.
fn modulus(value: Value<'_>) -> Option<(Vec<u8>, &'static str)> {
    /// As many digits as 16384 bits have: what is longer is no key, and slow to read.
    const MOST_DIGITS: usize = 4_932;
    let text = match value.kind() {
        Kind::Number => value.raw().into(),
        _ => value.as_str()?,
    };
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    if !(256..=MOST_DIGITS).contains(&digits.len()) {
        return None;
    }
    if digits == text && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some((from_decimal(digits), "decimal-n"));
    }
    Some((from_hex(digits.as_bytes())?, "hex-e"))
}

/// The octets of a decimal number, most significant first.
fn from_decimal(digits: &str) -> Vec<u8> {
    let mut octets: Vec<u8> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u32::from(digit - b'0');
        for octet in octets.iter_mut().rev() {
            let value = u32::from(*octet) * 10 + carry;
            *octet = (value & 0xff) as u8;
            carry = value >> 8;
        }
        if carry > 0 {
            octets.insert(0, carry as u8);
        }
    }
    octets
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
        let two_to_the_1024 = "1797693134862315907729305190789024733617976978942306572734300811577\
            32675805500963132708477322407536021120113879871393357658789768814416622492847430639474\
            12437776789342486548527630221960124609411945308295208500576883815068234246288147391311\
            0540827237163350510684586298239947245938479716304835356329624224137216";
        let octets = [&[1][..], &[0; 128]].concat();
        repaired(&RULE, &set(two_to_the_1024), &set(&base64url::encode(octets)));
        silent(
            &RULE,
            r#"{"keys":[{"kty":"RSA","e":"AQAB","n":"abcd"},{"kty":"EC","e":65537},{"kty":"RSA","e":1.5,"n":65537},{"kty":"RSA","e":"65535"}]}"#,
        );
    }
}
