//! A coordinate of an EC key is shorter or longer than its curve's.
//!
//! Encoders of big integers drop leading zero octets (one key in 256 has some) or add one before a high
//! bit. RFC 7518 §6.2.1.2 wants the full length; strict libraries refuse the key, and its thumbprint
//! differs.
//!
//! **What is changed:** zero octets are put before the coordinate, or taken away, up to the curve's length.

use super::{KeySet, Report};
use crate::jose::{Curve, base64url};
use crate::json;
use crate::rules::{Effect, Rule, Setting, shown};

pub(super) static RULE: Rule = Rule {
    id: "jwks/coordinate-length",
    summary: "an EC coordinate has not the length of its curve",
    reference: "RFC 7518 section 6.2.1.2",
    default: Setting::Repair,
    fixed: false,
    answers: &["short-ec-coord"],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements().filter(|key| key.is("EC")) {
        let Some(curve) = key.value.get_str("crv").and_then(|name| Curve::from_name(&name)) else {
            continue;
        };
        for name in ["x", "y"] {
            let Some(value) = key.value.get(name) else { continue };
            let Some(octets) = value.as_str().and_then(|text| base64url::decode(&*text)) else {
                continue;
            };
            if let Some(resized) = resize(&octets, curve.octets()) {
                report.found(
                    key.pointer(Some(name)),
                    shown(value.raw()),
                    Effect::Repaired,
                    |edits| {
                        edits.replace(value, json::quote(&base64url::encode(resized)));
                    },
                );
            }
        }
    }
}

/// The same number in `length` octets; `None` if it has that length already, or is no such number.
fn resize(octets: &[u8], length: usize) -> Option<Vec<u8>> {
    let digits =
        octets.get(octets.iter().take_while(|octet| **octet == 0).count()..).unwrap_or_default();
    let padding = length.checked_sub(digits.len())?;
    (octets.len() != length && !digits.is_empty()).then(|| [&vec![0; padding], digits].concat())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;
    use crate::jose::base64url;

    #[test]
    fn fixtures() {
        let set = |x: &[u8]| {
            format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{}"}}]}}"#, base64url::encode(x))
        };
        let full = [&[0_u8][..], &[7; 31]].concat();
        repaired(&RULE, &set(&[7; 31]), &set(&full));
        repaired(&RULE, &set(&[&[0_u8][..], &full].concat()), &set(&full));
        silent(&RULE, &set(&full));
        silent(&RULE, &set(&[7; 33]));
        silent(&RULE, &set(&[]));
    }
}
