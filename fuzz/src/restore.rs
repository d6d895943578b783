//! Restore: only an exact carrier is touched, and only its token; what comes out is the token it was made of.
//!
//! The bytes are read as a token, as each body that brings tokens, and as the two parts of an original token that is
//! then re-signed by hand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kidstamp::token::{
    restore, restore_authorization, restore_fields, restore_json, restore_multipart,
};
use serde_json::Value;

pub(super) fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        a_token(text);
    }
    bodies(data);
    round_trip(data);
}

/// What is restored had a carrier for others as well, and the original is made of its parts.
fn a_token(text: &str) {
    let Some(original) = restore(text) else { return };
    let payload = text.split('.').nth(1).expect("three segments");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let payload = String::from_utf8_lossy(&payload).into_owned();
    let start = payload.find("\"_kidstamp\":\"").expect("a carrier");
    assert!(payload[..start].trim_matches([' ', '\t', '\r', '\n']) == "{", "not the first member");
    let carrier = &payload[start + 13..];
    let carrier = &carrier[..carrier.find('"').expect("an end")];
    let parts: Vec<&str> = carrier.split('.').collect();
    assert!((2..=3).contains(&parts.len()), "{carrier}");
    let segments: Vec<&str> = original.split('.').collect();
    assert_eq!((segments.len(), segments[0], segments[2]), (3, parts[0], parts[1]));
    let inner = URL_SAFE_NO_PAD.decode(segments[1]).expect("base64url");
    if parts.len() == 2 {
        let rest = payload.split_once("\",").expect("a comma").1;
        assert!(String::from_utf8_lossy(&inner).ends_with(rest));
    }
}

/// Nothing without a carrier is changed, and nothing but a token's value ever is.
fn bodies(data: &[u8]) {
    let carries =
        contains(data, b"Jfa2lkc3RhbXAiO") || contains(data, b"%") || contains(data, b"\\u");
    let restored = [
        restore_fields(data),
        restore_json(data),
        restore_multipart(data, "b"),
        restore_authorization(data),
    ];
    for restored in restored.into_iter().flatten() {
        assert!(carries || contains(data, b".I") || contains(data, b".D") || contains(data, b".C"));
        assert_ne!(restored, data);
    }
    if let Some(restored) = restore_fields(data) {
        let names = |form: &[u8]| -> Vec<Vec<u8>> {
            let fields = form.split(|byte| *byte == b'&');
            fields
                .map(|field| field.split(|byte| *byte == b'=').next().unwrap_or_default().to_vec())
                .collect()
        };
        assert_eq!(names(&restored), names(data));
    }
    if let Some(restored) = restore_json(data) {
        let before: Value = serde_json::from_slice(data).expect("JSON before");
        let after: Value = serde_json::from_slice(&restored).expect("JSON after");
        let (before, after) =
            (before.as_object().expect("an object"), after.as_object().expect("an object"));
        assert!(before.keys().eq(after.keys()));
        for (name, value) in before {
            let original = value.as_str().and_then(restore).map(Value::from);
            let known = after[name] == *value || original.as_ref() == Some(&after[name]);
            assert!(known, "{name} became something else");
        }
    }
}

/// An original in the carrier of an outer token comes back to the letter.
fn round_trip(data: &[u8]) {
    let (header, claims) = super::halves(data);
    let (Ok(_), Ok(claims)) = (std::str::from_utf8(header), std::str::from_utf8(claims)) else {
        return;
    };
    let Some(rest) = claims.strip_prefix('{') else { return };
    if header.is_empty() {
        return;
    }
    let [header, payload, signature] = [header, claims.as_bytes(), &claims.as_bytes()[..1]]
        .map(|part| URL_SAFE_NO_PAD.encode(part));
    let original = format!("{header}.{payload}.{signature}");
    let outer = format!("{{\"_kidstamp\":\"{header}.{signature}\",{rest}");
    let outer = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(outer));
    if outer.len() < 60_000 {
        assert_eq!(restore(&outer), Some(original.clone()));
        let form = format!("a=%41&id_token_hint={outer}&&b");
        let expected = format!("a=%41&id_token_hint={original}&&b");
        assert_eq!(restore_fields(form.as_bytes()), Some(expected.into_bytes()));
    }
}

fn contains(data: &[u8], wanted: &[u8]) -> bool {
    data.windows(wanted.len()).any(|window| window == wanted)
}
