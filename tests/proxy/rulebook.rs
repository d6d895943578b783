//! A provider that misbehaves in every way that the rulebook knows: kidstamp finds it, and mends it.

use crate::rule_cases::{Case, Values, cases, head_of, update};
use crate::tokens::{self, ISSUER};
use crate::{Answer, Response, Sidecar, Upstream};
use kidstamp::rules::strictness::{self, Flaw};
use kidstamp::rules::{self, Effect, Setting};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const LOGIN: &str = "grant_type=authorization_code&code=abc&client_id=rp";

/// A provider that misbehaves as the case says.
pub(crate) fn provider(case: &Case) -> (Upstream, Values) {
    let upstream = Upstream::start();
    let values = Values::new(ISSUER, &format!("http://{}", upstream.address()));
    upstream.on("/jwks", Answer::json(case.document("jwks", &values)));
    let discovery = match case.says("discovery") {
        "(none)" => Answer::raw("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        _ => Answer::ok(case.says("type"), case.document("discovery", &values)),
    };
    upstream.on(DISCOVERY, discovery);
    upstream.on("/token", Answer::raw(token_endpoint(case, &values)));
    upstream.on("/userinfo", Answer::json(case.document("userinfo", &values)));
    (upstream, values)
}

pub(crate) fn token_endpoint(case: &Case, values: &Values) -> String {
    let (status, fields) = case.head();
    let body = case.response(values);
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{}Content-Length: {length}\r\n\r\n{body}", fields.concat())
}

/// The line of `[rules]` that a case needs; every rule that is on by default works without.
fn setting(case: &Case) -> String {
    let rule = rules::all().find(|rule| rule.id == case.rule).unwrap();
    let line = format!("rules.\"{}\" = \"repair\"", rule.id);
    if rule.default == Setting::Off { line } else { String::new() }
}

fn issuer(case: &Case, values: &Values) -> String {
    let lines = values.filled(&case.issuer_lines.join("\n"));
    format!(
        "[[issuer]]\nissuer = \"{ISSUER}\"\nephemeral_key = true\n{lines}\n\
         [[jwks.view]]\npath = \"/view\"\npublish = \"upstream\"\n{}",
        case.client()
    )
}

fn found(sidecar: &Sidecar, rule: &str) -> u64 {
    let layer = rule.split('/').next().unwrap();
    let metric =
        |name: &str| sidecar.metric(&format!("{name}{{layer=\"{layer}\",rule=\"{rule}\"}}"));
    metric("kidstamp_findings") + metric("kidstamp_token_findings_total")
}

/// What the relying party gets of the document that the case is about: the document's name, and its text.
fn served(case: &Case, sidecar: &Sidecar) -> (&'static str, String) {
    let client = || sidecar.client();
    match case.layer() {
        "jwks" => ("jwks", client().get("/view").text()),
        "userinfo" => ("userinfo", client().get("/userinfo").text()),
        "discovery" if case.rule == "discovery/content-type" => {
            ("type", client().get(DISCOVERY).header("content-type").unwrap_or_default().to_owned())
        }
        "discovery" => ("discovery", client().get(DISCOVERY).text()),
        "token-response" => {
            let response = client().post_form("/token", LOGIN);
            if case.says("head") == Case::default().says("head") {
                let token = tokens::id_token_of(&response.text());
                ("response", response.text().replace(&token, "${id_token}"))
            } else {
                ("head", shown_head(&response))
            }
        }
        _ => {
            let token = tokens::id_token_of(&client().post_form("/token", LOGIN).text());
            match case.rule.as_str() {
                "claims/typ-odd" | "claims/typ-missing" | "claims/header-unknown" => {
                    let mut header = tokens::header_of(&token);
                    header.as_object_mut().unwrap().remove("kid");
                    ("header", header.to_string())
                }
                "claims/signature-der" => ("key", format!("{} octets", signature_octets(&token))),
                "claims/iat-missing" => ("claims", without_iat(&claims_of(&token))),
                _ => ("claims", claims_of(&token)),
            }
        }
    }
}

fn signature_octets(token: &str) -> usize {
    tokens::decode(token.rsplit('.').next().unwrap()).len()
}

/// The claims without the carrier, which is the first of them.
fn claims_of(token: &str) -> String {
    let payload = tokens::payload_of(token);
    match payload.strip_prefix("{\"_kidstamp\":\"") {
        Some(rest) => format!("{{{}", rest.split_once("\",").unwrap().1),
        None => payload,
    }
}

/// The time at which kidstamp saw the token is not the test's to know.
fn without_iat(claims: &str) -> String {
    let (before, after) = claims.split_once("\"iat\":").unwrap();
    let end = after.find([',', '}']).unwrap();
    format!("{before}\"iat\":(now){}", &after[end..])
}

fn shown_head(response: &Response) -> String {
    let field = |name: &str| Some(format!("{name}: {}", response.header(name)?));
    let status = format!("status: {}", response.head.line.split_once(' ').unwrap().1);
    let fields = ["content-type", "cache-control"].into_iter().filter_map(field);
    [status].into_iter().chain(fields).collect::<Vec<_>>().join("|")
}

#[test]
fn every_rule_has_a_case_and_every_case_a_rule() {
    // The one fires only where a client's secret is configured, and then no key of the provider is left for a relying party;
    // the others after a request that lint does not see (tests/flows/nonces.rs, tests/proxy/profiles.rs).
    let elsewhere =
        ["jwks/keys-missing", "claims/nonce-missing", "token-response/refresh-token-missing"];
    let elsewhere = elsewhere.map(str::to_owned);
    let cases = cases().into_iter().map(|case| case.rule).chain(elsewhere);
    let cases: BTreeSet<String> = cases.collect();
    let rules: BTreeSet<String> = rules::all().map(|rule| rule.id.to_owned()).collect();
    assert_eq!(cases, rules, "tests/fixtures/rules/cases.txt");
}

/// Each case is found by `serve`, and what relying parties get is the line below it, to the byte.
#[test]
fn every_flaw_is_repaired_by_serve() {
    let is_update = std::env::var_os("UPDATE").is_some();
    let mut afters = Vec::new();
    let cases = cases();
    for case in &cases {
        let (upstream, values) = provider(case);
        let sidecar = Sidecar::before(&upstream)
            .with(&setting(case))
            .with_issuers(&issuer(case, &values))
            .start();
        let (name, text) = served(case, &sidecar);
        assert!(found(&sidecar, &case.rule) > 0, "{} is not found: {:?}", case.rule, case.flaw());
        if is_update {
            afters.push((name, values.emptied(&text)));
        } else {
            let after = case.after.get(name).unwrap_or_else(|| panic!("{}: no => line", case.rule));
            let after = if name == "response" { after.clone() } else { values.filled(after) };
            assert_eq!(text, after, "{} {:?}", case.rule, case.flaw());
        }
        if name == "head" {
            head_of(&text);
        }
        assert_token_verifies(case, &sidecar);
    }
    if is_update {
        update(&afters);
    }
    println!("{} cases of {} rules", cases.len(), rules::all().count());
}

/// Whatever the flaw, the login works: the token is one that the published set verifies as strict relying parties do it.
fn assert_token_verifies(case: &Case, sidecar: &Sidecar) {
    let token = tokens::id_token_of(&sidecar.client().post_form("/token", LOGIN).text());
    let jwks = sidecar.client().get("/jwks").text();
    let header = tokens::header_of(&token);
    if header["alg"] == "RS256" {
        assert_eq!(tokens::verify(&token, &jwks), Ok(()), "{} {:?}", case.rule, case.flaw());
    } else {
        assert_eq!((header["alg"].as_str(), signature_octets(&token)), (Some("ES256"), 64));
        assert!(jwks.contains(header["kid"].as_str().unwrap()), "{}", case.rule);
    }
}

/// `lint` finds each of them against the provider itself, with the settings of the case.
#[test]
fn every_flaw_is_found_by_lint() {
    let folder = tempfile::tempdir().unwrap();
    for (index, case) in cases().iter().enumerate() {
        let (upstream, values) = provider(case);
        let inside = format!("http://{}", upstream.address());
        let config = folder.path().join(format!("{index}.toml"));
        let text =
            format!("upstream.url = \"{inside}\"\n{}\n{}", setting(case), issuer(case, &values));
        fs::write(&config, text).unwrap();
        let response = folder.path().join(format!("{index}.response"));
        fs::write(&response, token_endpoint(case, &values)).unwrap();
        let userinfo = folder.path().join(format!("{index}.userinfo"));
        fs::write(&userinfo, case.document("userinfo", &values)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_kidstamp"))
            .args(["lint", &inside, "--format", "json", "--config"])
            .arg(&config)
            .arg("--token")
            .arg(&response)
            .arg("--userinfo")
            .arg(&userinfo)
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", case.rule);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["rule"] == *case.rule);
        let finding = finding.unwrap_or_else(|| panic!("{} is not found: {report:#}", case.rule));
        let kept = finding["kidstamp"] == Effect::Kept.name();
        let may_be_kept = ["jwks/rsa-size", "jwks/kty-unknown"].contains(&case.rule.as_str());
        assert_eq!(kept, may_be_kept, "{}: {finding}", case.rule);
        if !may_be_kept {
            let flaw = case.flaw().and_then(strictness::flaw);
            let still: BTreeSet<&str> =
                flaw.iter().flat_map(Flaw::still_refused_by).map(|(name, _)| name).collect();
            assert_eq!(
                report["refused_through_kidstamp"],
                serde_json::json!(still),
                "{}",
                case.rule
            );
        }
    }
}
