//! Every laundering vector through every response that a token can come in.

use super::*;
use crate::jose::{Alg, PublicKey, SigningKey, VerificationKey};
use crate::json::{self, Document, Limits};
use crate::rules::{Rule, Setting, Settings, claims};
use serde_json::Value as Json;
use std::sync::Arc;

const NOW: i64 = 1_790_000_000;

/// The new token, if there is to be one.
type Judge<'j> = &'j mut dyn FnMut(&UpstreamToken<'_>) -> Option<String>;

/// A response of the provider that brings tokens.
struct Carrier {
    name: &'static str,
    /// The kind that a token in it is taken for, if the vector does not say.
    kind: TokenKind,
    /// The response around a token.
    around: fn(&str) -> String,
    /// Finds the token and lets it be judged; the response as it goes out, if it was changed.
    treat: fn(&str, Judge<'_>) -> Option<String>,
}

const CARRIERS: [Carrier; 5] = [
    Carrier {
        name: "token response",
        kind: TokenKind::IdToken,
        around: |token| {
            format!(
                r#"{{ "access_token":"opaque", "id_token" : {}, "x":1.0 }}"#,
                json::quote(token)
            )
        },
        treat: |body, judge| {
            let response = TokenResponse::parse(body.as_bytes()).unwrap();
            let new = judge(&response.id_token().unwrap())?;
            Some(response.with(&[(TokenKind::IdToken, new)], None))
        },
    },
    Carrier {
        name: "access token of a token response",
        kind: TokenKind::AccessToken,
        around: |token| {
            format!(r#"{{"token_type":"Bearer","access_token":{}}}"#, json::quote(token))
        },
        treat: |body, judge| {
            let response = TokenResponse::parse(body.as_bytes()).unwrap();
            let new = judge(&response.access_token()?)?;
            Some(response.with(&[(TokenKind::AccessToken, new)], None))
        },
    },
    Carrier {
        name: "redirect",
        kind: TokenKind::IdToken,
        around: |token| {
            let token = percent_encoding::percent_encode(
                token.as_bytes(),
                percent_encoding::NON_ALPHANUMERIC,
            );
            format!("https://rp.test/cb?a=%41#state=s%20t&id_token={token}&b")
        },
        treat: |location, judge| {
            let response = AuthorizationResponse::from_location(location, "state=s").unwrap();
            let new = judge(response.tokens().next().unwrap())?;
            Some(String::from_utf8(response.with(&[(TokenKind::IdToken, new)])).unwrap())
        },
    },
    Carrier {
        name: "form_post",
        kind: TokenKind::IdToken,
        around: |token| {
            format!(
                "<html><form method=post action='https://rp.test/cb'>\n<input value=\"{token}\" \
                 type=hidden name='id_token'/><input type=hidden name=state value='&quot;'></form>"
            )
        },
        treat: |page, judge| {
            let response = AuthorizationResponse::from_page(page.as_bytes(), "state=s").unwrap();
            let new = judge(response.tokens().next().unwrap())?;
            Some(String::from_utf8(response.with(&[(TokenKind::IdToken, new)])).unwrap())
        },
    },
    Carrier {
        name: "userinfo JWT",
        kind: TokenKind::UserInfo,
        around: |token| format!("{token}\n"),
        treat: |body, judge| {
            let response = JwtResponse::parse(TokenKind::UserInfo, body.as_bytes()).unwrap();
            let new = judge(response.token())?;
            Some(response.with(&new))
        },
    },
];

fn public_key() -> PublicKey {
    let set: Json =
        serde_json::from_str(include_str!("../../tests/fixtures/jwt/launder-upstream-jwks.json"))
            .unwrap();
    let jwk = set["keys"][0].to_string();
    PublicKey::from_jwk(Document::parse(&jwk, Limits::TOKEN).unwrap().root()).unwrap()
}

/// The rules for claims, as the vector wants them.
fn claim_rules(settings: &Json) -> claims::Options {
    let off = claims::rules().map(|rule: &Rule| (rule.id.to_owned(), Setting::Off));
    let settings = if settings["claims"] == "off" { off.collect() } else { Settings::default() };
    claims::Options {
        issuer: "https://idp.test".to_owned(),
        settings,
        ..claims::Options::default()
    }
}

/// True if the vector is to be signed anew as a token of `kind`.
fn is_resigned(id: &str, want: &str, kind: TokenKind) -> bool {
    match (id, kind) {
        // The rules for claims repair ID tokens alone.
        ("exp-string", kind) => kind == TokenKind::IdToken,
        // Never an access token that is bound to a key; as a claim of another token it just stays.
        ("cnf-x5t" | "cnf-jkt" | "cnf-x5t-access", kind) => kind != TokenKind::AccessToken,
        // Old access tokens name no audience, and at+jwt is their type (RFC 9068 §2.1).
        ("no-aud" | "typ-at", TokenKind::AccessToken) => true,
        _ => want == "resign",
    }
}

#[test]
fn threat_01_laundering_through_every_carrier() {
    let keys = [Alg::Rs256, Alg::Rs512]
        .map(|alg| Arc::new(BridgeKey::new(SigningKey::generate(alg).unwrap())));
    let bridge = Bridge { keys: keys.to_vec(), carrier: true, max_token_bytes: 8192 };
    let public = public_key();
    for carrier in &CARRIERS {
        let mut seen = 0;
        for line in include_str!("../../tests/fixtures/jwt/launder.jsonl").lines() {
            let vector: Json = serde_json::from_str(line).unwrap();
            let (id, text) = (vector["id"].as_str().unwrap(), vector["token"].as_str().unwrap());
            let key = TrustedKey {
                key: VerificationKey::new(public.clone()).unwrap(),
                alg: None,
                kid: Some("published".to_owned()),
                settled: true,
            };
            let audiences = vector["settings"]["audiences"].as_array().into_iter().flatten();
            let trust = Trust {
                issuer: "https://idp.test".to_owned(),
                access_token_issuer: None,
                audiences: audiences.map(|aud| aud.as_str().unwrap().to_owned()).collect(),
                clock_skew: 60,
                keys: [key].into(),
                claims: claim_rules(&vector["settings"]),
            };
            let mut new_token = None;
            let before = (carrier.around)(text);
            let after = (carrier.treat)(&before, &mut |token| {
                assert_eq!((token.text(), token.kind()), (text, carrier.kind), "{id}");
                let decided = decide(&trust, &bridge, Mode::Auto, token, NOW);
                let Decision::Resign(unsigned, _) = decided.decision else { return None };
                new_token = Some(unsigned.sign().unwrap());
                new_token.clone()
            });
            let place = format!("{id} in a {}", carrier.name);
            let wanted = is_resigned(id, vector["want"].as_str().unwrap(), carrier.kind);
            assert_eq!(after.is_some(), wanted, "{place}");
            seen += 1;
            let Some(after) = after else { continue };
            let new = new_token.unwrap();
            assert_eq!(restore(&new).as_deref(), Some(text), "{place}");
            let written = match before.rsplit_once("&id_token=") {
                Some((_, written)) => written.strip_suffix("&b").unwrap(),
                None => text,
            };
            assert_eq!(after, before.replacen(written, &new, 1), "{place}");
        }
        assert_eq!(seen, 75, "{}", carrier.name);
    }
}
