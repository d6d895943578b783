//! `kidstamp init`: what it writes is what `serve` needs, for every case of the rulebook.

use crate::rule_cases::{Case, Values, cases};
use crate::rulebook::{provider, token_endpoint};
use crate::tokens::ISSUER;
use crate::{Answer, Response, Sidecar, Upstream};
use kidstamp::rules::{self, Setting, manual};
use serde_json::Value as Json;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

const LOGIN: &str = "grant_type=authorization_code&code=abc&client_id=rp";

/// What `init` can't see, beside rules that are off and that no relying party was measured to want.
const UNSEEN: [&str; 2] = [
    // Seen, if the provider is asked for under another name than it says: the test with the slash.
    "discovery/issuer-alias",
    // A decision that no probe can tell.
    "discovery/as-configured",
];
/// The provider has to replace the key; kidstamp leaves it, and says so.
const NEVER_CLEAN: [&str; 1] = ["jwks/rsa-size"];

fn kidstamp(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kidstamp"));
    command.args(arguments).env_clear().output().unwrap()
}

/// The configuration that `init` writes, and what it says.
fn init(address: SocketAddr, token: Option<&Path>) -> [String; 2] {
    let url = format!("http://{address}");
    let mut arguments = vec!["init", &url];
    if let Some(token) = token {
        arguments.extend(["--token", token.to_str().unwrap()]);
    }
    let output = kidstamp(&arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
}

/// Every choice is made: a line whose comment begins without a blank becomes a line.
fn chosen(toml: &str) -> String {
    let is_choice = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    let line = |line| if is_choice(line) { line.trim_start_matches('#') } else { line };
    toml.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A response as `curl -i` shows it.
fn as_shown(response: &Response) -> String {
    let field = |name: &str| Some(format!("{name}: {}\r\n", response.header(name)?));
    let fields: String = ["content-type", "cache-control"].into_iter().filter_map(field).collect();
    format!("{}\r\n{fields}\r\n{}", response.head.line, response.text())
}

/// What `lint` finds at the sidecar, with the rules of `rules` looked at as well.
fn lint(sidecar: &Sidecar, folder: &Path, rules: &[&str], issuer: &str) -> (Option<i32>, Json) {
    let token = folder.join("response");
    let response = sidecar.client().post_form("/token", LOGIN);
    fs::write(&token, as_shown(&response)).unwrap();
    let url = format!("http://{}", sidecar.listen());
    let config = folder.join("lint.toml");
    let rules: Vec<String> =
        rules.iter().map(|rule| format!("rules.\"{rule}\" = \"warn\"\n")).collect();
    let text = format!(
        "upstream.url = \"{url}\"\n{}[[issuer]]\nephemeral_key = true\n{issuer}\n",
        rules.concat()
    );
    fs::write(&config, text).unwrap();
    let [config, token] = [&config, &token].map(|path| path.to_str().unwrap());
    let output =
        kidstamp(&["lint", &url, "--format", "json", "--config", config, "--token", token]);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code(), report)
}

/// That the flaw of the case is named in what `init` wrote or said, or is known not to be.
fn assert_seen(case: &Case, toml: &str) {
    let named = match case.rule.as_str() {
        "jwks/as-configured" => toml.contains("\nalg = \"RS256\""),
        "discovery/missing" => toml.contains("There is no discovery document"),
        "discovery/jwks-uri-missing" => toml.contains("names no key set"),
        "claims/issuer-alias" => toml.contains("The token says iss = \"https://idp.test/\""),
        rule => toml.contains(rule),
    };
    let rule = rules::all().find(|rule| rule.id == case.rule).unwrap();
    let is_wanted = manual::refusals(rule).iter().any(|(_, count)| *count > 0);
    let is_off = rule.default != Setting::Repair;
    // Whose e-mail addresses are verified, say, an operator knows.
    let is_of_client = !case.client().is_empty();
    // Nobody signs in while it looks, so it sees no userinfo.
    let is_of_user = case.layer() == "userinfo";
    let is_unseen =
        UNSEEN.contains(&rule.id) || is_of_client || is_of_user || (is_off && !is_wanted);
    assert_eq!(named, !is_unseen, "{} {:?}: {toml}", case.rule, case.flaw());
}

/// `init` writes what the provider needs; `serve` with it, and every choice made, leaves nothing for `lint` to find.
#[test]
fn what_init_writes_leaves_nothing_to_find() {
    let mut configured = 0;
    for case in cases() {
        let (upstream, values) = provider(&case);
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, token_endpoint(&case, &values)).unwrap();
        let [toml, said] = init(upstream.address(), Some(&token));
        assert_seen(&case, &format!("{toml}{said}"));
        let setup = Sidecar::before(&upstream);
        let setup = if toml.is_empty() {
            assert!(said.contains("nothing is needed"), "{}: {said}", case.rule);
            setup.with_issuers("[[issuer]]\nephemeral_key = true\n")
        } else {
            // With a key for whatever the provider signs with.
            setup.written(&chosen(&toml).replace("keys = \"keys\"", "ephemeral_key = true"))
        };
        let sidecar = setup.start();
        let chosen = chosen(&toml);
        let optional = rules::all().filter(|rule| rule.default != Setting::Repair);
        let optional: Vec<&str> = optional
            .map(|rule| rule.id)
            .filter(|id| chosen.contains(&format!("\n\"{id}\" = \"repair\"")))
            .collect();
        let told = |line: &&str| line.starts_with("audiences = ") || line.starts_with("issuer = ");
        let issuer: Vec<&str> = chosen.lines().filter(told).collect();
        let (code, report) = lint(&sidecar, folder.path(), &optional, &issuer.join("\n"));
        let clean = report["findings"] == serde_json::json!([]) && code == Some(0);
        assert_eq!(
            clean,
            !NEVER_CLEAN.contains(&case.rule.as_str()),
            "{} {:?}: {report:#}\n{chosen}",
            case.rule,
            case.flaw()
        );
        configured += usize::from(!toml.is_empty());
    }
    println!("{configured} of {} cases need something", cases().len());
}

/// Of a provider with a bridge before it, `init` says that nothing is needed; without, it writes what is.
#[test]
fn init_asks_for_nothing_where_a_bridge_is() {
    let case = cases().into_iter().find(|case| case.flaw() == Some("no-kid")).unwrap();
    let (upstream, _) = provider(&case);
    let sidecar = Sidecar::before(&upstream).start();
    let [toml, _] = init(upstream.address(), None);
    assert!(toml.contains("jwks/kid-missing /keys/0/kid"), "{toml}");
    let [toml, said] = init(sidecar.listen(), None);
    assert_eq!(toml, "");
    assert!(said.contains("nothing is needed"), "{said}");
}

fn case_of(flaw: &str) -> Case {
    cases().into_iter().find(|case| case.flaw() == Some(flaw)).unwrap()
}

/// A slash too many or too few is never decided silently: both names are there, and a choice.
#[test]
fn both_names_of_an_issuer_are_shown() {
    let (upstream, _) = provider(&case_of("no-kid"));
    let address = upstream.address();
    let issuer = format!("http://{address}/");
    let values = Values::new(issuer.trim_end_matches('/'), &issuer);
    let case = case_of("discovery-trailing-slash");
    upstream
        .on("/.well-known/openid-configuration", Answer::json(case.document("discovery", &values)));
    let [toml, _] = init(address, None);
    assert!(toml.contains(&format!("\nissuer = \"{issuer}\"\n")), "{toml}");
    assert!(
        toml.contains(&format!("\n#issuer = \"http://{address}\"\n#aliases = [\"{issuer}\"]\n")),
        "{toml}"
    );
}

/// The keys are where the provider serves them itself; what it says of another host is no reason to fetch from there.
#[test]
fn a_set_on_another_host_is_looked_for_at_the_provider() {
    let elsewhere = Upstream::start();
    let case = case_of("no-kid");
    let (upstream, values) = provider(&case);
    elsewhere.on("/certs/x", Answer::json(case.document("jwks", &values)));
    let uri = format!("http://{}/certs/x", elsewhere.address());
    let document = format!("{{\"issuer\":\"{ISSUER}\",\"jwks_uri\":\"{uri}\"}}");
    upstream.on("/.well-known/openid-configuration", Answer::json(document));
    let url = format!("http://{}", upstream.address());
    let refused = kidstamp(&["init", &url]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("on another host"), "{refused:?}");

    upstream.on("/certs/x", Answer::json(case.document("jwks", &values)));
    let [toml, _] = init(upstream.address(), None);
    assert!(toml.contains(&format!("\njwks_uri = \"{ISSUER}/certs/x\"\n")), "{toml}");
    assert!(toml.contains(&uri), "{toml}");
    let toml = toml.replace("keys = \"keys\"", "ephemeral_key = true");
    let sidecar = Sidecar::before(&upstream).written(&toml).start();
    let set = sidecar.client().get("/certs/x").text();
    assert!(set.contains("\"kid\""), "{set}");
}

/// Without discovery, what answers is taken for what stands there usually, if not everything answers.
#[test]
fn endpoints_are_found_where_not_everything_answers() {
    let nothing = || Answer::raw("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let (upstream, _) = provider(&case_of("no-discovery"));
    let [toml, _] = init(upstream.address(), None);
    assert!(toml.contains("\n#token_endpoint = "), "{toml}");
    upstream.on("/kidstamp-asks-whether-everything-exists", nothing());
    upstream.on("/authorize", nothing());
    let [toml, _] = init(upstream.address(), None);
    let origin = format!("http://{}", upstream.address());
    assert!(toml.contains(&format!("\ntoken_endpoint = \"{origin}/token\"\n")), "{toml}");
    assert!(
        toml.contains(&format!("\nauthorization_endpoint = \"{origin}/oauth2/authorize\"\n")),
        "{toml}"
    );
    let sidecar = Sidecar::before(&upstream)
        .written(&toml.replace("keys = \"keys\"", "ephemeral_key = true"))
        .start();
    let made = sidecar.client().get("/.well-known/openid-configuration");
    assert!(made.text().contains("/oauth2/authorize"), "{made:?}");
}
