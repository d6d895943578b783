//! The rules for key sets (RFC 7517 §5), and how they are applied.

mod alg_spelling;
mod as_configured;
mod bare_array;
mod base64url_spelling;
mod byte_order_mark;
mod certificate_members;
mod coordinate_length;
mod duplicate_member;
mod empty_members;
mod enc_key;
mod exponent_unsafe;
mod integer_spelling;
mod key_ops_not_array;
mod key_twice;
mod keys_missing;
mod keys_not_array;
mod kid_duplicate;
mod kid_empty;
mod kid_malformed;
mod kid_missing;
mod kid_not_string;
mod kid_null;
mod kty_case;
mod kty_missing;
mod kty_unknown;
mod leading_zeros;
mod null_members;
mod pem_map;
mod point_off_curve;
mod private_members;
mod rsa_size;
mod shape;
mod single_key;
mod symmetric_key;
mod unreadable_key;
mod use_case;
mod use_missing;
mod x5c_only;
mod x5c_spelling;
mod x5c_spki;
mod x5t_length;

use self::shape::{Shaped, shape};
use super::{Effect, Finding, Report, Rule, Setting, Settings, Step};
use crate::jose::{Alg, Kid, PublicKey, thumbprint};
use crate::json::{self, Document, Kind, Limits, ParseError, Value};
use std::collections::HashSet;

/// A rule together with what looks for its flaw.
struct Entry {
    rule: &'static Rule,
    check: for<'d> fn(&KeySet<'d>, &mut Report<'d>),
}

/// The table, in the order in which the rules are applied: first what a member says, then which keys
/// can stay, and last the key IDs, since a thumbprint is taken over repaired members.
const TABLE: [Entry; 34] = [
    Entry { rule: &duplicate_member::RULE, check: duplicate_member::check },
    Entry { rule: &null_members::RULE, check: null_members::check },
    Entry { rule: &kty_case::RULE, check: kty_case::check },
    Entry { rule: &empty_members::RULE, check: empty_members::check },
    Entry { rule: &x5c_spelling::RULE, check: x5c_spelling::check },
    Entry { rule: &x5c_spki::RULE, check: x5c_spki::check },
    Entry { rule: &x5c_only::RULE, check: x5c_only::check },
    Entry { rule: &x5t_length::RULE, check: x5t_length::check },
    Entry { rule: &kty_missing::RULE, check: kty_missing::check },
    Entry { rule: &alg_spelling::RULE, check: alg_spelling::check },
    Entry { rule: &use_case::RULE, check: use_case::check },
    Entry { rule: &key_ops_not_array::RULE, check: key_ops_not_array::check },
    Entry { rule: &integer_spelling::RULE, check: integer_spelling::check },
    Entry { rule: &base64url_spelling::RULE, check: base64url_spelling::check },
    Entry { rule: &leading_zeros::RULE, check: leading_zeros::check },
    Entry { rule: &coordinate_length::RULE, check: coordinate_length::check },
    Entry { rule: &private_members::RULE, check: private_members::check },
    Entry { rule: &symmetric_key::RULE, check: symmetric_key::check },
    Entry { rule: &exponent_unsafe::RULE, check: exponent_unsafe::check },
    Entry { rule: &point_off_curve::RULE, check: point_off_curve::check },
    Entry { rule: &unreadable_key::RULE, check: unreadable_key::check },
    Entry { rule: &rsa_size::RULE, check: rsa_size::check },
    Entry { rule: &kty_unknown::RULE, check: kty_unknown::check },
    Entry { rule: &enc_key::RULE, check: enc_key::check },
    Entry { rule: &use_missing::RULE, check: use_missing::check },
    Entry { rule: &certificate_members::RULE, check: certificate_members::check },
    Entry { rule: &as_configured::RULE, check: as_configured::check },
    Entry { rule: &key_twice::RULE, check: key_twice::check },
    Entry { rule: &kid_missing::RULE, check: kid_missing::check },
    Entry { rule: &kid_empty::RULE, check: kid_empty::check },
    Entry { rule: &kid_null::RULE, check: kid_null::check },
    Entry { rule: &kid_not_string::RULE, check: kid_not_string::check },
    Entry { rule: &kid_malformed::RULE, check: kid_malformed::check },
    Entry { rule: &kid_duplicate::RULE, check: kid_duplicate::check },
];

/// Every rule of this layer, in the order in which they are applied.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    shape::rules().chain(TABLE.iter().map(|entry| entry.rule))
}

/// How a key set is to be repaired, beyond each rule's own setting.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Settings that differ from the rules' defaults.
    pub settings: Settings,
    /// Go on publishing the public half of a key whose private half was published.
    pub publish_compromised: bool,
    /// Replace good key IDs by thumbprints as well.
    pub stamp_all: bool,
    /// What the configuration knows of single keys.
    pub keys: Vec<KnownKey>,
    /// The provider signs with secrets of its clients, so that a set without keys is none by mistake.
    pub may_be_empty: bool,
}

/// What a token taught about one key: `[[issuer.key]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its RFC 7638 thumbprint.
    pub thumbprint: String,
    /// The `kid` that its tokens have.
    pub kid: Option<String>,
    /// The `alg` that its tokens have.
    pub alg: Option<Alg>,
}

impl Options {
    fn setting(&self, rule: &Rule) -> Setting {
        if rule.fixed {
            rule.default
        } else {
            self.settings.get(rule.id).copied().unwrap_or(rule.default)
        }
    }
}

/// A repaired key set, and what was wrong with it.
#[derive(Debug)]
pub struct RepairedSet {
    /// The text: the original wherever no rule fired.
    pub text: String,
    /// What the rules found.
    pub findings: Vec<Finding>,
    /// What they changed, in order.
    pub steps: Vec<Step>,
    /// The public halves of keys that are not published because their private halves were.
    pub compromised: Vec<PublicKey>,
    /// The good key IDs that the provider itself gave its keys.
    pub provider_kids: HashSet<String>,
}

/// Why a text is not a key set at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("not JSON: {0}")]
    NotJson(#[from] ParseError),
    /// JSON, but not an object with an array `keys` (RFC 7517 §5).
    #[error("not an object with an array \"keys\" (RFC 7517 section 5)")]
    NotAKeySet,
    /// The set itself holds a member twice, so that readers disagree on what it says.
    #[error("the member \"{0}\" of the set stands in it twice")]
    Ambiguous(String),
    /// Nothing would be left to publish.
    #[error("no key of the set could be published")]
    NothingLeft,
    /// More keys than any provider has.
    #[error("more than {MAX_KEYS} keys")]
    TooManyKeys,
}

/// The most keys that a set may have.
pub const MAX_KEYS: usize = 512;

/// Repairs the key set `text`.
///
/// A text in which no rule fires comes back as it is. Every key that is left has a `kid` of its own that is
/// a string (where the rules for that are on), and none has private members, whatever the settings. A
/// set can be left empty only if all of its keys are compromised, or if it may come empty.
pub fn repair(text: &str, options: &Options) -> Result<RepairedSet, Unreadable> {
    let shaped = shape(text, options)?;
    let (count, provider_kids) = first_look(&shaped.text, options)?;
    let mut set = RepairedSet {
        text: shaped.text.clone(),
        findings: shaped.findings.clone(),
        steps: shaped.steps.clone(),
        compromised: Vec::new(),
        provider_kids,
    };
    // Elements move as others are dropped; findings name the places of the text as it came.
    let mut places: Vec<usize> = (0..count).collect();
    let mut next = 0;
    // A text is read once, however many rules find nothing in it.
    while next < TABLE.len() {
        let document = Document::parse_with_duplicates(&set.text, Limits::DOCUMENT)?;
        let keys = array_of(&document)?;
        let mut changed = None;
        for entry in TABLE.get(next..).unwrap_or_default() {
            next += 1;
            let setting = options.setting(entry.rule);
            if setting == Setting::Off {
                continue;
            }
            let view = KeySet { keys, places: &places, options };
            let mut report = Report::new(entry.rule, setting);
            (entry.check)(&view, &mut report);
            let splices = report.edits.splices(&document);
            let Report { findings, compromised, .. } = report;
            changed = Step::apply(entry.rule.id, &set.text, splices);
            if changed.is_some() {
                places.retain(|place| {
                    let gone = pointer(*place, None);
                    !findings.iter().any(|finding| finding.drops() && finding.pointer == gone)
                });
            }
            set.findings.extend(findings.into_iter().map(|mut finding| {
                Shaped::locate(shaped.origins(), &mut finding);
                finding
            }));
            set.compromised.extend(compromised);
            if changed.is_some() {
                break;
            }
        }
        if let Some((step, result)) = changed {
            set.steps.push(step);
            set.text = result;
        }
    }
    if places.is_empty() && set.compromised.is_empty() && !options.may_be_empty {
        return Err(Unreadable::NothingLeft);
    }
    Ok(set)
}

/// How many keys a set has, and the good key IDs among them.
fn first_look(text: &str, options: &Options) -> Result<(usize, HashSet<String>), Unreadable> {
    let document = Document::parse_with_duplicates(text, Limits::DOCUMENT)?;
    let keys = array_of(&document)?;
    let kids = keys.elements().filter_map(|jwk| Kid::of(jwk).text().map(str::to_owned)).collect();
    match keys.elements().count() {
        0 if !options.may_be_empty => Err(Unreadable::NothingLeft),
        count if count > MAX_KEYS => Err(Unreadable::TooManyKeys),
        count => Ok((count, kids)),
    }
}

/// The array of keys of a set that is a set.
fn array_of<'d>(document: &'d Document<'_>) -> Result<Value<'d>, Unreadable> {
    let root = document.root();
    if root.has_own_duplicates() {
        let mut names: Vec<String> =
            root.members().map(|member| member.name().into_owned()).collect();
        names.sort();
        let twice = names.windows(2).find(|pair| pair.first() == pair.last());
        return Err(Unreadable::Ambiguous(
            twice.and_then(|pair| pair.first()).cloned().unwrap_or_default(),
        ));
    }
    root.get("keys").filter(|keys| keys.kind() == Kind::Array).ok_or(Unreadable::NotAKeySet)
}

/// The key set as the rules see it.
struct KeySet<'d> {
    keys: Value<'d>,
    places: &'d [usize],
    options: &'d Options,
}

/// One element of the array.
#[derive(Clone, Copy)]
struct Key<'d> {
    value: Value<'d>,
    /// Its index in the set as it came.
    place: usize,
}

impl<'d> KeySet<'d> {
    /// Every element, also what is not an object.
    fn elements(&self) -> impl Iterator<Item = Key<'d>> {
        self.keys.elements().zip(self.places).map(|(value, place)| Key { value, place: *place })
    }

    /// Takes `key` out of the published set.
    fn drop(&self, report: &mut Report<'d>, key: Key<'d>, detail: impl Into<String>) {
        report.found(key.pointer(None), detail, Effect::Dropped, |edits| {
            edits.remove(self.keys, key.value);
        });
    }
}

impl<'d> Key<'d> {
    fn pointer(&self, member: Option<&str>) -> String {
        pointer(self.place, member)
    }

    /// The public key, where the members have their canonical form.
    fn public(&self) -> Option<PublicKey> {
        PublicKey::from_jwk(self.value).ok()
    }

    fn is(&self, kty: &str) -> bool {
        self.value.get("kty").is_some_and(|value| value.is_str(kty))
    }

    fn is_for_signatures(&self) -> bool {
        self.value.get("use").is_some_and(|value| value.is_str("sig"))
    }

    /// What the key's `kid` should be where it has no good one.
    fn thumbprint(&self) -> Option<String> {
        self.public().map(|key| thumbprint::of(&key)).or_else(|| thumbprint::of_unknown(self.value))
    }

    /// True if `kid` is not the RFC 7638 thumbprint of a key that has one.
    fn is_stamped_otherwise(&self, kid: &str) -> bool {
        self.public().is_some_and(|key| thumbprint::of(&key) != kid)
    }

    /// Gives the key its thumbprint for a `kid`.
    fn stamp(self, report: &mut Report<'d>, detail: impl Into<String>) {
        let Some(kid) = self.thumbprint() else { return };
        report.found(self.pointer(Some("kid")), detail, Effect::Repaired, |edits| {
            edits.set_member(self.value, "kid", &json::quote(&kid));
        });
    }
}

fn pointer(place: usize, member: Option<&str>) -> String {
    match member {
        Some(member) => format!("/keys/{place}/{member}"),
        None => format!("/keys/{place}"),
    }
}

#[cfg(test)]
mod pairs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
