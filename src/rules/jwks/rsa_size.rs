//! An RSA key is smaller than 2048 bits, or larger than 8192.
//!
//! RFC 7518 §3.3 forbids smaller keys, and many relying parties refuse them; a huge one makes each
//! verification a burden. Replacing the key is the provider's part.
//!
//! **What is changed:** nothing; the key stays published and is reported. It never backs a signature of the
//! bridge key.

use super::{KeySet, Report};
use crate::jose::RSA_BITS;
use crate::rules::{Effect, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/rsa-size",
    summary: "an RSA key has fewer than 2048 or more than 8192 bits",
    reference: "RFC 7518 section 3.3",
    default: Setting::Warn,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let bits = key.public().and_then(|key| key.rsa_bits());
        if let Some(bits) = bits.filter(|bits| !RSA_BITS.contains(bits)) {
            report.found(key.pointer(Some("n")), format!("{bits} bits"), Effect::Kept, |_| {});
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reported, silent};
    use super::RULE;
    use crate::jose::base64url;

    #[test]
    fn fixtures() {
        let set = |octets: usize| {
            let n = base64url::encode(vec![0x81; octets]);
            format!(r#"{{"keys":[{{"kty":"RSA","n":"{n}","e":"AQAB"}}]}}"#)
        };
        reported(&RULE, &set(255));
        silent(&RULE, &set(256));
        silent(&RULE, &set(1024));
        reported(&RULE, &set(1025));
    }
}
