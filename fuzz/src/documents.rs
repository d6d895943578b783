//! Key sets and discovery documents: repaired once is repaired for good, nothing private comes out, and what is
//! published is JSON in which each key has a `kid` of its own.

use kidstamp::rules::jwks::{self, Options};
use serde_json::Value;
use std::collections::HashSet;

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let options = Options::default();
    let Ok(set) = jwks::repair(text, &options) else { return };
    let again = match jwks::repair(&set.text, &options) {
        Ok(again) => again,
        Err(jwks::Unreadable::NothingLeft) => {
            assert!(!set.compromised.is_empty(), "an empty set is published");
            return;
        }
        Err(error) => panic!("the repaired set can't be read: {error}\n{}", set.text),
    };
    assert_eq!(again.text, set.text, "not idempotent");
    let value: Value = serde_json::from_str(&set.text).expect("JSON for others too");
    let keys = value["keys"].as_array().expect("a set for others too");
    let mut kids = HashSet::new();
    for key in keys {
        let kid = key["kid"].as_str().expect("a kid");
        assert!(!kid.is_empty());
        let kid = (kid, key["use"].as_str(), key.get("n").or(key.get("x")).map(Value::to_string));
        kids.insert(kid);
        let known = matches!(key["kty"].as_str(), Some("RSA" | "EC" | "OKP"));
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(!known || key.get(private).is_none(), "{private} is published");
        }
        assert_ne!(key["kty"], "oct");
    }
}
