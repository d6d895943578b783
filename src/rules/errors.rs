//! What relying parties say when they refuse a login: `data/rp-errors.tsv`, and finding a message in it.
//!
//! Messages of the field name keys, URLs and times that differ from login to login, so words are compared and not letters; a
//! rare word says more than a common one.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../data/rp-errors.tsv");

/// A message that a relying party was seen to refuse with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownError {
    /// The message.
    pub text: &'static str,
    flaws: &'static str,
    said_by: &'static str,
}

impl KnownError {
    /// The observations that it was seen with, as in [`super::Rule::answers`].
    pub fn flaws(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.flaws.split(", ").filter(|flaw| !flaw.is_empty())
    }

    /// Who said it.
    pub fn said_by(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.said_by.split(", ").filter(|name| !name.is_empty())
    }
}

/// Every known message.
pub fn all() -> impl Iterator<Item = KnownError> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| match line.split('\t').collect::<Vec<_>>().as_slice() {
        [text, flaws, said_by] => Some(KnownError { text, flaws, said_by }),
        _ => None,
    })
}

/// What `relying_party` says to a flaw, if that was seen.
pub fn said_by(relying_party: &str, flaw: &str) -> Option<&'static str> {
    let is_it = |error: &KnownError| {
        error.said_by().any(|name| name == relying_party) && error.flaws().any(|id| id == flaw)
    };
    all().find(is_it).map(|error| error.text)
}

/// The messages that `text` is, or holds, the likeliest first; none where nothing is like it.
pub fn like(text: &str) -> Vec<KnownError> {
    /// Less than this in common is chance.
    const LEAST: f64 = 0.72;
    /// How much rarer words than the ones of a short message must be in common.
    const FLOOR: f64 = 6.0;
    let asked = words(text);
    // Word for word, even if they are common words.
    let same: Vec<_> = INDEX.errors.iter().filter(|(known, _)| *known == asked).collect();
    if !asked.is_empty() && !same.is_empty() {
        return same.into_iter().map(|(_, error)| *error).collect();
    }
    let weight =
        |words: &BTreeSet<String>| words.iter().map(|word| INDEX.weight(word)).sum::<f64>();
    let asked_weight = weight(&asked);
    let mut found: Vec<(f64, f64, KnownError)> = INDEX
        .errors
        .iter()
        .filter_map(|(known, error)| {
            let common = known.intersection(&asked).map(|word| INDEX.weight(word)).sum::<f64>();
            let score = common / weight(known).min(asked_weight).max(FLOOR);
            (score >= LEAST).then_some((score, common, *error))
        })
        .collect();
    found.sort_by(|(score, common, _), (other_score, other_common, _)| {
        (other_score * other_common).total_cmp(&(score * common))
    });
    let Some((best, weight, _)) = found.first().copied() else { return Vec::new() };
    found.retain(|(score, common, _)| score * common >= 0.9 * best * weight);
    found.into_iter().map(|(_, _, error)| error).collect()
}

struct Index {
    errors: Vec<(BTreeSet<String>, KnownError)>,
    counts: HashMap<String, usize>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let errors: Vec<_> = all().map(|error| (words(error.text), error)).collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in errors.iter().flat_map(|(words, _)| words) {
        *counts.entry(word.clone()).or_default() += 1;
    }
    Index { errors, counts }
});

impl Index {
    /// What a word tells: the rarer, the more. One that no message has tells nothing.
    fn weight(&self, word: &str) -> f64 {
        let all = self.errors.len() as f64;
        self.counts.get(word).map_or(0.0, |count| (all / *count as f64).ln())
    }
}

/// The words of a message in lower case; numbers and single letters are none.
fn words(text: &str) -> BTreeSet<String> {
    let parts = text.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
    let parts = parts.filter(|part| part.len() > 1 && part.chars().any(char::is_alphabetic));
    parts.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::strictness;

    fn flaws(text: &str) -> BTreeSet<&'static str> {
        like(text).iter().flat_map(KnownError::flaws).collect()
    }

    #[test]
    fn every_line_is_read_and_names_observations_that_there_are() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().count(), lines);
        assert!(lines > 800, "{lines}");
        let quirks = include_str!("../../tests/fixtures/evidence/quirks.tsv");
        let quirks = quirks.lines().filter_map(|line| line.split('\t').next());
        let known: BTreeSet<&str> = strictness::flaws().map(|flaw| flaw.id).chain(quirks).collect();
        for error in all() {
            assert!(error.flaws().all(|flaw| known.contains(flaw)), "{}", error.text);
            assert!(error.said_by().next().is_some(), "{}", error.text);
        }
    }

    /// Each message is found by itself, and within a line of a log.
    #[test]
    fn a_message_is_found_wherever_it_stands() {
        let mut missed = Vec::new();
        for error in all() {
            let line =
                format!("2026-11-23T10:00:00Z app[17]: login of u0042 failed: {}", error.text);
            let alike = like(&line);
            let has_own = alike
                .iter()
                .any(|found| found.flaws().any(|flaw| error.flaws().any(|own| own == flaw)));
            if !has_own {
                missed.push(error.text);
            }
        }
        // Some say nothing that others don't, such as "500".
        assert!(
            missed.len() * 100 <= all().count() * 6,
            "{} of {}: {missed:?}",
            missed.len(),
            all().count()
        );
    }

    #[test]
    fn well_known_messages() {
        assert!(flaws("Bad JWK value.").contains("JWKS-01"));
        assert!(flaws("JWT signature not verified.").contains("token-no-kid"));
        let said = said_by("pyjwt", "no-kid").unwrap();
        assert!(said.starts_with("jwt.PyJWKClientError: "), "{said}");
        assert_eq!(said_by("pyoidc", "no-kid"), None);
        assert!(
            flaws("JWT::DecodeError (No key id (kid) found from token headers)").contains("no-kid")
        );
        assert!(flaws("oidc: id token issued by a different provider, expected \"https://a\" got \"https://a/\"").contains("issuer-trailing-slash"));
        assert!(flaws("the coffee machine is out of milk").is_empty());
        assert!(flaws("").is_empty());
    }
}
