//! The rules for discovery documents (OpenID Connect Discovery §3, RFC 8414 §2).
//!
//! They add only what is known to hold, and move URLs only from origins that are the provider's own. The issuer is changed
//! from names that the configuration lists, and never otherwise: a relying party compares it to the letter.

mod algorithm_alias;
mod algorithms_undeclared;
mod as_configured;
mod byte_order_mark;
mod content_type;
mod id_token_algorithms_missing;
mod inside_url;
mod issuer_alias;
mod jwks_uri_missing;
mod missing;
mod response_types_missing;
mod subject_types_missing;

use super::layer::{self, Entry, Layer, Repaired, Unrepairable};
use super::{Effect, Finding, Report, Rule, Setting, Settings};
use crate::json::{Kind, Limits, Value};

/// The table, in the order in which the rules are applied: names are put right before it is asked what is missing.
const TABLE: [Entry<Discovery>; 9] = [
    Entry { rule: &issuer_alias::RULE, check: issuer_alias::check },
    Entry { rule: &jwks_uri_missing::RULE, check: jwks_uri_missing::check },
    Entry { rule: &inside_url::RULE, check: inside_url::check },
    Entry { rule: &algorithm_alias::RULE, check: algorithm_alias::check },
    Entry { rule: &id_token_algorithms_missing::RULE, check: id_token_algorithms_missing::check },
    Entry { rule: &algorithms_undeclared::RULE, check: algorithms_undeclared::check },
    Entry { rule: &response_types_missing::RULE, check: response_types_missing::check },
    Entry { rule: &subject_types_missing::RULE, check: subject_types_missing::check },
    Entry { rule: &as_configured::RULE, check: as_configured::check },
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
    /// Those of them that a key names itself.
    pub named_algorithms: &'c [&'c str],
    /// The issuer that relying parties know, where the configuration says it.
    pub issuer: Option<&'c str>,
    /// Other names of it, as configured.
    pub aliases: &'c [String],
    /// Members that the configuration knows better: name and JSON.
    pub configured: &'c [(String, String)],
}

/// Every rule of this layer, in the order in which they are applied.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let around = [&missing::RULE, &content_type::RULE, &byte_order_mark::RULE];
    around.into_iter().chain(TABLE.iter().map(|entry| entry.rule))
}

/// The document that the provider lacks, made of its `endpoints` with their URLs outside; `None` where too little is
/// known for one, or nobody wants it.
pub fn make(
    endpoints: &[(&str, String)],
    facts: Facts<'_>,
    settings: &Settings,
) -> Option<Repaired<'static>> {
    let finding = around(&missing::RULE, settings, Some("missing".to_owned()))?;
    let text = missing::make(endpoints, facts).filter(|_| finding.effect == Effect::Repaired)?;
    let mut made = repair(&text, facts, settings).ok()?.into_owned();
    made.findings.insert(0, finding);
    Some(made)
}

/// What is wrong with the media type of a discovery document.
pub fn look_at_content_type(content_type: Option<&str>, settings: &Settings) -> Option<Finding> {
    around(&content_type::RULE, settings, content_type::check(content_type))
}

/// The finding of a rule that looks at what is around the document.
fn around(rule: &Rule, settings: &Settings, detail: Option<String>) -> Option<Finding> {
    let setting = rule.setting(settings);
    let detail = detail.filter(|_| setting != Setting::Off)?;
    let effect = if setting == Setting::Repair { Effect::Repaired } else { Effect::Kept };
    let flaw = rule.answers.first().copied();
    Some(Finding { rule: rule.id, pointer: String::new(), detail, effect, flaw })
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
