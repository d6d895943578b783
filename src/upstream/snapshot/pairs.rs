//! Flaws of all layers at once: every pair of cases that can stand together is repaired together, in a whole snapshot and a
//! token that is judged with it.
//!
//! Pairs inside of one key set are in `src/rules/jwks/pairs.rs`.

#[allow(dead_code, reason = "the tests over sockets use all of it")]
#[path = "../../../tests/proxy/rule_cases.rs"]
mod rule_cases;

use super::*;
use crate::config::{self, Origin, Override, Overrides};
use crate::jose::CompactJws;
use crate::rules::token_response::{self, Facts, Head};
use crate::rules::userinfo;
use crate::rules::{Rule, Setting, Settings};
use crate::token::{Decision, TokenResponse, decide};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use rule_cases::{Case, Values, cases, head_of};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

const ISSUER: &str = "https://idp.test";
const INSIDE: &str = "http://idp:8080";

static RING: LazyLock<KeyRing> =
    LazyLock::new(|| KeyRing::ephemeral(&[Alg::Rs256, Alg::Es256]).unwrap());

/// What kidstamp makes of a provider.
struct Outcome {
    found: BTreeSet<&'static str>,
    set: String,
    token: String,
}

fn rule(id: &str) -> &'static Rule {
    crate::rules::all().find(|rule| rule.id == id).unwrap()
}

fn configured(folder: &Path, case: &Case, rules: &[&str], values: &Values) -> ValidConfig {
    let file = folder.join("kidstamp.toml");
    let off = |id: &&&str| rule(id).default == Setting::Off;
    let lines: Vec<String> =
        rules.iter().filter(off).map(|id| format!("\"{id}\" = \"repair\"")).collect();
    let text = format!(
        "upstream.url = \"{INSIDE}\"\nupstream.allow_plaintext = true\n[rules]\n{}\n[[issuer]]\n\
         issuer = \"{ISSUER}\"\nephemeral_key = true\n{}\n{}",
        lines.join("\n"),
        values.filled(&case.issuer_lines.join("\n")),
        case.client(),
    );
    std::fs::write(&file, text).unwrap();
    let named = Override::from_flag("--config", file.to_str().unwrap());
    let overrides = Overrides { config: Some(named), ..Overrides::default() };
    config::load(&overrides, &crate::cli::known_rules()).unwrap()
}

fn outcome(folder: &Path, case: &Case, rules: &[&str]) -> Outcome {
    let now = crate::clock::now();
    let values = Values::new(ISSUER, INSIDE);
    let config = configured(folder, case, rules, &values);
    let issuer = &config.issuers[0];
    let (upstream, external) = (Origin::parse(INSIDE).unwrap(), Origin::parse(ISSUER).unwrap());
    let surroundings = Surroundings {
        settings: &config.rules,
        issuer,
        upstream: &upstream,
        external: Some(&external),
    };
    let discovery = (case.says("discovery") != "(none)").then(|| {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(case.says("type")).unwrap());
        Fetched { headers, body: Bytes::from(case.document("discovery", &values)) }
    });
    let readable = discovery
        .as_ref()
        .and_then(|document| surroundings.repair(&document.body, &Signs::default()));
    let readable = readable.as_ref().map(|document| document.text.as_bytes());
    let metadata =
        Metadata::read(readable, &issuer.metadata, Some(ISSUER), &upstream, Some(&external))
            .unwrap();
    let jwks = case.document("jwks", &values);
    let secrets: Secrets = Arc::from([]);
    let ingredients = Ingredients {
        config: &config,
        issuer,
        forwarding: Forwarding::new(&external),
        metadata: &metadata,
        jwks: jwks.as_bytes(),
        discovery: discovery.as_ref(),
        surroundings,
        max_age: None,
        ring: &RING,
        secrets: &secrets,
        now,
        fetched: now,
    };
    let snapshot = Snapshot::build(&ingredients, &mut Publication::default()).unwrap();
    let mut found: BTreeSet<&str> = snapshot.findings.iter().map(|found| found.rule).collect();

    let everyone = &snapshot.treatments.of(None).rules;
    let text = case.document("userinfo", &values);
    let repaired = userinfo::repair(&text, everyone).unwrap();
    found.extend(repaired.findings.iter().map(|found| found.rule));
    assert!(!userinfo::repair(&repaired.text, everyone).unwrap().is_changed(), "{rules:?}: twice");

    let treatment = snapshot.treatments.of(Some("rp"));
    let response = case.response(&values);
    let repaired = token_response::repair(&response, Facts::default(), &treatment.rules).unwrap();
    found.extend(repaired.findings.iter().map(|found| found.rule));
    let (status, fields) = case.head();
    let field = |name: &str| {
        let mut fields = fields.iter().filter(|(known, _)| known == name);
        fields.next().map(|(_, value)| value.as_str())
    };
    let head = Head {
        status: status.split(' ').next().unwrap().parse().unwrap(),
        content_type: field("content-type"),
        cache_control: field("cache-control"),
    };
    let head = token_response::repair_head(head, &treatment.rules);
    found.extend(head.findings.iter().map(|found| found.rule));
    let again = token_response::repair(&repaired.text, Facts::default(), &treatment.rules).unwrap();
    assert!(!again.is_changed(), "{rules:?}: twice");

    let parsed = TokenResponse::parse(repaired.text.as_bytes()).unwrap();
    let token = parsed.id_token().unwrap();
    let mode = treatment.modes.of(token.kind());
    let decided = decide(&treatment.trust, &treatment.bridge, mode, &token, now);
    found.extend(decided.findings.iter().map(|found| found.rule));
    let token = match decided.decision {
        Decision::Resign(unsigned, _) => unsigned.sign().unwrap(),
        Decision::Pass(_) => token.text().to_owned(),
        other => panic!("{rules:?}: {other:?}"),
    };
    let set = String::from_utf8(snapshot.keys.body.to_vec()).unwrap();
    if let Some(discovery) = &snapshot.discovery {
        let text = discovery.document.body.clone();
        let again = surroundings.repair(&text, &Signs::default()).unwrap();
        assert!(!again.is_changed(), "{rules:?}: discovery twice");
        let served: Json = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            (&served["issuer"], served["jwks_uri"].as_str()),
            (&ISSUER.into(), Some("https://idp.test/jwks"))
        );
    }
    Outcome { found, set, token }
}

/// As a strict relying party does it: the one key under the token's `kid`, its algorithm, and claims in their types.
fn assert_is_accepted(outcome: &Outcome, rules: &[&str]) {
    let Outcome { set, token, .. } = outcome;
    let jws = CompactJws::parse(token).unwrap();
    let kid = jws.header().kid.text().unwrap_or_else(|| panic!("{rules:?}: no kid"));
    let document = Document::parse(set, Limits::DOCUMENT).unwrap();
    let keys: Vec<Value<'_>> = document.root().get("keys").unwrap().elements().collect();
    let named: Vec<&Value<'_>> =
        keys.iter().filter(|key| key.get_str("kid").as_deref() == Some(kid)).collect();
    let [key] = named.as_slice() else { panic!("{rules:?}: {} keys under {kid}", named.len()) };
    let alg = key.get_str("alg").and_then(|alg| Alg::from_name(&alg));
    assert!(alg.is_none() || alg == jws.header().alg, "{rules:?}");
    let key = VerificationKey::new(PublicKey::from_jwk(**key).unwrap()).unwrap();
    assert!(key.verifies(&jws), "{rules:?}: {token}");
    let claims: Json = serde_json::from_slice(jws.payload()).unwrap();
    assert_eq!(claims["iss"], ISSUER, "{rules:?}");
    assert_eq!(claims["sub"], "7", "{rules:?}");
    assert!(claims["exp"].as_i64().is_some_and(|exp| exp > crate::clock::now()), "{rules:?}");
    assert!(claims.get("iat").is_none_or(Json::is_i64), "{rules:?}: {claims}");
    let again = jwks::repair(set, &Options::default()).unwrap();
    assert!(again.steps.is_empty(), "{rules:?}: the set twice");
}

#[test]
fn every_pair_of_flaws_of_all_layers_is_repaired_together() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    let mut pairs = 0;
    for (index, one) in cases.iter().enumerate() {
        for other in cases.iter().skip(index + 1) {
            let Some(both) = one.with(other) else { continue };
            let rules = [one.rule.as_str(), other.rule.as_str()];
            // Which of the two is meant for all clients would be the operator's to say.
            if rules == ["claims/audience-array", "claims/audience-string"] {
                continue;
            }
            let outcome = outcome(folder.path(), &both, &rules);
            for id in rules {
                assert!(
                    outcome.found.contains(id) || is_masked(id, &rules),
                    "{id} in {rules:?}: {:?}",
                    outcome.found
                );
            }
            assert_is_accepted(&outcome, &rules);
            pairs += 1;
        }
    }
    println!("{pairs} pairs of {} cases", cases.len());
    assert!(pairs > 1_500, "{pairs}");
}

/// One flaw may leave nothing of the other: what has no discovery document has no flaw in it, and an audience that is a
/// list is no string, and a wrong hash is not missing, nor is what the provider says of an address in a string.
fn is_masked(id: &str, rules: &[&str]) -> bool {
    let no_document = rules.contains(&"discovery/missing")
        && rules.iter().all(|rule| rule.starts_with("discovery/"));
    let hides = |other| rules.contains(&other);
    no_document
        || (id == "claims/audience-string" && hides("claims/azp-missing"))
        || (id == "claims/at-hash-missing" && hides("claims/hash-wrong"))
        || (id == "claims/email-verified-missing" && hides("claims/verified-string"))
}

/// Pairs whose order is declared: what begins with a mark is no JSON before that is gone, and of two rules that want
/// opposite things only one may be on.
fn is_ordered(rules: [&str; 2]) -> bool {
    rules.iter().any(|rule| rule.ends_with("/byte-order-mark"))
        || rules == ["claims/audience-array", "claims/audience-string"]
}

/// Two rules of a layer that both change a document, one after the other, in either order.
#[test]
fn rules_do_not_depend_on_their_order_but_where_they_say_so() {
    let values = Values::new(ISSUER, INSIDE);
    let cases = cases();
    let mut compared = 0;
    for (index, one) in cases.iter().enumerate() {
        for other in cases.iter().skip(index + 1).filter(|other| other.layer() == one.layer()) {
            if is_ordered([&one.rule, &other.rule]) {
                continue;
            }
            let Some(both) = one.with(other) else { continue };
            let (first, then) = (only(&one.rule), only(&other.rule));
            let apply = |text: &str, settings: &Settings| repaired_by(both.layer(), text, settings);
            let Some(text) = text_of(&both, &values) else { continue };
            let [ab, ba] = [[&first, &then], [&then, &first]].map(|order| {
                order.iter().fold(text.clone(), |text, settings| apply(&text, settings))
            });
            let [ab, ba] = [ab, ba].map(|text| serde_json::from_str::<Json>(&text).unwrap());
            assert_eq!(ab, ba, "{} and {}", one.rule, other.rule);
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
}

/// Settings under which that rule alone is applied.
fn only(id: &str) -> Settings {
    let all = crate::rules::all().map(|rule| (rule.id.to_owned(), Setting::Off));
    let mut settings: Settings = all.collect();
    settings.insert(id.to_owned(), Setting::Repair);
    settings
}

/// The document of the case's layer, where one of several can be repaired by itself.
fn text_of(case: &Case, values: &Values) -> Option<String> {
    match case.layer() {
        "token-response" => Some(case.response(values)),
        "claims" => Some(case.document("claims", values)),
        "userinfo" => Some(case.document("userinfo", values)),
        _ => None,
    }
}

fn repaired_by(layer: &str, text: &str, settings: &Settings) -> String {
    let repaired = match layer {
        "token-response" => token_response::repair(text, Facts::default(), settings),
        "userinfo" => userinfo::repair(text, settings),
        _ => {
            let options = crate::rules::claims::Options {
                settings: settings.clone(),
                issuer: ISSUER.to_owned(),
                issuer_aliases: vec![format!("{ISSUER}/")],
                audiences: vec!["rp".to_owned()],
                client: Some("rp".to_owned()),
                verified_email_domains: vec!["example.com".to_owned()],
            };
            crate::rules::claims::repair(text, &options, 1_790_000_000)
        }
    };
    repaired.map_or_else(|_| text.to_owned(), |repaired| repaired.text.into_owned())
}

/// A line `head` is one that the tests over sockets can read.
#[test]
fn heads_are_read_from_their_lines() {
    let (status, fields) = head_of("status: 201 Created|content-type: text/html");
    assert_eq!(status, "201 Created");
    assert_eq!(fields, [("content-type".to_owned(), "text/html".to_owned())]);
}
