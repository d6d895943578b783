//! Discovery: made of the configuration where there is none, found where relying parties look for it, and of one name with
//! tokens and redirects.

use crate::tokens::{self, now};
use crate::{Answer, Key, Sidecar, Upstream};
use serde_json::{Value as Json, json};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const NOTHING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nnothing";
const CONFIGURED: &str = "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\n\
    jwks_uri = \"https://idp.test/jwks.json\"\ntoken_endpoint = \"http://UPSTREAM/token\"\n\
    authorization_endpoint = \"https://idp.test/authorize\"\n";

/// A document in which there is nothing to repair.
fn in_order(issuer: &str, jwks_uri: &str) -> String {
    let text = tokens::discovery_with(issuer, jwks_uri);
    text.replacen('{', "{\"subject_types_supported\":[\"public\"],", 1)
}

fn served(sidecar: &Sidecar, path: &str) -> Json {
    let response = sidecar.client().get(path);
    assert_eq!(response.status, 200, "{path}: {response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{path}");
    serde_json::from_str(&response.text()).unwrap()
}

fn finding(sidecar: &Sidecar, rule: &str) -> u64 {
    sidecar.metric(&format!("kidstamp_findings{{layer=\"discovery\",rule=\"{rule}\"}}"))
}

#[test]
fn a_document_is_made_where_the_provider_has_none() {
    let upstream = Upstream::start();
    upstream.on(DISCOVERY, Answer::raw(NOTHING));
    upstream.on("/.well-known/oauth-authorization-server", Answer::raw(NOTHING));
    let more = "[issuer.discovery]\ncode_challenge_methods_supported = [\"S256\"]\nclaims_parameter_supported = false\n";
    let issuers =
        format!("{CONFIGURED}{more}").replace("UPSTREAM", &upstream.address().to_string());
    let sidecar = Sidecar::before(&upstream).with_issuers(&issuers).start();
    let made = json!({
        "issuer": "https://idp.test",
        "authorization_endpoint": "https://idp.test/authorize",
        "token_endpoint": "https://idp.test/token",
        "jwks_uri": "https://idp.test/jwks.json",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "claims_parameter_supported": false,
    });
    assert_eq!(served(&sidecar, DISCOVERY), made);
    assert_eq!(served(&sidecar, "/.well-known/oauth-authorization-server"), made);
    assert_eq!(finding(&sidecar, "discovery/missing"), 1);
    let token = tokens::id_token_of(&sidecar.client().post_form("/token", "code=1").text());
    assert_eq!(tokens::verify(&token, &sidecar.jwks()), Ok(()));

    // The controls: switched off, or with too little known, nothing is made.
    for (settings, issuers) in [
        ("rules.\"discovery/missing\" = \"off\"", issuers.clone()),
        ("", issuers.replace("authorization_endpoint = \"https://idp.test/authorize\"", "")),
    ] {
        let sidecar = Sidecar::before(&upstream).with(settings).with_issuers(&issuers).start();
        assert_eq!(sidecar.client().get(DISCOVERY).text(), "nothing");
    }
}

#[test]
fn it_is_found_where_relying_parties_look_for_it() {
    let upstream = Upstream::start();
    let issuer = "https://idp.test/realms/a";
    let text = in_order(issuer, "https://idp.test/jwks.json");
    upstream.on("/realms/a/.well-known/openid-configuration", Answer::json(&text));
    let own = "/.well-known/openid-configuration/realms/a";
    upstream.on(own, Answer::json("{\"own\":true}"));
    let others = [
        "/.well-known/oauth-authorization-server/realms/a",
        "/realms/a/.well-known/oauth-authorization-server",
    ];
    for path in others {
        upstream.on(path, Answer::raw(NOTHING));
    }
    let issuers = format!("[[issuer]]\nissuer = \"{issuer}\"\nkeys = \"KEYS\"\n");
    let sidecar = Sidecar::before(&upstream).with_issuers(&issuers).start();
    let document: Json = serde_json::from_str(&text).unwrap();
    for path in others {
        assert_eq!(served(&sidecar, path), document);
    }
    assert_eq!(served(&sidecar, own), json!({"own": true}), "what the provider has there stays");
}

#[test]
fn it_is_fetched_from_where_the_configuration_says_it_stands() {
    let upstream = Upstream::start();
    let text = in_order("https://idp.test", "https://idp.test/jwks.json");
    upstream.on(DISCOVERY, Answer::raw(NOTHING));
    upstream.on("/policies/discovery.json", Answer::json(&text));
    let issuers = "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\n\
        discovery_uri = \"https://idp.test/policies/discovery.json?p=b2c\"\n";
    let sidecar = Sidecar::before(&upstream).with_issuers(issuers).start();
    assert_eq!(sidecar.client().get(DISCOVERY).text(), text);
    let fetched = upstream.fetches_of("/policies/discovery.json");
    assert_eq!(fetched[0].target(), "/policies/discovery.json?p=b2c");
}

/// Discovery, `iss` in tokens and the `iss` parameter say the same.
#[test]
fn threat_19_an_issuer_has_one_name() {
    let upstream = Upstream::start();
    let alias = "https://idp.test/";
    upstream.on(DISCOVERY, Answer::json(in_order(alias, "https://idp.test/jwks.json")));
    let exp = now() + 600;
    let claims = format!(
        "{{\"iss\":\"{alias}\",\"sub\":\"7\",\"aud\":\"rp\",\"exp\":{exp},\"iat\":{}}}",
        now()
    );
    upstream.issue(&Key::idp().sign(tokens::PLAIN, &claims));
    let redirect = "HTTP/1.1 302 Found\r\nLocation: https://rp.test/cb?code=a&iss=https%3A%2F%2Fidp.test%2F\r\n\
        Content-Length: 0\r\n\r\n";
    upstream.on("/authorize", Answer::raw(redirect));
    let issuers = format!(
        "[[issuer]]\nissuer = \"https://idp.test\"\naliases = [\"{alias}\"]\nkeys = \"KEYS\"\n"
    );
    let sidecar = Sidecar::before(&upstream).with_issuers(&issuers).start();
    assert_eq!(served(&sidecar, DISCOVERY)["issuer"], "https://idp.test");
    assert_eq!(finding(&sidecar, "discovery/issuer-alias"), 1);
    let token = tokens::id_token_of(&sidecar.client().post_form("/token", "code=1").text());
    assert!(tokens::payload_of(&token).contains("\"iss\":\"https://idp.test\","), "{token}");
    assert_eq!(tokens::verify(&token, &sidecar.jwks()), Ok(()));
    let location =
        sidecar.client().get("/authorize?client_id=rp").header("location").map(str::to_owned);
    assert_eq!(location.as_deref(), Some("https://rp.test/cb?code=a&iss=https%3A%2F%2Fidp%2Etest"));
    let page = |iss: &str| {
        format!(
            "<form><input type=hidden name=code value=a><input type=hidden name=iss value='{iss}'></form>"
        )
    };
    upstream.on("/authorize", Answer::ok("text/html", page(alias)));
    let given = sidecar.client().get("/authorize?client_id=rp&response_mode=form_post");
    assert_eq!(given.text(), page("https://idp.test"));
    upstream.on("/authorize", Answer::ok("text/html", page("https://other.test/")));
    assert_eq!(sidecar.client().get("/authorize").text(), page("https://other.test/"));
}

#[test]
fn algorithms_that_keys_name_are_declared() {
    let upstream = Upstream::start();
    upstream.publish(&[Key::idp().jwk("").replace("RS256", "RS512")]);
    let sidecar = Sidecar::before(&upstream).start();
    let document = served(&sidecar, DISCOVERY);
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "RS512"]));
    assert_eq!(finding(&sidecar, "discovery/algorithms-undeclared"), 1);
}

#[test]
fn a_wrong_media_type_is_put_right() {
    for odd in ["text/html", "application/octet-stream"] {
        let upstream = Upstream::start();
        upstream.on(
            DISCOVERY,
            Answer::ok(odd, in_order("https://idp.test", "https://idp.test/jwks.json")),
        );
        let sidecar = Sidecar::before(&upstream).start();
        served(&sidecar, DISCOVERY);
        assert_eq!(finding(&sidecar, "discovery/content-type"), 1, "{odd}");
        let off =
            Sidecar::before(&upstream).with("rules.\"discovery/content-type\" = \"off\"").start();
        assert_eq!(off.client().get(DISCOVERY).header("content-type"), Some(odd));
    }
}

/// Threat 17: a provider that writes the name into its document by which it is asked.
#[test]
fn threat_17_discovery_is_the_same_for_every_host() {
    let upstream = Upstream::start();
    let sidecar = Sidecar::before(&upstream).start();
    upstream
        .on(DISCOVERY, Answer::json(in_order("https://evil.test", "https://evil.test/jwks.json")));
    for host in ["evil.test", "localhost:8080", "idp.test:444"] {
        let request = format!("GET {DISCOVERY} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(
            sidecar.client().send(request).response().text(),
            in_order("https://idp.test", "https://idp.test/jwks.json"),
            "{host}"
        );
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn redirects_on_the_providers_own_origin_are_followed() {
    let upstream = Upstream::start();
    let to = |location: &str| {
        Answer::raw(format!(
            "HTTP/1.1 303 See Other\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    upstream.on(DISCOVERY, to("https://idp.test/moved/discovery"));
    upstream.on(
        "/moved/discovery",
        Answer::json(in_order("https://idp.test", "https://idp.test/jwks.json")),
    );
    upstream.on("/jwks.json", to("/moved/jwks"));
    upstream.on("/moved/jwks", Answer::json(format!("{{\"keys\":[{}]}}", Key::idp().jwk(""))));
    let sidecar = Sidecar::before(&upstream).start();
    assert!(sidecar.jwks().contains(&Key::idp().thumbprint()));
}

#[test]
fn threat_20_redirects_to_another_origin_are_not_followed() {
    let elsewhere = Upstream::start();
    let upstream = Upstream::start();
    let location = format!("http://{}/jwks.json", elsewhere.address());
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    upstream.on("/jwks.json", Answer::raw(answer));
    let sidecar = Sidecar::before(&upstream).start_blind();
    sidecar.client().get("/jwks.json").assert_refused(502, "no_key_set");
    assert_eq!(elsewhere.fetches_of("/jwks.json").len(), 0);
    assert_eq!(elsewhere.received(), "");
}
