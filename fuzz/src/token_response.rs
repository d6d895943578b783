//! The token response: the tokens change, and for another reader of JSON nothing else does.

use kidstamp::rules::{Settings, token_response};
use kidstamp::token::{TokenKind, TokenResponse};
use serde_json::Value;

pub(super) fn run(data: &[u8]) {
    rules(data);
    let Ok(response) = TokenResponse::parse(data) else { return };
    let before: Value = serde_json::from_slice(data).expect("JSON for others too");
    let before = before.as_object().expect("an object for others too");
    let found = [response.access_token(), response.id_token()];
    let found: Vec<TokenKind> = found.iter().flatten().map(|token| token.kind()).collect();
    for token in response.id_token().iter().chain(&response.access_token()) {
        assert_eq!(before[token.kind().name()], token.text());
    }
    let new: Vec<(TokenKind, String)> =
        found.iter().map(|kind| (*kind, format!("NEW.{}.\u{e9}\"", kind.name()))).collect();
    let text = response.with(&new, Some("a \"kid\""));
    let after: Value = serde_json::from_str(&text).expect("JSON afterwards");
    let after = after.as_object().expect("an object afterwards");
    assert_eq!(after["id_token_kid"], "a \"kid\"");
    for (kind, token) in &new {
        assert_eq!(after[kind.name()], **token);
    }
    for (name, value) in before {
        let is_new = name == "id_token_kid" || new.iter().any(|(kind, _)| kind.name() == name);
        assert!(is_new || after[name] == *value, "{name} changed");
    }
    assert!(after.keys().all(|name| name == "id_token_kid" || before.contains_key(name)));
    if new.is_empty() {
        assert_eq!(response.with(&[], None).as_bytes(), data);
    }
}

/// What the rules repair stays repaired, and no token is touched by them.
fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let facts = token_response::Facts::default();
    let Ok(repaired) = token_response::repair(text, facts, &Settings::default()) else { return };
    let again = token_response::repair(&repaired.text, facts, &Settings::default())
        .expect("still readable");
    assert_eq!(again.text, repaired.text, "not idempotent");
    if !repaired.is_changed() {
        assert_eq!(repaired.text, text);
    }
}
