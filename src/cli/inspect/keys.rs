//! Which key of a set signed a token, and would a strict relying party have found it?

use std::borrow::Cow;
use std::fmt::Write as _;

use super::super::input::Input;
use super::super::output::visible;
use crate::jose::{CompactJws, Kid, PublicKey, VerificationKey, thumbprint};
use crate::json::{Document, Limits, Value};
use crate::rules::Setting;
use crate::rules::jwks::{self, Options};

/// A key set as its file has it: spelling is repaired, key IDs are not.
pub(super) struct Set {
    keys: Vec<Key>,
}

struct Key {
    kid: Kid,
    alg: Option<String>,
    thumbprint: String,
    verifier: Option<VerificationKey>,
    /// Why it verifies nothing.
    unusable: Option<String>,
}

impl Set {
    /// Reads a set; the error is for the operator.
    pub(super) fn read(input: Input) -> Result<Self, String> {
        let text = input.text("a key set in JSON")?;
        let as_they_stand = |id: &str| id.starts_with("jwks/kid-") || id == "jwks/key-twice";
        let settings = jwks::rules()
            .filter(|rule| as_they_stand(rule.id))
            .map(|rule| (rule.id.to_owned(), Setting::Off))
            .collect();
        let options = Options { settings, publish_compromised: true, ..Options::default() };
        let set = jwks::repair(text, &options).map_err(|error| input.not_a_key_set(error))?;
        let document = Document::parse(&set.text, Limits::DOCUMENT)
            .map_err(|error| input.not_json(error, "a key set"))?;
        let keys = document.root().get("keys");
        Ok(Self {
            keys: keys.into_iter().flat_map(|keys| keys.elements()).filter_map(Key::of).collect(),
        })
    }

    /// Reports which key verifies `jws`; true if one does.
    pub(super) fn verify(
        &self,
        report: &mut String,
        jws: &CompactJws<'_>,
        original: Option<&str>,
    ) -> bool {
        let signer = self.signer(jws);
        match signer {
            Some(key) => {
                let _ = writeln!(report, "signature: verified by {}", key.described());
            }
            None if jws.header().alg.is_none() => report.push_str(
                "signature: not verified: its alg is none that a key of a published set can have\n",
            ),
            None => report.push_str("signature: not verified: no key of the set verifies it\n"),
        }
        self.hint_at_kid(report, jws, signer);
        if let Some(key) = signer
            && let (Some(said), Some(alg)) = (&key.alg, jws.header().alg)
            && said != alg.name()
        {
            let _ = writeln!(
                report,
                "hint: the key's alg is \"{}\", the token's {alg}: strict readers refuse that",
                visible(said)
            );
        }
        if signer.is_none() {
            for key in &self.keys {
                if let Some(why) = &key.unusable {
                    let _ = writeln!(report, "hint: {} was not tried: {why}", key.described());
                }
            }
            let original = original.and_then(|original| CompactJws::parse(original).ok());
            if let Some(key) = original.and_then(|original| self.signer(&original)) {
                let _ = writeln!(
                    report,
                    "hint: the original of this token is verified by {}: this is the provider's \
                     own set, not the one that kidstamp publishes",
                    key.described()
                );
            }
        }
        signer.is_some()
    }

    /// The key that verifies `jws`, that under its own `kid` first.
    fn signer(&self, jws: &CompactJws<'_>) -> Option<&Key> {
        let named = |key: &&Key| key.kid.text().is_some() && key.kid == jws.header().kid;
        let verifies = |key: &&Key| key.verifier.as_ref().is_some_and(|key| key.verifies(jws));
        let (first, others): (Vec<&Key>, Vec<&Key>) = self.keys.iter().partition(named);
        first.into_iter().chain(others).find(verifies)
    }

    fn hint_at_kid(&self, report: &mut String, jws: &CompactJws<'_>, signer: Option<&Key>) {
        let hint = match &jws.header().kid {
            Kid::Missing => "the header has no kid: readers that look for the key by its kid \
                             refuse the token"
                .to_owned(),
            Kid::Unusable => "the header's kid is not a string with something in it: readers that \
                              look for the key by its kid refuse the token"
                .to_owned(),
            Kid::Text(kid) if !self.keys.iter().any(|key| key.kid.text() == Some(kid)) => {
                let kids: Vec<String> = self
                    .keys
                    .iter()
                    .filter_map(|key| key.kid.text())
                    .map(|kid| format!("\"{}\"", visible(kid)))
                    .collect();
                let there = if kids.is_empty() {
                    "no key there has one".to_owned()
                } else {
                    format!("there are {}", kids.join(", "))
                };
                format!("the header's kid \"{}\" is not in the set; {there}", visible(kid))
            }
            Kid::Text(kid) if signer.is_some_and(|key| key.kid.text() != Some(kid)) => {
                format!("the header's kid \"{}\" is that of another key of the set", visible(kid))
            }
            Kid::Text(_) => return,
        };
        let _ = writeln!(report, "hint: {hint}");
    }
}

impl Key {
    fn of(jwk: Value<'_>) -> Option<Self> {
        let public = PublicKey::from_jwk(jwk).ok()?;
        let thumbprint = thumbprint::of(&public);
        let (verifier, unusable) = match VerificationKey::new(public) {
            Ok(key) => (Some(key), None),
            Err(why) => (None, Some(why.to_string())),
        };
        let alg = jwk.get_str("alg").map(Cow::into_owned);
        Some(Self { kid: Kid::of(jwk), alg, thumbprint, verifier, unusable })
    }

    fn described(&self) -> String {
        match self.kid.text() {
            Some(kid) => {
                format!("the key with kid \"{}\", thumbprint {}", visible(kid), self.thumbprint)
            }
            None => format!("the key without a kid, thumbprint {}", self.thumbprint),
        }
    }
}
