//! Relying parties that want opposite things: settings for one client, and views of the key set.

use crate::tokens::{self, now};
use crate::{Answer, Key, Sidecar, Upstream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use std::os::unix::fs::PermissionsExt as _;

const ISSUERS: &str = "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\n";

fn id_token(aud: &str, more: &str) -> String {
    let exp = now() + 600;
    let claims = format!(
        "{{\"iss\":\"https://idp.test\",\"sub\":\"7\",\"aud\":{aud},\"exp\":{exp},\"iat\":{}{more}}}",
        now()
    );
    Key::idp().sign(r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#, &claims)
}

/// A provider whose tokens every relying party takes but those that `clients` are for.
fn provider() -> Upstream {
    let upstream = Upstream::start();
    upstream.publish(&[Key::idp().jwk(",\"kid\":\"k1\"")]);
    upstream
}

fn log_in(sidecar: &Sidecar, form: &str) -> String {
    sidecar.client().post_form("/token", form).text()
}

#[test]
fn the_rules_of_a_client_are_for_its_tokens_alone() {
    let upstream = provider();
    let clients = format!(
        "{ISSUERS}[[client]]\nid = \"wants-string\"\n[client.rules]\n\"claims/audience-array\" = \"repair\"\n\
         [[client]]\nid = \"wants-array\"\n[client.rules]\n\"claims/audience-string\" = \"repair\"\n"
    );
    let sidecar = Sidecar::before(&upstream).with_issuers(&clients).start();
    for (aud, more, audience) in [
        (r#"["wants-string"]"#, "", Some(r#""aud":"wants-string""#)),
        (r#""wants-array""#, "", Some(r#""aud":["wants-array"]"#)),
        (r#""wants-string""#, "", None),
        (r#"["wants-array"]"#, "", None),
        (r#"["other"]"#, "", None),
        (r#""other""#, "", None),
        (r#"["wants-string"]"#, r#","azp":"other""#, None),
        (r#"["other"]"#, r#","azp":"wants-string""#, Some(r#""aud":"other""#)),
    ] {
        let original = id_token(aud, more);
        upstream.issue(&original);
        let new = tokens::id_token_of(&log_in(&sidecar, "code=1"));
        match audience {
            Some(audience) => {
                assert!(tokens::payload_of(&new).contains(audience), "{aud}{more}");
                assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()), "{aud}{more}");
                assert_eq!(kidstamp::token::restore(&new), Some(original));
            }
            None => assert_eq!(new, original, "{aud}{more}"),
        }
    }
}

#[test]
fn the_modes_of_a_client_are_for_its_tokens_alone() {
    let upstream = provider();
    let clients = format!(
        "{ISSUERS}[[client]]\nid = \"strict\"\n[client.tokens]\nid_token = \"resign\"\ncarrier = false\n"
    );
    let sidecar = Sidecar::before(&upstream).with_issuers(&clients).start();
    for (aud, is_resigned) in [("\"strict\"", true), ("\"other\"", false)] {
        let original = id_token(aud, "");
        upstream.issue(&original);
        let new = tokens::id_token_of(&log_in(&sidecar, "code=1"));
        assert_eq!(new != original, is_resigned, "{aud}");
        assert_eq!(kidstamp::token::restore(&new), None, "{aud}: its carrier is off");
    }
    assert_eq!(sidecar.resigned("mode"), 1);
}

/// A profile never turns a refused forgery into an accepted token, whoever asks.
#[test]
fn a_profile_vouches_for_nothing_that_does_not_verify() {
    let upstream = provider();
    let clients = format!(
        "{ISSUERS}audiences = [\"crm\"]\n[[client]]\nid = \"crm\"\n[client.tokens]\nid_token = \"resign\"\n\
         [[client]]\nid = \"elsewhere\"\n[client.tokens]\nid_token = \"resign\"\n"
    );
    let sidecar = Sidecar::before(&upstream).with_issuers(&clients).start();
    let exp = now() - 3600;
    let expired = format!("{{\"iss\":\"https://idp.test\",\"aud\":\"crm\",\"exp\":{exp}}}");
    for forged in [
        Key::stranger().sign(
            tokens::PLAIN,
            &format!("{{\"iss\":\"https://idp.test\",\"aud\":\"crm\",\"exp\":{}}}", now() + 60),
        ),
        Key::idp().sign(tokens::PLAIN, &expired),
        // Whose tokens are re-signed is the issuer's setting, whatever a client wants.
        id_token("\"elsewhere\"", ""),
    ] {
        upstream.issue(&forged);
        assert_eq!(tokens::id_token_of(&log_in(&sidecar, "client_id=crm")), forged);
    }
}

#[test]
fn a_token_response_is_repaired_as_the_client_that_asks_wants_it() {
    let upstream = provider();
    upstream.on("/token", Answer::json(r#"{"access_token":"opaque","expires_in":"60"}"#));
    let clients = format!(
        "{ISSUERS}[[client]]\nid = \"lenient\"\n[client.rules]\n\"token-response/token-type-missing\" = \"off\"\n"
    );
    let sidecar = Sidecar::before(&upstream).with_issuers(&clients).start();
    let repaired = r#"{"token_type":"Bearer","access_token":"opaque","expires_in":60}"#;
    let left = r#"{"access_token":"opaque","expires_in":60}"#;
    assert_eq!(log_in(&sidecar, "code=1&client_id=other"), repaired);
    assert_eq!(log_in(&sidecar, "code=1&client_id=lenient"), left);
    let ask = |header: &str| {
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: idp.test\r\n{header}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 6\r\n\r\ncode=1"
        );
        sidecar.client().send(request).response().text()
    };
    assert_eq!(ask(&format!("Authorization: Basic {}", STANDARD.encode("lenient:s"))), left);
    assert_eq!(ask(&format!("Authorization: Basic {}", STANDARD.encode("other:s"))), repaired);
    // RFC 9449 §5: the token may be bound to a key, so that nobody may take it for a bearer token.
    assert_eq!(ask("DPoP: e30.e30.e30"), left);
    // Without a name in the request, the ID token says whose response it is.
    let issued = tokens::token_response(&id_token("\"lenient\"", ""));
    let issued = issued.replace("\"token_type\":\"Bearer\",", "");
    upstream.on("/token", Answer::json(&issued));
    assert!(!log_in(&sidecar, "code=1").contains("token_type"), "{issued}");
}

#[test]
fn views_show_what_they_are_set_to() {
    let upstream = provider();
    let view = |path: &str, publish: &str| {
        format!("[[jwks.view]]\npath = \"{path}\"\npublish = \"{publish}\"\n")
    };
    let more = view("/views/bridge", "bridge") + &view("/views/upstream", "upstream");
    let typed =
        "[[jwks.view]]\npath = \"/views/typed\"\ncontent_type = \"application/jwk-set+json\"\n";
    let sidecar =
        Sidecar::before(&upstream).with_issuers(&format!("{ISSUERS}{more}{typed}")).start();
    let (idp, bridge) = ("k1".to_owned(), Key::bridge().thumbprint());
    let both = vec![idp.clone(), bridge.clone()];
    for (path, kids, media_type) in [
        ("/jwks.json", &both, "application/json"),
        ("/views/bridge", &vec![bridge], "application/json"),
        ("/views/upstream", &vec![idp], "application/json"),
        ("/VIEWS//upstream/", &vec!["k1".to_owned()], "application/json"),
        ("/views/typed", &both, "application/jwk-set+json"),
    ] {
        let response = sidecar.client().get(path);
        assert_eq!(response.header("content-type"), Some(media_type), "{path}");
        let set: Json = serde_json::from_str(&response.text()).unwrap();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(
            &keys.iter().map(|key| key["kid"].as_str().unwrap()).collect::<Vec<_>>(),
            kids,
            "{path}"
        );
        let etag = response.header("etag").unwrap();
        let again =
            format!("GET {path} HTTP/1.1\r\nHost: idp.test\r\nIf-None-Match: {etag}\r\n\r\n");
        assert_eq!(sidecar.client().send(again).response().status, 304, "{path}");
    }
    assert_eq!(upstream.requests().len(), 0, "served from memory");
}

#[test]
fn where_only_the_bridge_is_published_every_token_is_re_signed() {
    let upstream = provider();
    let original = id_token("\"rp\"", "");
    upstream.issue(&original);
    let sidecar = Sidecar::before(&upstream).with("jwks.publish = \"bridge\"").start();
    let new = tokens::id_token_of(&log_in(&sidecar, "code=1"));
    assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()));
    assert_eq!(sidecar.resigned("key_not_published"), 1);
    assert_eq!(kidstamp::token::restore(&new), Some(original));
}

/// In same-key mode, the bridge's view shows the key under the name that re-signed tokens have.
#[test]
fn the_bridge_alone_in_same_key_mode() {
    let upstream = provider();
    upstream.issue(&Key::idp().sign(tokens::PLAIN, &tokens::claims()));
    let sidecar =
        Sidecar::before(&upstream).with("jwks.publish = \"bridge\"").with_key(Key::idp()).start();
    let new = tokens::id_token_of(&log_in(&sidecar, "code=1"));
    assert_eq!(tokens::header_of(&new)["kid"], "k1");
    assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()));
}

#[test]
fn a_secret_that_others_may_write_stops_the_start() {
    let upstream = provider();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hunter2-of-the-client\n").unwrap();
    let clients =
        format!("{ISSUERS}[[client]]\nid = \"crm\"\nsecret_file = \"{}\"\n", secret.display());
    for (mode, starts) in [(0o600, true), (0o602, false)] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        let (file, kept) = Sidecar::before(&upstream).with_issuers(&clients).write();
        let process =
            crate::Process::start(&["serve", "--config", file.to_str().unwrap()]).keeping(kept);
        let log = if starts {
            process.await_ready();
            process.log()
        } else {
            let (code, log) = process.ended();
            assert_ne!(code, Some(0), "{log}");
            assert!(log.contains("may be written by everyone (mode 602)"), "{log}");
            log
        };
        assert!(!log.contains("hunter2"), "{log}");
    }
}

/// Only of a token for that client, that verifies, with an address at that domain, of which the provider says nothing.
#[test]
fn an_address_is_verified_by_policy_for_one_client_alone() {
    let upstream = provider();
    let clients =
        format!("{ISSUERS}[[client]]\nid = \"crm\"\nverified_email_domains = [\"Example.com\"]\n");
    let sidecar = Sidecar::before(&upstream).with_issuers(&clients).start();
    let theirs = r#","email":"a@example.com""#;
    let original = id_token("\"crm\"", theirs);
    upstream.issue(&original);
    let new = tokens::id_token_of(&log_in(&sidecar, "code=1"));
    assert!(tokens::payload_of(&new).contains(r#""email_verified":true,"#), "{new}");
    assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()));
    assert_eq!(kidstamp::token::restore(&new), Some(original));
    let forged =
        format!("{{\"iss\":\"https://idp.test\",\"aud\":\"crm\",\"exp\":{}{theirs}}}", now() + 60);
    for kept in [
        id_token("\"other\"", theirs),
        id_token("\"crm\"", r#","email":"a@evil.test""#),
        id_token("\"crm\"", r#","email":"a@example.com","email_verified":false"#),
        Key::stranger().sign(r#"{"alg":"RS256","kid":"k1"}"#, &forged),
    ] {
        upstream.issue(&kept);
        assert_eq!(tokens::id_token_of(&log_in(&sidecar, "client_id=crm")), kept);
    }
}

/// The browser and the relying party come over connections of their own, to whichever worker takes them.
#[test]
fn every_worker_knows_the_logins_of_all() {
    let upstream = provider();
    let clients = format!("{ISSUERS}[[client]]\nid = \"crm\"\nrestore_nonce = true\n");
    let setup = Sidecar::before(&upstream).with("server.workers = 4").with_issuers(&clients);
    let sidecar = setup.start();
    upstream.issue(&id_token("\"crm\"", ""));
    for number in 0..12 {
        let to = format!("https://rp.test/cb?code=the-code-{number}&state=s{number}");
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        upstream.on("/authorize", Answer::raw(answer));
        let target = format!("/authorize?client_id=crm&state=s{number}&nonce=n{number}");
        assert_eq!(sidecar.client().get(&target).header("location"), Some(to.as_str()));
        let form = format!("client_id=crm&code=the-code-{number}");
        let new = tokens::id_token_of(&log_in(&sidecar, &form));
        assert!(tokens::payload_of(&new).contains(&format!("\"nonce\":\"n{number}\"")));
        assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()));
    }
    assert_eq!(
        sidecar.metric(
            "kidstamp_token_findings_total{layer=\"claims\",rule=\"claims/nonce-missing\"}"
        ),
        12
    );
}

/// A header is part of what was signed: it comes back to the byte, and one with `crit` is never touched.
#[test]
fn a_header_is_mended_for_one_client_and_comes_back_whole() {
    let upstream = provider();
    let clients = format!(
        "{ISSUERS}[[client]]\nid = \"crm\"\n[client.rules]\n\"claims/typ-missing\" = \"repair\"\n\
         \"claims/header-unknown\" = \"repair\"\n"
    );
    let sidecar = Sidecar::before(&upstream).with_issuers(&clients).start();
    let claims = |aud: &str| {
        let exp = now() + 600;
        format!("{{\"iss\":\"https://idp.test\",\"sub\":\"7\",\"aud\":\"{aud}\",\"exp\":{exp}}}")
    };
    let issue = |header: &str, aud: &str| {
        let token = Key::idp().sign(header, &claims(aud));
        upstream.issue(&token);
        (tokens::id_token_of(&log_in(&sidecar, "code=1")), token)
    };
    let cas = r#"{"client_id":"crm", "alg":"RS256","kid":"k1","org.apereo.cas":{"a":[1]}}"#;
    let (new, original) = issue(cas, "crm");
    let header = tokens::header_of(&new);
    let names: Vec<&String> = header.as_object().unwrap().keys().collect();
    assert_eq!(names, ["alg", "kid", "typ"]);
    assert_eq!(header["typ"], "JWT");
    assert_eq!(tokens::verify(&new, &sidecar.jwks()), Ok(()));
    assert_eq!(kidstamp::token::restore(&new), Some(original));
    let in_order = r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#;
    let critical = r#"{"alg":"RS256","kid":"k1","crit":["x"],"x":1}"#;
    for (header, aud) in [(cas, "other"), (in_order, "crm"), (critical, "crm")] {
        let (new, original) = issue(header, aud);
        assert_eq!(new, original, "{header}");
    }
}

/// Its own, from the very request; to nobody else, and never in the place of a new one.
#[test]
fn a_refresh_token_that_stays_good_is_said_again() {
    let upstream = provider();
    let clients = format!(
        "{ISSUERS}[[client]]\nid = \"keeps\"\n[client.rules]\n\"token-response/refresh-token-missing\" = \"repair\"\n"
    );
    let sidecar = Sidecar::before(&upstream).with_issuers(&clients).start();
    let plain = r#"{"access_token":"a","token_type":"Bearer"}"#;
    upstream.on("/token", Answer::json(plain));
    let refresh = "grant_type=refresh_token&refresh_token=r%2B1%22";
    let said_again = r#"{"refresh_token":"r+1\"","access_token":"a","token_type":"Bearer"}"#;
    assert_eq!(log_in(&sidecar, &format!("{refresh}&client_id=keeps")), said_again);
    for form in [
        format!("{refresh}&client_id=other"),
        format!("{refresh}&refresh_token=other&client_id=keeps"),
        "grant_type=authorization_code&refresh_token=r&client_id=keeps".to_owned(),
        "grant_type=refresh_token&client_id=keeps".to_owned(),
        "refresh_token=r&client_id=keeps".to_owned(),
    ] {
        assert_eq!(log_in(&sidecar, &form), plain, "{form}");
    }
    let new = r#"{"access_token":"a","token_type":"Bearer","refresh_token":"new"}"#;
    upstream.on("/token", Answer::json(new));
    assert_eq!(log_in(&sidecar, &format!("{refresh}&client_id=keeps")), new);
}
