//! `kidstamp inspect`: what does this token say, what was it before, and which key signed it?
//!
//! For people who look for a fault: it shows what a strict reader would refuse, and says so.

mod keys;
mod pretty;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;

use super::input::Input;
use super::output::{NO, answer, answer_with, refuse, visible};
use crate::jose::{CompactJws, base64url};
use crate::json::{Document, Kind, Limits, Value};
use crate::token::{CARRIER, restore};

/// A token, and what to do with it.
#[derive(Args, Debug)]
pub struct Inspect {
    /// The token (a compact JWS); - reads it from standard input, which other users of this
    /// machine can't see in the list of processes
    #[arg(value_name = "TOKEN|-")]
    token: String,
    /// Say which key of this JWKS verifies the token; exit code 1 if none does
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Print only the provider's original of a re-signed token
    #[arg(long, conflicts_with = "jwks")]
    restore: bool,
}

pub(super) fn run(inspect: &Inspect) -> ExitCode {
    match inspect.read().and_then(|token| inspect.answer(token.trim())) {
        Ok(code) => code,
        Err(reason) => refuse(&reason),
    }
}

impl Inspect {
    fn read(&self) -> Result<String, String> {
        if self.token != "-" {
            return Ok(self.token.clone());
        }
        if self.jwks.as_ref().is_some_and(|file| file.as_os_str() == "-") {
            return Err("the token and the JWKS can't both come from standard input".to_owned());
        }
        Ok(Input::read(None)?.text("a token")?.to_owned())
    }

    fn answer(&self, token: &str) -> Result<ExitCode, String> {
        // What stands in the token is not repeated: errors end up in logs.
        let jws = CompactJws::parse(token).map_err(|error| {
            format!("not a token: {error}; expected a compact JWS: HEADER.PAYLOAD.SIGNATURE")
        })?;
        let original = restore(token);
        if self.restore {
            return match original {
                Some(original) => Ok(answer(&format!("{original}\n"))),
                None => Err(format!(
                    "this token carries no original: its first claim is not \"{CARRIER}\" with \
                     the header and signature of the provider's token"
                )),
            };
        }
        let mut report = String::new();
        let _ = writeln!(report, "header:\n{}", shown(jws.header_json().as_bytes()));
        let _ = writeln!(report, "payload:\n{}", shown(jws.payload()));
        describe(&mut report, &jws, original.as_deref());
        let Some(file) = &self.jwks else { return Ok(answer(&report)) };
        let set = keys::Set::read(Input::read(Some(file))?)?;
        let verified = set.verify(&mut report, &jws, original.as_deref());
        let code = if verified { ExitCode::SUCCESS } else { ExitCode::from(NO) };
        Ok(answer_with(&report, code))
    }
}

/// A header or payload as people read it.
fn shown(bytes: &[u8]) -> String {
    match Document::parse_bytes(bytes, Limits::TOKEN) {
        Ok(document) => pretty::print(document.root()),
        Err(error) => {
            // Readers that take the last of two members would still read it: show what is there.
            let text = String::from_utf8_lossy(bytes);
            format!("{}\nhint: this is not strict JSON: {error}", visible(&text))
        }
    }
}

fn describe(report: &mut String, jws: &CompactJws<'_>, original: Option<&str>) {
    let document = Document::parse_bytes(jws.payload(), Limits::TOKEN).ok();
    let claims = document.as_ref().map(Document::root);
    let carries = claims.is_some_and(|claims| claims.get(CARRIER).is_some());
    match original.and_then(|original| original.split_once('.')) {
        Some((header, _)) => {
            let header = base64url::decode(header).unwrap_or_default();
            let header = String::from_utf8_lossy(&header).into_owned();
            let _ = writeln!(
                report,
                "re-signed: yes, by kidstamp; the original header: {}",
                visible(&header)
            );
        }
        None if carries => {
            let _ = writeln!(
                report,
                "re-signed: no; it has a claim \"{CARRIER}\", but not in the form from which the \
                 original can be restored"
            );
        }
        None => report.push_str("re-signed: no\n"),
    }
    let now = Timestamp::now().as_second();
    for name in ["iat", "nbf", "exp"] {
        if let Some(claim) = claims.and_then(|claims| claims.get(name)) {
            let _ = writeln!(report, "{name}: {}", time(name, claim, now));
        }
    }
}

/// A NumericDate (RFC 7519 §2) in words.
fn time(name: &str, claim: Value<'_>, now: i64) -> String {
    if claim.kind() != Kind::Number {
        return "not a number, as RFC 7519 section 2 asks for".to_owned();
    }
    let seconds = claim.raw().parse::<f64>().ok().map(f64::floor);
    // Casts of floats saturate, and jiff knows where its calendar ends.
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    let Some(time) = time else { return "outside the calendar".to_owned() };
    let remark = match name {
        "exp" if time.as_second() <= now => ", expired",
        "nbf" | "iat" if time.as_second() > now => ", in the future",
        _ => "",
    };
    format!("{time}{remark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        let told = |name, json: &str, now| {
            let document = Document::parse(json, Limits::TOKEN).unwrap();
            time(name, document.root(), now)
        };
        assert_eq!(told("exp", "1700000000", 0), "2023-11-14T22:13:20Z");
        assert_eq!(told("exp", "1700000000", 1_700_000_000), "2023-11-14T22:13:20Z, expired");
        assert_eq!(told("iat", "1.7e9", 0), "2023-11-14T22:13:20Z, in the future");
        assert_eq!(told("nbf", "1700000000.9", 1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(told("exp", "1700000000000", 0), "outside the calendar");
        assert_eq!(told("exp", "1e999", 0), "outside the calendar");
        assert!(told("exp", "\"1700000000\"", 0).starts_with("not a number"));
    }
}
