//! An EC or OKP key is not a point of its curve.
//!
//! Also what is left when `crv` names another curve than the coordinates are of. Libraries that do not check
//! the point can be made to accept forged signatures; careful ones refuse the key, or the set.
//!
//! **What is changed:** the key is no longer published.

use super::{KeySet, Report};
use crate::jose::{UnusableKey, VerificationKey};
use crate::rules::{Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "jwks/point-off-curve",
    summary: "a key is not a point of its curve",
    reference: "RFC 8725 section 3.4",
    default: Setting::Repair,
    fixed: false,
    answers: &[],
};

pub(super) fn check<'d>(set: &KeySet<'d>, report: &mut Report<'d>) {
    for key in set.elements() {
        let checked = key.public().map(VerificationKey::new);
        if matches!(checked, Some(Err(UnusableKey::OffCurve))) {
            set.drop(report, key, "not a point of the curve that crv names");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repaired, silent};
    use super::RULE;

    #[test]
    fn fixtures() {
        let point = |y: &str| {
            format!(
                r#"{{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"{y}"}}"#
            )
        };
        let on = point("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let off = point("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4");
        repaired(&RULE, &format!(r#"{{"keys":[{on},{off}]}}"#), &format!(r#"{{"keys":[{on}]}}"#));
        silent(&RULE, &format!(r#"{{"keys":[{on}]}}"#));
    }
}
