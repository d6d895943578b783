//! Which relying parties refuse which flaw, as measured with real software: `data/rp-strictness.tsv`.
//!
//! The file is part of the program, and its lines are checked by a test; a line that could not be read would be left
//! out, never guessed.

const TABLE: &str = include_str!("../../data/rp-strictness.tsv");

/// A relying party, or the library that does the work of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelyingParty {
    /// As messages name it.
    pub name: &'static str,
    /// What was measured.
    pub version: &'static str,
}

/// A flaw of a provider that relying parties were measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// Its name, which rules refer to in [`super::Rule::answers`].
    pub id: &'static str,
    /// What the provider does.
    pub summary: &'static str,
    /// Where it was seen.
    pub source: &'static str,
    refused_by: &'static str,
    /// What one of those who refuse says; empty if nobody does.
    pub error: &'static str,
}

impl Flaw {
    /// The names of the relying parties that refuse a login because of it.
    pub fn refused_by(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.refused_by.split(", ").filter(|name| !name.is_empty())
    }

    /// Who goes on refusing it when it is repaired, and why.
    pub fn still_refused_by(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        lines().filter_map(|line| match line.as_slice() {
            ["still", flaw, name, reason] if *flaw == self.id => Some((*name, *reason)),
            _ => None,
        })
    }
}

/// The relying parties that were measured.
pub fn relying_parties() -> impl Iterator<Item = RelyingParty> {
    lines().filter_map(|line| match line.as_slice() {
        ["rp", name, version] => Some(RelyingParty { name, version }),
        _ => None,
    })
}

/// The flaws that they were measured with.
pub fn flaws() -> impl Iterator<Item = Flaw> {
    lines().filter_map(|line| match line.as_slice() {
        [id, summary, source, refused_by, error] => {
            Some(Flaw { id, summary, source, refused_by, error })
        }
        _ => None,
    })
}

/// The flaw of that name.
pub fn flaw(id: &str) -> Option<Flaw> {
    flaws().find(|flaw| flaw.id == id)
}

fn lines() -> impl Iterator<Item = Vec<&'static str>> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// What the proxy mends without a rule, since it serves documents and tokens of its own making.
#[derive(Debug, Clone, Copy)]
pub struct Practice {
    /// Its name.
    pub id: &'static str,
    /// What is done.
    pub summary: &'static str,
    /// The observations that it answers, as in [`super::Rule::answers`].
    pub answers: &'static [&'static str],
}

/// All of them.
pub const PRACTICES: [Practice; 11] = [
    Practice {
        id: "token/re-signed",
        summary: "an ID token whose header names no key of the published set, or none at all, is verified and \
                  re-signed under a key ID that relying parties know",
        answers: &[
            "token-no-kid",
            "token-kid-mismatch",
            "IDT-26",
            "IDT-27",
            "IDT-28",
            "IDT-40",
            "IDT-41",
        ],
    },
    Practice {
        id: "token/hmac",
        summary: "an ID token that is signed with the secret of a client is verified with it and re-signed with a key of \
                  the set, where the configuration has the secret",
        answers: &["hs256", "IDT-32", "JWKS-53"],
    },
    Practice {
        id: "token/userinfo-json",
        summary: "a userinfo response that is a JWT becomes the JSON of its claims, once it is verified, where the \
                  configuration wants it",
        answers: &["userinfo-jwt", "UINF-05", "UINF-06", "UINF-07", "UINF-08", "UINF-17"],
    },
    Practice {
        id: "jwks/served",
        summary: "the set is served from memory, with its own Content-Type, Cache-Control and ETag",
        answers: &[
            "wrong-content-type",
            "wrong-content-type-plain",
            "no-cache-headers",
            "slow-jwks",
            "chunked-jwks",
            "HTTP-06",
            "JWKS-56",
            "JWKS-57",
            "JWKS-58",
            "JWKS-59",
        ],
    },
    Practice {
        id: "jwks/kept",
        summary: "while the provider fails, the last good set goes on being served, within bounds, and a key of \
                  kidstamp's own signs across the provider's rotations",
        answers: &[
            "flaky-jwks",
            "rotates-without-notice",
            "JWKS-60",
            "JWKS-61",
            "JWKS-68",
            "JWKS-69",
            "JWKS-70",
        ],
    },
    Practice {
        id: "http/forwarded",
        summary: "requests reach the provider over connections that trust its own CA, under its external name and \
                  with an Accept of kidstamp's own",
        answers: &["HTTP-01", "HTTP-04", "FRONT-06"],
    },
    Practice {
        id: "http/decoded",
        summary: "a document or a token response that is compressed, though nobody asked for it, is served as it is \
                  without, within bounds for what it may grow to",
        answers: &["gzip-jwks", "HTTP-05"],
    },
    Practice {
        id: "http/cors",
        summary: "applications in a browser may read discovery, token and userinfo responses where `issuer.cors_origins` lists \
                  their origin; the question before the request is answered by kidstamp",
        answers: &["HTTP-03"],
    },
    Practice {
        id: "http/redirects",
        summary: "redirects of the provider's documents are followed on its own origin, so that relying parties get the \
                  document at once",
        answers: &["HTTP-02", "DISC-38"],
    },
    Practice {
        id: "discovery/elsewhere",
        summary: "a discovery document under another path or name, with a query perhaps, is fetched from `discovery_uri` \
                  and served where relying parties look for it",
        answers: &["DISC-06", "DISC-26", "DISC-37"],
    },
    Practice {
        id: "discovery/one-name",
        summary: "where a request names another host than the external one, discovery comes from memory, so that a \
                  provider which writes the host into it can't be made to name another issuer",
        answers: &["DISC-40"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_line_is_read_and_names_relying_parties_that_were_measured() {
        let names: HashSet<&str> = relying_parties().map(|rp| rp.name).collect();
        let flaws: Vec<Flaw> = flaws().collect();
        let ids: HashSet<&str> = flaws.iter().map(|flaw| flaw.id).collect();
        let still: Vec<(&Flaw, &str)> = flaws
            .iter()
            .flat_map(|flaw| flaw.still_refused_by().map(move |(name, _)| (flaw, name)))
            .collect();
        assert!(
            still.iter().all(|(flaw, name)| flaw.refused_by().any(|refusing| refusing == *name))
        );
        assert_eq!(names.len() + ids.len() + still.len(), lines().count());
        assert_eq!((names.len(), ids.len()), (53, 72));
        let refusals = flaws.iter().flat_map(Flaw::refused_by);
        assert_eq!(refusals.filter(|name| names.contains(name)).count(), 1_758);
        assert!(
            flaws.iter().all(|flaw| flaw.error.is_empty() == flaw.refused_by().next().is_none()
                || !flaw.refused_by.is_empty())
        );
    }

    #[test]
    fn a_flaw_is_found_by_its_name() {
        assert_eq!(flaw("no-kid").map(|flaw| flaw.refused_by().count()), Some(17));
        assert!(flaw("no-such-flaw").is_none());
    }
}
