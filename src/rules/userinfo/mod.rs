//! The rules for userinfo responses that are plain JSON (OpenID Connect Core §5.3.2).
//!
//! Nothing is signed there, so a repair costs no signature, and nothing has to be turned back. None touches `sub`. Which
//! client asked can't be seen, so they are the same for all of them.

mod attributes_nested;
mod null_claim;
mod preferred_username_missing;
mod updated_at_text;
mod verified_string;

use super::layer::{self, Entry, Layer, Repaired, Unrepairable};
use super::{Rule, Setting, Settings};
use crate::json::{Limits, Value};

/// The table, in the order in which the rules are applied: what says nothing goes first, and what is nested comes up
/// before its values are looked at.
const TABLE: [Entry<UserInfo>; 5] = [
    Entry { rule: &null_claim::RULE, check: null_claim::check },
    Entry { rule: &attributes_nested::RULE, check: attributes_nested::check },
    Entry { rule: &preferred_username_missing::RULE, check: preferred_username_missing::check },
    Entry { rule: &verified_string::RULE, check: verified_string::check },
    Entry { rule: &updated_at_text::RULE, check: updated_at_text::check },
];

/// This layer.
struct UserInfo;

impl Layer for UserInfo {
    type Context<'c> = ();
}

/// Every rule of this layer, in the order in which they are applied.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLE.iter().map(|entry| entry.rule)
}

/// True if some rule is to look at userinfo responses.
pub fn is_wanted(settings: &Settings) -> bool {
    rules().any(|rule| rule.setting(settings) != Setting::Off)
}

/// Repairs the body of a userinfo response.
pub fn repair<'t>(text: &'t str, settings: &Settings) -> Result<Repaired<'t>, Unrepairable> {
    layer::repair(&TABLE, None, text, Limits::DOCUMENT, (), settings)
}

/// The place of a claim, as a JSON pointer.
fn pointer(claim: Value<'_>) -> String {
    format!("/{}", claim.name())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
