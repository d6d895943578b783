//! `kidstamp init`: the smallest configuration that a provider needs, each line with its reason.

mod draft;
mod probe;

use super::input::Input;
use super::lint::response::{self, Looked};
use super::lint::{self, Context, Source};
use super::output::{answer, note, refuse};
use crate::config::Origin;
use crate::rules::jwks::{KnownKey, RepairedSet};
use crate::rules::{self, Effect, Finding, Rule, Setting};
use clap::Args;
use draft::Draft;
use probe::Found;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which provider, and where the configuration goes.
#[derive(Debug, Args)]
pub struct Init {
    /// The issuer's URL
    #[arg(value_name = "ISSUER-URL")]
    issuer: String,
    /// Learn from this token of the provider, too; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Write the configuration to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(init: &Init) -> ExitCode {
    match init.probe() {
        Err(reason) => refuse(&reason),
        Ok(probed) if probed.is_in_order(&init.issuer) => {
            note("nothing is needed: no flaw was found in what this provider publishes");
            for (rule, why) in &probed.choices {
                note(&format!("{} is off, and might be wanted: {why}", rule.id));
            }
            ExitCode::SUCCESS
        }
        Ok(probed) => init.write(&probed.configuration(&init.issuer)),
    }
}

/// Rules for what the standards allow: that is told, and no reason for a configuration.
const ALLOWED: [&str; 3] =
    ["claims/at-hash-missing", "claims/audience-array", "claims/date-fraction"];

/// What was learned of a provider.
struct Probed {
    issuer: Option<String>,
    /// What kidstamp does something about.
    findings: Vec<Finding>,
    /// What discovery does not say, or says wrongly.
    found: Option<Found>,
    /// What the token calls the issuer, where that is something else.
    other_issuer: Option<String>,
    /// What a key lacks in the set.
    learned: Option<KnownKey>,
    /// The audiences of a token that does not say which of them it was issued to.
    audiences: Vec<String>,
    /// Rules that would do something, if they were switched on, each with the reason.
    choices: Vec<(&'static Rule, String)>,
}

impl Init {
    fn probe(&self) -> Result<Probed, String> {
        let mut context = Context::trusting(self.ca.as_deref());
        // What is off by default is only looked at.
        let off = rules::all().filter(|rule| rule.default == Setting::Off);
        context.rules = off.map(|rule| (rule.id.to_owned(), Setting::Warn)).collect();
        let token = self.token.as_deref().map(|file| Input::read(Some(file))).transpose()?;

        let read = Source::read(&self.issuer, &context);
        let is_elsewhere = read.as_ref().is_ok_and(|source| source.is_elsewhere);
        let (source, found) = match read {
            Ok(source) if !is_elsewhere => (source, None),
            read => {
                let named = token.as_ref().and_then(response::issuer_in);
                let found = probe::look_around(&self.issuer, named.as_deref(), &context);
                match (found, read) {
                    (Some(found), _) => {
                        context.issuer.issuer = Some(found.issuer.clone());
                        context.issuer.metadata.jwks_uri = found.jwks_uri.parse().ok();
                        (Source::read(&self.issuer, &context)?, Some(found))
                    }
                    (None, Ok(source)) => {
                        return Err(format!(
                            "{}: the key set is on another host than the provider, and kidstamp fetches it from no \
                             other; let the provider serve it itself, too",
                            source.name
                        ));
                    }
                    (None, Err(reason)) => return Err(reason),
                }
            }
        };
        let set = lint::repaired(&source, &context)?;
        let issuer = source.issuer.as_deref();
        let look = |context: &Context| {
            let look = |token: &Input| response::look(token, context, &set, issuer);
            token.as_ref().map(look).transpose()
        };
        let mut looked = look(&context)?;
        let mut audiences = Vec::new();
        if let Some(Looked { examined, .. }) = &looked
            && let [first, _, ..] = examined.audiences.as_slice()
        {
            // The rule for these wants to know one of them.
            audiences.clone_from(&examined.audiences);
            context.issuer.audiences = vec![first.clone()];
            looked = look(&context)?;
        }
        Ok(self.probed(&context, &source, &set, looked, audiences, found))
    }

    fn probed(
        &self,
        context: &Context,
        source: &Source,
        set: &RepairedSet,
        looked: Option<Looked>,
        audiences: Vec<String>,
        found: Option<Found>,
    ) -> Probed {
        let mut all = source.findings(context, set);
        all.extend(set.findings.iter().cloned());
        let mut learned = None;
        let mut other_issuer = None;
        if let Some(looked) = looked {
            all.extend(looked.findings);
            let examined = looked.examined;
            all.extend(examined.findings);
            learned = examined.learned;
            other_issuer = examined.issuer.filter(|name| source.issuer.as_ref() != Some(name));
        }
        let choices: Vec<_> = rules::all()
            .filter(|rule| rule.default != Setting::Repair)
            .filter(|rule| all.iter().any(|finding| finding.rule == rule.id))
            .filter_map(|rule| Some((rule, why_chosen(rule)?)))
            .collect();
        let is_choice = |id| choices.iter().any(|(rule, _)| rule.id == id);
        let audiences = if is_choice("claims/azp-missing") { audiences } else { Vec::new() };
        all.retain(|finding| finding.effect != Effect::Kept);
        // What was looked for is told where it is written.
        all.retain(|finding| {
            !["discovery/missing", "discovery/jwks-uri-missing"].contains(&finding.rule)
        });
        Probed {
            issuer: source.issuer.clone(),
            findings: all,
            found,
            other_issuer,
            learned,
            audiences,
            choices,
        }
    }

    fn write(&self, toml: &str) -> ExitCode {
        let Some(path) = &self.output else { return answer(toml) };
        // A configuration that somebody has edited is not written over.
        let written =
            std::fs::File::create_new(path).and_then(|mut file| file.write_all(toml.as_bytes()));
        match written {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&format!("{}: can't be written: {error}", path.display())),
        }
    }
}

/// Why somebody might want a rule that is off; `None` if no relying party was measured to refuse what it mends.
fn why_chosen(rule: &Rule) -> Option<String> {
    let refusing: BTreeSet<&str> = rule
        .answers
        .iter()
        .filter_map(|id| rules::strictness::flaw(id))
        .flat_map(|flaw| flaw.refused_by())
        .collect();
    let few: Vec<&str> = refusing.iter().take(3).copied().collect();
    let more = match refusing.len() {
        0 => return None,
        count if count > few.len() => format!(" and {} more", count - few.len()),
        _ => String::new(),
    };
    Some(format!("{}; refused by {}{more}", rule.summary, few.join(", ")))
}

impl Probed {
    /// Nothing has to be configured, nor mended.
    fn is_in_order(&self, asked: &str) -> bool {
        self.findings.is_empty()
            && !self.differs_by_slash(asked)
            && self.found.is_none()
            && self.other_issuer.is_none()
            && self.learned.is_none()
            && self.choices.iter().all(|(rule, _)| ALLOWED.contains(&rule.id))
    }

    /// The file, for a provider that is reached at `asked`.
    fn configuration(&self, asked: &str) -> String {
        let mut draft = Draft::default();
        if !self.findings.is_empty() {
            draft.remark("What was found, and what kidstamp does about it:");
        }
        for finding in &self.findings {
            let (rule, pointer, detail) = (finding.rule, &finding.pointer, &finding.detail);
            draft
                .verbatim(&format!("# - {rule} {pointer}: {detail} ({})\n", finding.effect.name()));
        }
        let upstream = asked.parse().ok().and_then(|uri| Origin::of(&uri));
        draft.section("[upstream]");
        draft.needed(
            "Where kidstamp reaches the provider: change it to the internal address, since clients \
             will find kidstamp under the one that they know.",
            "url",
            upstream.map(|origin| origin.to_string()).unwrap_or_default(),
        );
        draft.section("[[issuer]]");
        self.name(&mut draft, asked);
        if let Some(found) = &self.found {
            draft.needed(&found.why, "jwks_uri", found.jwks_uri.as_str());
            for endpoint in &found.endpoints {
                let (name, url) = (endpoint.name, endpoint.url.as_str());
                if endpoint.is_there {
                    draft.needed("Something answers there; check that it is this.", name, url);
                } else {
                    draft.choice(
                        "It was not found; the discovery document is made only if this is known:",
                        name,
                        url,
                    );
                }
            }
        }
        if let [first, ..] = self.audiences.as_slice() {
            draft.choice(
                &format!(
                    "The token is for {}, and does not say which of them it was issued to (azp). Name your own \
                     clients, and switch on claims/azp-missing below:",
                    self.audiences.join(" and ")
                ),
                "audiences",
                vec![first.as_str()],
            );
        }
        draft.needed(
            "The bridge key, which re-signs what must be: `kidstamp keys generate --dir keys` makes one.",
            "keys",
            "keys",
        );
        if let Some(known) = &self.learned {
            draft.verbatim("\n");
            draft.remark("Learned from the token: what its key lacks in the provider's set.");
            draft.verbatim(&lint::lines(known));
        }
        if !self.choices.is_empty() {
            draft.section("[rules]");
            draft.remark("Off unless you want it; `kidstamp rules RULE` tells the risk of each.");
            for (rule, why) in &self.choices {
                draft.choice(&format!("{why}:"), &format!("\"{}\"", rule.id), "repair");
            }
        }
        draft.into_text()
    }

    fn differs_by_slash(&self, asked: &str) -> bool {
        let issuer = self.issuer.as_deref();
        issuer.is_some_and(|issuer| lint::differ_by_slash(asked, issuer))
    }

    /// `issuer`, and what else it is called.
    fn name(&self, draft: &mut Draft, asked: &str) {
        let Some(issuer) = &self.issuer else { return };
        let from = match &self.found {
            Some(found) if !found.endpoints.is_empty() => {
                "There is no discovery document to say it"
            }
            _ => "As its discovery document says",
        };
        draft.needed(
            &format!("{from}; relying parties compare it to the letter."),
            "issuer",
            issuer.as_str(),
        );
        if self.differs_by_slash(asked) {
            draft.remark(&format!(
                "You asked for \"{asked}\", which is not the same to the letter. If that is what relying parties \
                 are set up with, these two take the place of the line above:"
            ));
            let quote = |text: &str| toml::Value::from(text).to_string();
            draft.verbatim(&format!("#issuer = {}\n", quote(asked)));
            draft.verbatim(&format!("#aliases = [{}]\n", quote(issuer)));
        }
        if let Some(other) = &self.other_issuer {
            draft.choice(
                &format!(
                    "The token says iss = \"{other}\". If both are names of this one provider, tokens get the first \
                     by this line; without it they pass as they are:"
                ),
                "aliases",
                vec![other.as_str()],
            );
        }
    }
}
