//! Reading a compact JWS: what is taken for one is one for others as well, to the byte.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kidstamp::jose::CompactJws;
use serde_json::Value;

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(jws) = CompactJws::parse(text) else { return };
    let segments: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = segments[..] else { panic!("not three segments: {text}") };
    let decode = |segment: &str| URL_SAFE_NO_PAD.decode(segment).expect("base64url");
    assert_eq!(jws.header_json().as_bytes(), decode(header));
    assert_eq!(jws.payload(), decode(payload));
    assert_eq!(jws.signature(), decode(signature));
    assert_eq!(jws.signing_input(), format!("{header}.{payload}").as_bytes());
    let members: Value = serde_json::from_str(jws.header_json()).expect("a header is JSON");
    let members = members.as_object().expect("a header is an object");
    if let Some(alg) = jws.header().alg {
        assert_eq!(members.get("alg").and_then(Value::as_str), Some(alg.name()));
    }
    let kid = members.get("kid").and_then(Value::as_str).filter(|kid| !kid.is_empty());
    assert_eq!(jws.header().kid.text(), kid);
    for name in ["crit", "b64", "zip"] {
        assert!(!members.contains_key(name) || jws.header().extension.is_some(), "{name}");
    }
}
