//! The rules for token responses (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3): the body, and what surrounds it.
//!
//! They change nothing about the tokens inside, and nothing in an error response.

mod byte_order_mark;
mod cacheable;
mod content_type;
mod expires_in_string;
mod null_member;
mod refresh_token_missing;
mod scope_array;
mod status_created;
mod token_type_case;
mod token_type_missing;

use super::layer::{self, Entry, Layer, Repaired, Unrepairable};
use super::{Effect, Finding, Rule, Setting, Settings};
use crate::json::{Document, Kind, Limits, Value};

/// The table, in the order in which the rules are applied.
const TABLE: [Entry<TokenResponse>; 6] = [
    Entry { rule: &token_type_missing::RULE, check: token_type_missing::check },
    Entry { rule: &token_type_case::RULE, check: token_type_case::check },
    Entry { rule: &expires_in_string::RULE, check: expires_in_string::check },
    Entry { rule: &scope_array::RULE, check: scope_array::check },
    Entry { rule: &null_member::RULE, check: null_member::check },
    Entry { rule: &refresh_token_missing::RULE, check: refresh_token_missing::check },
];

/// This layer.
struct TokenResponse;

impl Layer for TokenResponse {
    type Context<'c> = Facts<'c>;
}

/// What is known beside the response.
#[derive(Clone, Copy, Default)]
pub struct Facts<'f> {
    /// The request had a proof of possession (RFC 9449 §4), so that its token may be bound to a key.
    pub has_proof: bool,
    /// The refresh token that the request exchanged, where [`wants_refresh_token`] says that somebody looks at it.
    pub refresh_token: Option<&'f str>,
}

/// True if some rule looks at the refresh token of the request.
pub fn wants_refresh_token(settings: &Settings) -> bool {
    refresh_token_missing::RULE.setting(settings) != Setting::Off
}

/// Every rule of this layer, in the order in which they are applied: the head of the response comes last.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let head = [&status_created::RULE, &content_type::RULE, &cacheable::RULE];
    [&byte_order_mark::RULE].into_iter().chain(TABLE.iter().map(|entry| entry.rule)).chain(head)
}

/// Repairs the body of a successful token response.
pub fn repair<'t>(
    text: &'t str,
    facts: Facts<'_>,
    settings: &Settings,
) -> Result<Repaired<'t>, Unrepairable> {
    repair_and_read(text, facts, settings).map(|(repaired, _)| repaired)
}

/// The same; where no rule changed the body, with that as it was read on the way.
pub fn repair_and_read<'t>(
    text: &'t str,
    facts: Facts<'_>,
    settings: &Settings,
) -> Result<(Repaired<'t>, Option<Document<'t>>), Unrepairable> {
    let mark = Some(&byte_order_mark::RULE);
    layer::repair_and_read(&TABLE, mark, text, Limits::DOCUMENT, facts, settings)
}

/// True if `text` is a JSON object with an access token or an ID token in it, and not an error or another page.
pub fn has_token(text: &str) -> bool {
    let has = |document: &Document<'_>| {
        let tokens = ["access_token", "id_token"].into_iter();
        tokens
            .filter_map(|name| document.root().get(name))
            .any(|token| token.kind() == Kind::String)
    };
    Document::parse(text, Limits::DOCUMENT).is_ok_and(|document| has(&document))
}

/// The head of a token response, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'h> {
    /// The status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'h str>,
    /// `Cache-Control`.
    pub cache_control: Option<&'h str>,
}

/// What is to be changed in the head of a token response; nothing, where all is in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RepairedHead {
    /// The status code instead.
    pub status: Option<u16>,
    /// `Content-Type` instead.
    pub content_type: Option<&'static str>,
    /// `Cache-Control` instead.
    pub cache_control: Option<&'static str>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Looks at the head of a response whose body is a JSON object with a token in it.
pub fn repair_head(head: Head<'_>, settings: &Settings) -> RepairedHead {
    let mut repaired = RepairedHead::default();
    if repaired.finds(&status_created::RULE, settings, status_created::check(head)) {
        repaired.status = Some(200);
    }
    if repaired.finds(&content_type::RULE, settings, content_type::check(head)) {
        repaired.content_type = Some("application/json");
    }
    if repaired.finds(&cacheable::RULE, settings, cacheable::check(head)) {
        repaired.cache_control = Some("no-store");
    }
    repaired
}

impl RepairedHead {
    /// Notes what a rule found, if it did; true if that is to be repaired.
    fn finds(&mut self, rule: &Rule, settings: &Settings, detail: Option<String>) -> bool {
        let setting = rule.setting(settings);
        let Some(detail) = detail.filter(|_| setting != Setting::Off) else { return false };
        let effect = if setting == Setting::Repair { Effect::Repaired } else { Effect::Kept };
        let flaw = rule.answers.first().copied();
        let pointer = String::new();
        self.findings.push(Finding { rule: rule.id, pointer, detail, effect, flaw });
        setting == Setting::Repair
    }
}

/// The place of a member, as a JSON pointer.
fn pointer(member: Value<'_>) -> String {
    format!("/{}", member.name())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
