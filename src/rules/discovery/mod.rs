//! The rules for discovery documents (OpenID Connect Discovery §3, RFC 8414 §2).
//!
//! They add only what is known to hold, and move URLs only from origins that are the provider's own. The issuer is never
//! changed here: a relying party compares it to the letter, and so does kidstamp.

mod algorithm_alias;
mod byte_order_mark;
mod id_token_algorithms_missing;
mod inside_url;
mod jwks_uri_missing;
mod response_types_missing;
mod subject_types_missing;

use super::layer::{self, Entry, Layer, Repaired, Unrepairable};
use super::{Effect, Report, Rule, Settings};
use crate::json::{Kind, Limits, Value};

/// The table, in the order in which the rules are applied: names are put right before it is asked what is missing.
const TABLE: [Entry<Discovery>; 6] = [
    Entry { rule: &jwks_uri_missing::RULE, check: jwks_uri_missing::check },
    Entry { rule: &inside_url::RULE, check: inside_url::check },
    Entry { rule: &algorithm_alias::RULE, check: algorithm_alias::check },
    Entry { rule: &id_token_algorithms_missing::RULE, check: id_token_algorithms_missing::check },
    Entry { rule: &response_types_missing::RULE, check: response_types_missing::check },
    Entry { rule: &subject_types_missing::RULE, check: subject_types_missing::check },
];

/// This layer.
struct Discovery;

impl Layer for Discovery {
    type Context<'c> = Facts<'c>;
}

/// What is known beside the document.
#[derive(Clone, Copy)]
pub struct Facts<'c> {
    /// The URL outside for one inside; `None` for every URL that can stay, or is not the provider's.
    pub outside: &'c dyn Fn(&str) -> Option<String>,
    /// The `jwks_uri` that the configuration names.
    pub jwks_uri: Option<&'c str>,
    /// The algorithms that the provider's keys sign with; empty where they are not known yet.
    pub algorithms: &'c [&'c str],
}

/// Every rule of this layer, in the order in which they are applied.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [&byte_order_mark::RULE].into_iter().chain(TABLE.iter().map(|entry| entry.rule))
}

/// Repairs the discovery document `text`.
pub fn repair<'t>(
    text: &'t str,
    facts: Facts<'_>,
    settings: &Settings,
) -> Result<Repaired<'t>, Unrepairable> {
    let mark = Some(&byte_order_mark::RULE);
    layer::repair(&TABLE, mark, text, Limits::DOCUMENT, facts, settings)
}

/// Gives the document the required list `name`, where it has none: missing, `null` or empty.
fn require<'d>(document: Value<'d>, report: &mut Report<'d>, name: &str, list: &str) {
    let detail = match document.get(name) {
        None => "missing",
        Some(member) if member.kind() == Kind::Null => "null",
        Some(member) if member.kind() == Kind::Array && member.elements().next().is_none() => {
            "empty"
        }
        Some(_) => return,
    };
    report.found(format!("/{name}"), detail, Effect::Repaired, |edits| {
        edits.set_member(document, name, list);
    });
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
