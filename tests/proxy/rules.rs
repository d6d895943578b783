//! A provider that misbehaves, rule by rule: what relying parties would refuse is repaired on the way to them.

use crate::tokens::{self, now};
use crate::{Answer, Key, Response, Sidecar, Upstream};
use serde_json::Value as Json;

const LOGIN: &str = "grant_type=authorization_code&code=abc";
const GOOD_HEADER: &str = r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#;

/// How often a rule has fired on tokens and their responses.
fn findings(sidecar: &Sidecar, rule: &str) -> u64 {
    let layer = rule.split('/').next().unwrap();
    sidecar.metric(&format!("kidstamp_token_findings_total{{layer=\"{layer}\",rule=\"{rule}\"}}"))
}

/// A provider whose tokens need no repair but that of the claims.
fn provider() -> Upstream {
    let upstream = Upstream::start();
    upstream.publish(&[Key::idp().jwk(",\"kid\":\"k1\"")]);
    upstream
}

fn log_in(upstream: &Upstream, settings: &str, token: &str) -> (Sidecar, String) {
    upstream.issue(token);
    let sidecar = Sidecar::before(upstream).with(settings).start();
    let text = sidecar.client().post_form("/token", LOGIN).text();
    (sidecar, tokens::id_token_of(&text))
}

#[test]
fn claims() {
    let (soon, before) = (now() + 600, now() - 5);
    let date = "2999-01-01T00:00:00Z";
    let claims = |rest: &str| {
        format!("{{ \"iss\" : \"https://idp.test\",\"sub\":\"7\",\"aud\":[\"rp\"],{rest}}}")
    };
    let good = format!("\"exp\":{soon},\"iat\":{before}");
    for (rule, settings, flaw, repaired) in [
        (
            "claims/date-string",
            "",
            format!("\"exp\":\"{soon}\",\"iat\":\"{before}\""),
            good.clone(),
        ),
        ("claims/date-iso", "", format!("\"exp\":\"{date}\""), "\"exp\":32472144000".to_owned()),
        ("claims/date-milliseconds", "", format!("\"exp\":{soon}000"), format!("\"exp\":{soon}")),
        (
            "claims/date-fraction",
            "rules.\"claims/date-fraction\" = \"repair\"",
            format!("\"exp\":{soon}.75,\"iat\":{before}"),
            good.clone(),
        ),
        ("claims/hash-null", "", format!("{good},\"at_hash\":null,\"c_hash\":\"\""), good.clone()),
        ("claims/null-claim", "", format!("{good}, \"nonce\":null"), good.clone()),
        (
            "claims/verified-string",
            "",
            format!("{good},\"email_verified\":\"false\""),
            format!("{good},\"email_verified\":false"),
        ),
    ] {
        let upstream = provider();
        let original = Key::idp().sign(GOOD_HEADER, &claims(&flaw));
        let (sidecar, resigned) = log_in(&upstream, settings, &original);
        assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()), "{rule}");
        assert!(tokens::payload_of(&resigned).ends_with(&claims(&repaired)[1..]), "{rule}");
        assert!(findings(&sidecar, rule) > 0, "{rule}");
        assert_eq!(sidecar.resigned("claims"), 1, "{rule}");
        let hint = format!("id_token_hint={resigned}");
        sidecar.client().get(&format!("/logout?{hint}"));
        assert_eq!(
            upstream.requests().last().unwrap().target(),
            format!("/logout?id_token_hint={original}"),
            "{rule}"
        );

        let upstream = provider();
        let off = format!("rules.\"{rule}\" = \"off\"");
        let (sidecar, passed) = log_in(&upstream, &off, &original);
        assert_eq!(passed, original, "{rule} is off");
        assert_eq!(findings(&sidecar, rule), 0, "{rule} is off");
    }
}

#[test]
fn claims_that_only_the_configuration_can_mend() {
    let (soon, before) = (now() + 600, now() - 5);
    let claims = |iss: &str, rest: &str| format!("{{\"iss\":\"{iss}\",{rest},\"exp\":{soon}}}");
    let iat = format!("\"iat\":{before}");
    let here = tokens::ISSUER;
    for (rule, settings, issuer, flaw, found) in [
        (
            "claims/issuer-alias",
            "",
            "aliases = [\"https://idp.test/\"]",
            claims("https://idp.test/", &format!("\"aud\":\"rp\",{iat}")),
            "\"iss\":\"https://idp.test\"",
        ),
        (
            "claims/audience-array",
            "rules.\"claims/audience-array\" = \"repair\"",
            "",
            claims(here, &format!("\"aud\":[\"rp\"],{iat}")),
            "\"aud\":\"rp\"",
        ),
        (
            "claims/audience-string",
            "rules.\"claims/audience-string\" = \"repair\"",
            "",
            claims(here, &format!("\"aud\":\"rp\",{iat}")),
            "\"aud\":[\"rp\"]",
        ),
        (
            "claims/azp-missing",
            "rules.\"claims/azp-missing\" = \"repair\"",
            "audiences = [\"rp\"]",
            claims(here, &format!("\"aud\":[\"rp\",\"api\"],{iat}")),
            "\"azp\":\"rp\"",
        ),
        (
            "claims/iat-missing",
            "rules.\"claims/iat-missing\" = \"repair\"",
            "",
            claims(here, "\"aud\":\"rp\""),
            "\"iat\":",
        ),
    ] {
        let upstream = provider();
        let issuer = format!("[[issuer]]\nissuer = \"{here}\"\nkeys = \"KEYS\"\n{issuer}\n");
        let original = Key::idp().sign(GOOD_HEADER, &flaw);
        let (_, passed) = log_in(&upstream, "", &original);
        assert_eq!(passed, original, "{rule}: nothing is guessed");
        let sidecar = Sidecar::before(&upstream).with(settings).with_issuers(&issuer).start();
        let text = sidecar.client().post_form("/token", LOGIN).text();
        let resigned = tokens::id_token_of(&text);
        assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()), "{rule}");
        assert!(tokens::payload_of(&resigned).contains(found), "{rule}");
        assert_eq!(findings(&sidecar, rule), 1, "{rule}");
        assert_eq!(kidstamp::token::restore(&resigned), Some(original), "{rule}");
    }
}

#[test]
fn an_odd_typ() {
    for typ in ["ID+JWT", "http://openid.net/specs/jwt/1.0"] {
        let upstream = provider();
        let header = format!("{{\"alg\":\"RS256\",\"typ\":\"{typ}\",\"kid\":\"k1\"}}");
        let original = Key::idp().sign(&header, &tokens::claims());
        let (sidecar, resigned) = log_in(&upstream, "", &original);
        assert_eq!(tokens::verify(&resigned, &sidecar.jwks()), Ok(()), "{typ}");
        assert_eq!(tokens::header_of(&resigned)["typ"], "JWT");
        assert_eq!(findings(&sidecar, "claims/typ-odd"), 1);
        assert_eq!(kidstamp::token::restore(&resigned), Some(original));
    }
}

/// No repair makes a token good that its signature, its lifetime or its audience makes bad.
#[test]
fn what_is_refused_stays_refused() {
    let (soon, past) = (now() + 600, now() - 600);
    let expired = |exp: &str| format!(r#"{{"iss":"https://idp.test","aud":"rp","exp":{exp}}}"#);
    let flawed = expired(&format!("\"{soon}\""));
    for (key, claims, reason) in [
        (Key::idp(), expired(&format!("\"{past}\"")), "expired"),
        (Key::idp(), expired(&format!("{past}000")), "expired"),
        (Key::idp(), expired("\"2001-01-01T00:00:00Z\""), "expired"),
        (Key::idp(), expired("\"2999-01-01T00:00:00\""), "claims"),
        (Key::idp(), expired("\"never\""), "claims"),
        (Key::idp(), flawed.replace("idp.test", "evil.test"), "issuer"),
        (Key::stranger(), flawed, "signature"),
    ] {
        let upstream = provider();
        let original = key.sign(GOOD_HEADER, &claims);
        let (sidecar, passed) = log_in(&upstream, "", &original);
        assert_eq!(passed, original, "{claims}");
        assert_eq!(sidecar.passed(reason), 1, "{claims}");
    }
}

/// The answer to a login, with the head and body that the provider sends.
fn answer(settings: &str, head: &str, body: &str) -> (Sidecar, Response) {
    let upstream = provider();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    upstream.on("/token", Answer::raw(head).then(body));
    let sidecar = Sidecar::before(&upstream).with(settings).start();
    let response = sidecar.client().post_form("/token", LOGIN);
    (sidecar, response)
}

#[test]
fn bodies_of_token_responses() {
    const HEAD: &str =
        "200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nETag: \"x\"";
    for (rule, flaw, repaired) in [
        (
            "token-response/byte-order-mark",
            "\u{feff}{\"access_token\":\"a\",\"token_type\":\"bearer\"}",
            "{\"access_token\":\"a\",\"token_type\":\"bearer\"}",
        ),
        (
            "token-response/token-type-missing",
            "{\"access_token\":\"a\", \"token_type\":null}",
            "{\"access_token\":\"a\", \"token_type\":\"Bearer\"}",
        ),
        (
            "token-response/expires-in-string",
            "{\"access_token\":\"a\", \"token_type\":\"b\",\"expires_in\":\"60\"}",
            "{\"access_token\":\"a\", \"token_type\":\"b\",\"expires_in\":60}",
        ),
        (
            "token-response/scope-array",
            "{\"access_token\":\"a\", \"token_type\":\"b\",\"scope\":[\"a\",\"b\"]}",
            "{\"access_token\":\"a\", \"token_type\":\"b\",\"scope\":\"a b\"}",
        ),
        (
            "token-response/null-member",
            "{\"access_token\":\"a\", \"token_type\":\"b\", \"id_token\" : null }",
            "{\"access_token\":\"a\", \"token_type\":\"b\" }",
        ),
    ] {
        let (sidecar, response) = answer("", HEAD, flaw);
        assert_eq!(response.text(), repaired, "{rule}");
        assert_eq!(response.header("etag"), None, "{rule}: that of another body");
        assert_eq!(findings(&sidecar, rule), 1, "{rule}");
        for (setting, count) in [("warn", 1), ("off", 0)] {
            let (sidecar, response) =
                answer(&format!("rules.\"{rule}\" = \"{setting}\""), HEAD, flaw);
            if rule != "token-response/byte-order-mark" {
                assert_eq!(findings(&sidecar, rule), count, "{rule}");
            }
            assert_eq!(response.body, flaw.as_bytes(), "{rule} is {setting}");
            assert_eq!(response.header("etag"), Some("\"x\""), "{rule} is {setting}");
        }
        // The same in an error response, which is none of the rules' business.
        let (_, response) = answer("", &HEAD.replace("200 OK", "400 Bad Request"), flaw);
        assert_eq!(response.body, flaw.as_bytes(), "{rule}");
    }
}

#[test]
fn heads_of_token_responses() {
    let body = "{\"access_token\":\"a\",\"token_type\":\"bearer\"}";
    for (rule, head, status, content_type) in [
        (
            "token-response/status-created",
            "201 Created\r\nCache-Control: no-store\r\nContent-Type: application/json",
            200,
            "application/json",
        ),
        (
            "token-response/content-type",
            "200 OK\r\nCache-Control: no-store\r\nContent-Type: text/html; charset=utf-8",
            200,
            "application/json",
        ),
        (
            "token-response/content-type",
            "200 OK\r\nCache-Control: no-store\r\nContent-Type: text/plain",
            200,
            "application/json",
        ),
        (
            "token-response/content-type",
            "200 OK\r\nCache-Control: no-store",
            200,
            "application/json",
        ),
        (
            "token-response/cacheable",
            "200 OK\r\nContent-Type: application/json;charset=x\r\nCache-Control: private\r\nCache-Control: max-age=1",
            200,
            "application/json;charset=x",
        ),
    ] {
        let (sidecar, response) = answer("", head, body);
        assert_eq!((response.status, response.text().as_str()), (status, body), "{rule}");
        assert_eq!(response.header("content-type"), Some(content_type), "{rule}");
        assert_eq!(response.head.all("cache-control"), ["no-store"], "{rule}");
        assert_eq!(findings(&sidecar, rule), 1, "{rule}");
        let (sidecar, response) = answer(&format!("rules.\"{rule}\" = \"off\""), head, body);
        assert_eq!(findings(&sidecar, rule), 0, "{rule}");
        let sent = response.head.all("cache-control").join(", ");
        assert!(head.contains(&response.status.to_string()), "{rule} is off");
        assert_eq!(sent == "no-store", rule != "token-response/cacheable", "{rule} is off");
    }
}

/// What stands together is repaired together, tokens and all.
#[test]
fn flaws_that_stand_together() {
    let upstream = Upstream::start();
    let claims = format!(
        r#"{{"iss":"https://idp.test","aud":["rp"],"exp":"{}","at_hash":null}}"#,
        now() + 600
    );
    let original = Key::idp().sign(r#"{"alg":"RS256","typ":"ID+JWT"}"#, &claims);
    let body = format!(
        "\u{feff}{{\"access_token\":\"a\",\"scope\":[\"openid\"],\"expires_in\":\"60\",\"id_token\":\"{original}\"}}"
    );
    upstream.on("/token", Answer::ok("text/html", &body));
    let sidecar = Sidecar::before(&upstream).start();
    let response = sidecar.client().post_form("/token", LOGIN);
    let text: Json = serde_json::from_str(&response.text()).unwrap();
    assert_eq!((&text["token_type"], &text["scope"]), (&"Bearer".into(), &"openid".into()));
    assert_eq!(
        (&text["expires_in"], response.header("cache-control")),
        (&60.into(), Some("no-store"))
    );
    let resigned = text["id_token"].as_str().unwrap();
    assert_eq!(tokens::verify(resigned, &sidecar.jwks()), Ok(()));
    assert_eq!(kidstamp::token::restore(resigned), Some(original));
    assert_eq!(sidecar.resigned("kid_missing"), 1);
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const ENDPOINTS: &str = r#""authorization_endpoint":"https://idp.test/authorize","token_endpoint":"https://idp.test/token""#;
const LISTS: &str = r#""response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]"#;

#[test]
fn discovery_documents() {
    let keys = "\"jwks_uri\":\"https://idp.test/jwks.json\"";
    let document = |rest: &str| format!("{{\"issuer\":\"https://idp.test\",{rest}}}");
    let good = document(&format!("{keys},{ENDPOINTS},{LISTS}"));
    let without = |list: &str| {
        let lists: Vec<String> =
            LISTS.split(",\"").map(|part| format!("\"{}", part.trim_start_matches('"'))).collect();
        lists.into_iter().filter(|part| !part.contains(list)).collect::<Vec<_>>().join(",")
    };
    for (rule, flaw) in [
        ("discovery/byte-order-mark", format!("\u{feff}{good}")),
        (
            "discovery/inside-url",
            good.replace("https://idp.test/jwks.json", "http://UPSTREAM/jwks.json"),
        ),
        (
            "discovery/inside-url",
            good.replace("https://idp.test/jwks.json", "http://idp.test/jwks.json"),
        ),
        ("discovery/inside-url", good.replace("https://idp.test/token", "http://UPSTREAM/token")),
        ("discovery/algorithm-alias", good.replace("RS256", "SHA256withRSA")),
        (
            "discovery/id-token-algorithms-missing",
            document(&format!("{keys},{ENDPOINTS},{}", without("alg"))),
        ),
        (
            "discovery/response-types-missing",
            document(&format!("{keys},{ENDPOINTS},{}", without("response"))),
        ),
        (
            "discovery/subject-types-missing",
            document(&format!("{keys},{ENDPOINTS},{}", without("subject"))),
        ),
    ] {
        let upstream = Upstream::start();
        let flaw = flaw.replace("UPSTREAM", &upstream.address().to_string());
        upstream.on(DISCOVERY, Answer::json(&flaw));
        let sidecar = Sidecar::before(&upstream).start();
        sidecar.await_ready();
        let response = sidecar.client().get(DISCOVERY);
        let served: Json = serde_json::from_str(&response.text()).unwrap();
        assert_eq!(served, serde_json::from_str::<Json>(&good).unwrap(), "{rule}");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{rule}");
        assert!(response.header("etag").is_some(), "{rule}");
        let metric = format!("kidstamp_findings{{layer=\"discovery\",rule=\"{rule}\"}}");
        assert_eq!(sidecar.metric(&metric), 1, "{rule}");
        assert_eq!(sidecar.client().get("/jwks.json").status, 200, "{rule}");
    }
}

/// What needs no repair comes from the provider, head and all; the same where the rule only warns.
#[test]
fn threat_42_a_discovery_document_in_order_is_the_providers_own() {
    let good = format!(
        "{{ \"issuer\":\"https://idp.test\",\"jwks_uri\":\"https://idp.test/jwks.json\",{ENDPOINTS},{LISTS} }}"
    );
    let flaw = good.replace("[\"public\"]", "[]");
    for (text, settings) in
        [(good, ""), (flaw, "rules.\"discovery/subject-types-missing\" = \"warn\"")]
    {
        let upstream = Upstream::start();
        let head = format!(
            "HTTP/1.1 200 OK\r\nX-Own: y\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        upstream.on(DISCOVERY, Answer::raw(head).then(&text));
        let sidecar = Sidecar::before(&upstream).with(settings).start();
        sidecar.await_ready();
        let response = sidecar.client().get(DISCOVERY);
        assert_eq!((response.text(), response.header("x-own")), (text, Some("y")));
    }
}

#[test]
fn a_jwks_uri_that_the_configuration_knows() {
    let upstream = Upstream::start();
    let text = format!("{{\"issuer\":\"https://idp.test\",{ENDPOINTS},{LISTS}}}");
    upstream.on(DISCOVERY, Answer::json(&text));
    let issuer = "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\njwks_uri = \"https://idp.test/jwks.json\"\n";
    let sidecar = Sidecar::before(&upstream).with_issuers(issuer).start();
    sidecar.await_ready();
    let served = sidecar.client().get(DISCOVERY).text();
    assert_eq!(served, text.replacen('{', "{\"jwks_uri\":\"https://idp.test/jwks.json\",", 1));
}
