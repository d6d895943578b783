//! `kidstamp thumbprint`: which `kid` would this key get?

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::fix;
use super::input::{Input, KEY_SET};
use super::output::{answer, note, refuse, visible};
use crate::jose::{Kid, PublicKey, public_keys_from_pem, thumbprint};
use crate::json::{Document, Kind, Limits, Value};
use crate::rules::jwks::{self, Options};
use crate::rules::{Effect, Finding, Setting};

const EXPECTED: &str = "a JWK, a JWK Set, a PEM public or private key, or a PEM certificate";

/// The members that a thumbprint is taken over (RFC 7638 §3.2, RFC 8037 §2).
const HASHED: [&str; 6] = ["kty", "n", "e", "crv", "x", "y"];

/// The keys.
#[derive(Args, Debug)]
pub struct Thumbprint {
    /// A JWK, a JWK Set, PEM keys or certificates; standard input if not given, or -
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A thumbprint, and which key it is of.
struct Print {
    thumbprint: String,
    what: String,
}

/// What came of all keys.
#[derive(Default)]
struct Report {
    prints: Vec<Print>,
    notes: Vec<String>,
    errors: Vec<String>,
}

pub(super) fn run(thumbprint: &Thumbprint) -> ExitCode {
    let report = Input::read(thumbprint.file.as_deref()).and_then(|input| report(&input));
    let Report { prints, notes, errors } = match report {
        Ok(report) => report,
        Err(reason) => return refuse(&reason),
    };
    notes.iter().for_each(|line| note(line));
    let alone = prints.len() + errors.len() == 1;
    let lines = prints.iter().map(|Print { thumbprint, what }| {
        if alone { format!("{thumbprint}\n") } else { format!("{thumbprint}  {what}\n") }
    });
    let code = answer(&lines.collect::<String>());
    if errors.is_empty() { code } else { refuse(&errors.join("\n")) }
}

fn report(input: &Input) -> Result<Report, String> {
    let trimmed = input.bytes().trim_ascii_start();
    if trimmed.starts_with(b"{") {
        let text = input.text(EXPECTED)?;
        let document = Document::parse_with_duplicates(text, Limits::DOCUMENT)
            .map_err(|error| input.not_json(error, EXPECTED))?;
        of_json(input, document.root())
    } else if input.text("").is_ok_and(|text| text.contains("-----BEGIN ")) {
        of_pem(input)
    } else {
        Err(format!("{}: none of what is expected: {EXPECTED}", input.name))
    }
}

fn of_pem(input: &Input) -> Result<Report, String> {
    let keys = public_keys_from_pem(input.bytes())
        .map_err(|error| format!("{}: {}", input.name, visible(&error.to_string())))?;
    let labels = input.text(EXPECTED)?.split("-----BEGIN ").skip(1);
    let prints = keys.iter().zip(labels).map(|(key, block)| Print {
        thumbprint: thumbprint::of(key),
        what: block.split("-----").next().unwrap_or_default().to_owned(),
    });
    Ok(Report { prints: prints.collect(), ..Report::default() })
}

fn of_json(input: &Input, root: Value<'_>) -> Result<Report, String> {
    let mut report = Report::default();
    match root.get("keys") {
        Some(keys) if keys.kind() == Kind::Array => {
            for (place, jwk) in keys.elements().enumerate() {
                let pointer = format!("/keys/{place}");
                let what = match Kid::of(jwk) {
                    Kid::Text(kid) => format!("{pointer}  kid \"{}\"", visible(&kid)),
                    Kid::Missing | Kid::Unusable => format!("{pointer}  no kid"),
                };
                report.add(input, jwk, &pointer, what);
            }
            if report.prints.is_empty() && report.errors.is_empty() {
                return Err(format!("{}: a key set without a key", input.name));
            }
        }
        Some(_) => {
            return Err(format!("{}: \"keys\" is no array; expected a set: {KEY_SET}", input.name));
        }
        None => report.add(input, root, "", String::new()),
    }
    Ok(report)
}

impl Report {
    /// Takes the thumbprint of `jwk`, which stands at `pointer`.
    fn add(&mut self, input: &Input, jwk: Value<'_>, pointer: &str, what: String) {
        match of_jwk(jwk, pointer, &mut self.notes) {
            Ok(thumbprint) => self.prints.push(Print { thumbprint, what }),
            Err(why) => {
                let place = if pointer.is_empty() { "" } else { " " };
                self.errors.push(format!(
                    "{}:{place}{pointer} {}; expected {EXPECTED}",
                    input.name,
                    visible(&why)
                ));
            }
        }
    }
}

/// The thumbprint of `jwk`, over its members as the rules spell them; `notes` get what they mended.
fn of_jwk(jwk: Value<'_>, pointer: &str, notes: &mut Vec<String>) -> Result<String, String> {
    let note_at =
        |text: &str| format!("note: {pointer}{}{text}", if pointer.is_empty() { "" } else { " " });
    if let Some(thumbprint) = thumbprint::of_symmetric(jwk) {
        notes.push(note_at(
            "a symmetric key: it must not be published, and its thumbprint only if it is long \
             and random (RFC 7638 section 7)",
        ));
        return Ok(thumbprint);
    }
    if jwk.get("kty").is_some_and(|kty| kty.is_str("oct")) {
        return Err("a symmetric key whose \"k\" is not base64url without padding".to_owned());
    }
    // The spelling is what matters here, not whether the key is a safe one.
    let settings = jwks::rules().map(|rule| (rule.id.to_owned(), setting_of(rule.id))).collect();
    let options = Options { settings, publish_compromised: true, ..Options::default() };
    let set = jwks::repair(&format!("{{\"keys\":[{}]}}", jwk.raw()), &options)
        .map_err(|_| unreadable(jwk))?;
    let document = Document::parse(&set.text, Limits::DOCUMENT).map_err(|_| unreadable(jwk))?;
    let keys = document.root().get("keys");
    let repaired = keys.and_then(|keys| keys.elements().next()).ok_or_else(|| unreadable(jwk))?;
    for finding in set.findings.iter().filter(|finding| changes_the_thumbprint(finding)) {
        let pointer = finding.pointer.replacen("/keys/0", pointer, 1);
        notes.push(fix::line(&Finding { pointer, ..finding.clone() }));
    }
    match PublicKey::from_jwk(repaired) {
        Ok(key) => Ok(thumbprint::of(&key)),
        Err(error) => {
            let thumbprint = thumbprint::of_unknown(repaired).ok_or_else(|| error.to_string())?;
            notes.push(note_at(
                "a kty that RFC 7638 and RFC 8037 do not name: the thumbprint is over all members \
                 but those that only describe the key",
            ));
            Ok(thumbprint)
        }
    }
}

fn setting_of(rule: &str) -> Setting {
    match rule {
        "jwks/exponent-unsafe" | "jwks/point-off-curve" | "jwks/rsa-size" => Setting::Off,
        _ => Setting::Repair,
    }
}

fn changes_the_thumbprint(finding: &Finding) -> bool {
    finding.effect == Effect::Repaired
        && finding.pointer.rsplit('/').next().is_some_and(|member| HASHED.contains(&member))
}

/// Why `jwk` is no key, where the rules took it out.
fn unreadable(jwk: Value<'_>) -> String {
    if jwk.kind() != Kind::Object {
        return "not a JSON object".to_owned();
    }
    if jwk.has_duplicates() {
        return "a member stands twice in this key".to_owned();
    }
    match PublicKey::from_jwk(jwk) {
        Ok(_) => "not a key that can be repaired".to_owned(),
        Err(error) => error.to_string(),
    }
}
