//! The rules for the claims of ID tokens (OpenID Connect Core §2, RFC 7519 §4).
//!
//! What they change forces a new signature, so they are few: each mends what relying parties are known to
//! refuse. They see a payload only after the provider's own signature over it was verified. None touches
//! `sub`, and none turns a token that has expired, or is meant for somebody else, into one that has not or is not.
//! Those that take a check away from the relying party are off until the configuration asks for them.

mod at_hash_missing;
mod audience_array;
mod audience_string;
mod authorized_party_missing;
mod date_fraction;
mod date_iso;
mod date_milliseconds;
mod date_string;
mod email_verified_missing;
mod groups_string;
mod hash_null;
mod hash_wrong;
mod header_unknown;
mod issued_at_missing;
mod issuer_alias;
mod nonce_missing;
mod null_claim;
mod signature_der;
mod type_missing;
mod type_odd;
mod verified_string;

use super::layer::{self, Entry, Layer, Repaired, Unrepairable};
use super::{Effect, Finding, Report, Rule, Setting, Settings};
use crate::json::{Document, Limits, Value};

/// The table, in the order in which the rules are applied: a date becomes a number before its unit is looked at.
const TABLE: [Entry<Claims>; 17] = [
    Entry { rule: &issuer_alias::RULE, check: issuer_alias::check },
    Entry { rule: &date_string::RULE, check: date_string::check },
    Entry { rule: &date_iso::RULE, check: date_iso::check },
    Entry { rule: &date_milliseconds::RULE, check: date_milliseconds::check },
    Entry { rule: &date_fraction::RULE, check: date_fraction::check },
    Entry { rule: &hash_null::RULE, check: hash_null::check },
    Entry { rule: &hash_wrong::RULE, check: hash_wrong::check },
    Entry { rule: &at_hash_missing::RULE, check: at_hash_missing::check },
    Entry { rule: &null_claim::RULE, check: null_claim::check },
    Entry { rule: &nonce_missing::RULE, check: nonce_missing::check },
    Entry { rule: &verified_string::RULE, check: verified_string::check },
    Entry { rule: &email_verified_missing::RULE, check: email_verified_missing::check },
    Entry { rule: &groups_string::RULE, check: groups_string::check },
    Entry { rule: &audience_array::RULE, check: audience_array::check },
    Entry { rule: &audience_string::RULE, check: audience_string::check },
    Entry { rule: &authorized_party_missing::RULE, check: authorized_party_missing::check },
    Entry { rule: &issued_at_missing::RULE, check: issued_at_missing::check },
];

/// The claims that are dates (OpenID Connect Core §2, RFC 7519 §4.1.5).
const DATES: [&str; 4] = ["exp", "iat", "nbf", "auth_time"];

/// This layer.
struct Claims;

impl Layer for Claims {
    type Context<'c> = Context<'c>;
}

/// What the rules are told beside the claims.
#[derive(Clone, Copy)]
struct Context<'c> {
    options: &'c Options,
    hashes: &'c Hashes,
    nonce: Option<&'c str>,
    now: i64,
}

/// What is known of a token beside its claims.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'s> {
    /// The hashes that it must have.
    pub hashes: &'s Hashes,
    /// The nonce of its login, where the configuration wants it restored.
    pub nonce: Option<&'s str>,
}

/// How an issuer's claims are to be repaired.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Settings that differ from the rules' defaults.
    pub settings: Settings,
    /// The issuer that relying parties expect.
    pub issuer: String,
    /// Other values of `iss` that stand for it, as configured.
    pub issuer_aliases: Vec<String>,
    /// The audiences that the configuration lists.
    pub audiences: Vec<String>,
    /// The client whose settings these are; `None` for everyone's.
    pub client: Option<String>,
    /// The domains whose addresses count as verified for this client, in lower case.
    pub verified_email_domains: Vec<String>,
}

/// The hashes that an ID token must have, if any, of what stands beside it in its response; `None` where nothing does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hashes {
    /// Of the access token (OpenID Connect Core §3.1.3.6).
    pub at_hash: Option<String>,
    /// Of the code (OpenID Connect Core §3.3.2.11).
    pub c_hash: Option<String>,
    /// Of the state (Financial-grade API 1.0 part 2 §5.1).
    pub s_hash: Option<String>,
}

impl Options {
    /// True if some rule looks at what stands beside a token.
    pub fn want_hashes(&self) -> bool {
        let wants = |rule: &Rule| rule.setting(&self.settings) != Setting::Off;
        wants(&hash_wrong::RULE) || wants(&at_hash_missing::RULE)
    }
}

/// Every rule of this layer, in the order in which they are applied; last, those for header and signature.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let of_header = [&type_odd::RULE, &type_missing::RULE, &header_unknown::RULE];
    let rules = TABLE.iter().map(|entry| entry.rule).chain(of_header);
    rules.chain([&signature_der::RULE])
}

/// Repairs the payload `text` of a token whose signature was verified at the time `now`, in seconds since 1970.
pub fn repair<'t>(
    text: &'t str,
    options: &Options,
    now: i64,
) -> Result<Repaired<'t>, Unrepairable> {
    let surroundings = Surroundings { hashes: &Hashes::default(), nonce: None };
    repair_beside(text, options, surroundings, now)
}

/// As [`repair`], where more is known of the token.
pub fn repair_beside<'t>(
    text: &'t str,
    options: &Options,
    surroundings: Surroundings<'_>,
    now: i64,
) -> Result<Repaired<'t>, Unrepairable> {
    repair_and_read(text, options, surroundings, now).map(|(repaired, _)| repaired)
}

/// The same; where no rule changed the text, with that as it was read on the way.
pub fn repair_and_read<'t>(
    text: &'t str,
    options: &Options,
    surroundings: Surroundings<'_>,
    now: i64,
) -> Result<(Repaired<'t>, Option<Document<'t>>), Unrepairable> {
    let Surroundings { hashes, nonce } = surroundings;
    let context = Context { options, hashes, nonce, now };
    layer::repair_and_read(&TABLE, None, text, Limits::TOKEN, context, &options.settings)
}

/// What the `typ` of an ID token's header should be instead of `typ`, in the form of
/// [`crate::jose::ProtectedHeader::typ`]; `None` if it is not known for an odd one.
pub fn repair_type(typ: &str, settings: &Settings) -> Option<RepairedType> {
    type_odd::repair(typ, settings)
}

/// What should be otherwise in the `header` of an ID token beside an odd `typ`; nothing, unless the rules for that are
/// switched on.
pub fn repair_header(header: Value<'_>, settings: &Settings) -> RepairedHeader {
    let mut repaired = RepairedHeader::default();
    let off = |rule: &Rule| rule.setting(settings) == Setting::Off;
    if off(&type_missing::RULE) && off(&header_unknown::RULE) {
        return repaired;
    }
    if let Some(finding) = type_missing::find(header, settings) {
        repaired.typ = (finding.effect == Effect::Repaired).then_some("JWT");
        repaired.findings.push(finding);
    }
    for (name, finding) in header_unknown::find(header, settings) {
        if finding.effect == Effect::Repaired {
            repaired.dropped.push(name);
        }
        repaired.findings.push(finding);
    }
    repaired
}

/// What a rule says of a member of the header; `None` where it is off.
fn header_finding(
    rule: &'static Rule,
    name: &str,
    detail: &str,
    settings: &Settings,
) -> Option<Finding> {
    let effect = match rule.setting(settings) {
        Setting::Repair => Effect::Repaired,
        Setting::Warn => Effect::Kept,
        Setting::Off => return None,
    };
    let (pointer, detail) = (format!("/{name}"), detail.to_owned());
    Some(Finding { rule: rule.id, pointer, detail, effect, flaw: rule.answers.first().copied() })
}

/// What there is to say of a token whose ECDSA signature is right, but in the form of DER; `None` where such a
/// signature is not looked for. Only where the finding is a repair may the token be signed anew.
pub fn found_signature_in_der(settings: &Settings) -> Option<Finding> {
    signature_der::found(settings)
}

/// An odd `typ` of a token's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedType {
    /// What was found.
    pub finding: Finding,
    /// What it becomes; `None` where the rule only warns.
    pub typ: Option<&'static str>,
}

/// What becomes of the header of an ID token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairedHeader {
    /// What was found.
    pub findings: Vec<Finding>,
    /// The `typ` that it gets.
    pub typ: Option<&'static str>,
    /// The members that it loses.
    pub dropped: Vec<String>,
}

/// Makes booleans of the flags about a person that are strings; reported by whichever rule asks.
pub(super) fn mend_flags<'d>(object: Value<'d>, report: &mut Report<'d>) {
    verified_string::mend(object, report);
}

/// The seconds since 1970 of a date that is written as one.
pub(super) fn seconds_of_date(text: &str) -> Option<i64> {
    date_iso::seconds(text)
}

/// The dates among the claims that stand there.
fn dates<'d>(claims: Value<'d>) -> impl Iterator<Item = Value<'d>> {
    DATES.into_iter().filter_map(move |name| claims.get(name))
}

/// True if the token is for the client whose settings are used, by its own word: what loosens a check needs that.
fn is_for_client(claims: Value<'_>, options: &Options) -> bool {
    let (Some(client), Some(aud)) = (&options.client, claims.get("aud")) else { return false };
    aud.is_str(client) || aud.elements().any(|one| one.is_str(client))
}

/// The place of a claim, as a JSON pointer.
fn pointer(claim: Value<'_>) -> String {
    format!("/{}", claim.name())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
