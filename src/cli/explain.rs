//! `kidstamp explain`: what a relying party's error message says about the provider, and what mends it.

use super::input::Input;
use super::output::{NO, answer, answer_with, refuse, visible};
use crate::rules::errors::{self, KnownError};
use crate::rules::strictness::{self, PRACTICES};
use crate::rules::{self, Rule, Setting};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The message, or where it stands.
#[derive(Debug, Args)]
pub struct Explain {
    /// The error message of the relying party
    #[arg(value_name = "TEXT", required_unless_present = "log", conflicts_with = "log")]
    text: Vec<String>,
    /// Look through this log of a relying party; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// What is told of one message at the most.
const MOST_FLAWS: usize = 6;
/// What is told of a log at the most.
const MOST_MESSAGES: usize = 10;

pub(super) fn run(explain: &Explain) -> ExitCode {
    let Some(log) = &explain.log else {
        let text = explain.text.join(" ");
        let found = errors::like(&text);
        if found.is_empty() {
            let told = "nothing is known of this message; kidstamp lint ISSUER-URL looks at the provider itself\n";
            return answer_with(told, ExitCode::from(NO));
        }
        return answer(&explained(&found));
    };
    let input = match Input::read(Some(log)) {
        Ok(input) => input,
        Err(reason) => return refuse(&reason),
    };
    let text = String::from_utf8_lossy(input.bytes());
    let told = of_log(&text);
    if told.is_empty() {
        let told = format!("{}: no known message of a relying party\n", input.name);
        return answer_with(&told, ExitCode::from(NO));
    }
    answer(&told)
}

/// What is known of each message of a log, the most frequent first.
fn of_log(log: &str) -> String {
    let mut seen: BTreeMap<&str, (usize, Vec<KnownError>, &str)> = BTreeMap::new();
    for line in log.lines() {
        let found = errors::like(line);
        if let Some(first) = found.first() {
            seen.entry(first.text).or_insert((0, found, line)).0 += 1;
        }
    }
    let mut seen: Vec<_> = seen.into_values().collect();
    seen.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let mut text = String::new();
    for (count, found, line) in seen.iter().take(MOST_MESSAGES) {
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let shown: String = without_tokens(line.trim()).chars().take(200).collect();
        let _ = write!(text, "{times}: {}\n{}\n", visible(&shown), explained(found));
    }
    text
}

/// A line of a log without what may be a token in it: what is printed here may be pasted elsewhere.
fn without_tokens(line: &str) -> String {
    let is_part =
        |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_' | '=');
    let words = line.split_inclusive(|sign| !is_part(sign));
    let hidden = words.map(|word| {
        let bare = word.trim_end_matches(|sign| !is_part(sign));
        if bare.len() > 24 && bare.contains("eyJ") {
            format!("(a token){}", word.strip_prefix(bare).unwrap_or_default())
        } else {
            word.to_owned()
        }
    });
    hidden.collect()
}

fn explained(found: &[KnownError]) -> String {
    let mut text = String::new();
    let mut flaws: Vec<&str> = Vec::new();
    for flaw in found.iter().flat_map(KnownError::flaws) {
        if !flaws.contains(&flaw) {
            flaws.push(flaw);
        }
    }
    if let Some(first) = found.first() {
        let names: Vec<&str> = first.said_by().take(4).collect();
        let _ = writeln!(text, "said by {}: {}", names.join(", "), visible(first.text));
    }
    // One cure may be for several of them.
    let mut cures: Vec<(String, Vec<&str>)> = Vec::new();
    for flaw in flaws.iter().take(MOST_FLAWS) {
        for cure in cures_of(flaw) {
            match cures.iter_mut().find(|(known, _)| *known == cure) {
                Some((_, flaws)) => flaws.push(flaw),
                None => cures.push((cure, vec![flaw])),
            }
        }
    }
    for (cure, flaws) in cures {
        for flaw in flaws {
            let summary = strictness::flaw(flaw).map(|flaw| flaw.summary);
            let _ = writeln!(
                text,
                "- {flaw}{}",
                summary.map(|text| format!(": {text}")).unwrap_or_default()
            );
        }
        let _ = writeln!(text, "  {cure}");
    }
    if flaws.len() > MOST_FLAWS {
        let _ =
            writeln!(text, "and {} more that this message was seen with", flaws.len() - MOST_FLAWS);
    }
    if flaws.len() > 1 {
        text.push_str("kidstamp lint ISSUER-URL says which of them it is\n");
    }
    text
}

fn cures_of(flaw: &str) -> Vec<String> {
    let by_rule = rules::all().filter(|rule| rule.answers.contains(&flaw)).map(cure);
    let by_practice = PRACTICES.iter().filter(|practice| practice.answers.contains(&flaw));
    let by_practice =
        by_practice.map(|practice| format!("mended without a setting: {}", practice.summary));
    let cures: Vec<String> = by_rule.chain(by_practice).collect();
    if cures.is_empty() {
        return vec!["kidstamp leaves it; docs/not-repaired.md says why".to_owned()];
    }
    cures
}

/// Which setting mends what a rule is about.
fn cure(rule: &Rule) -> String {
    /// What a rule needs beside being on.
    const NEEDS: [(&str, &str); 9] = [
        ("discovery/issuer-alias", "list the other name in issuer.aliases"),
        ("claims/issuer-alias", "list the other name in issuer.aliases"),
        ("discovery/missing", "configure the endpoints in [[issuer]]"),
        ("discovery/jwks-uri-missing", "configure issuer.jwks_uri"),
        ("discovery/as-configured", "write the member into [issuer.discovery]"),
        (
            "jwks/as-configured",
            "write what a token taught into [[issuer.key]]; kidstamp lint --token prints it",
        ),
        ("claims/azp-missing", "list the client in issuer.audiences"),
        ("claims/email-verified-missing", "list the domain in client.verified_email_domains"),
        ("claims/nonce-missing", "write restore_nonce = true into the [[client]]"),
    ];
    let section = if rule.id.starts_with("claims/") || rule.id.starts_with("token-response/") {
        "[client.rules]"
    } else {
        "[rules]"
    };
    let id = rule.id;
    let switch = match rule.default {
        Setting::Repair => format!("mended by {id}, which is on"),
        Setting::Warn | Setting::Off => format!("mended by \"{id}\" = \"repair\" in {section}"),
    };
    match NEEDS.iter().find(|(known, _)| *known == id) {
        Some((_, need)) => format!("{switch}: {need}"),
        None => switch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_of_a_log_is_printed() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl-_";
        let log = format!("WARN Bad JWK value. token={token}, id_token: \"{token}\"\n");
        let told = of_log(&log);
        assert!(told.starts_with("once: WARN Bad JWK value."), "{told}");
        assert!(!told.contains("eyJ") && !told.contains("c2lnbmF0dXJl"), "{told}");
    }
}
