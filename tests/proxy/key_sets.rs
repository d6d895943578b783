//! Key sets that no relying party could read, and what the configuration knows of a key: over real sockets.

use crate::{Answer, Key, Sidecar, Upstream};
use serde_json::Value;

/// The set as relying parties get it, of a provider that publishes `text`.
fn served(text: &str, issuers: &str) -> Value {
    let upstream = Upstream::start();
    upstream.on("/jwks.json", Answer::json(text));
    let setup = Sidecar::before(&upstream);
    let sidecar = if issuers.is_empty() { setup } else { setup.with_issuers(issuers) }.start();
    serde_json::from_str(&sidecar.jwks()).unwrap()
}

fn kids(set: &Value) -> Vec<&str> {
    set["keys"].as_array().unwrap().iter().filter_map(|key| key["kid"].as_str()).collect()
}

#[test]
fn a_document_of_another_shape_is_served_as_a_set() {
    let (good, bare) = (Key::idp().jwk(",\"kid\":\"good\""), Key::next().jwk(""));
    let bridge = Key::bridge().thumbprint();
    for (text, expected) in [
        (format!("\u{feff}{{\"keys\":[{good}]}}"), vec!["good".to_owned()]),
        (format!("[{good}, {bare}]"), vec!["good".to_owned(), Key::next().thumbprint()]),
        (bare.clone(), vec![Key::next().thumbprint()]),
        (format!("{{\"keys\":{{\"1\":{good}}}}}"), vec!["good".to_owned()]),
        (format!("\u{feff}{{\"keys\":{good}}}"), vec!["good".to_owned()]),
    ] {
        let set = served(&text, "");
        let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        expected.push(&bridge);
        assert_eq!(kids(&set), expected, "{text}");
    }
}

#[test]
fn what_a_token_taught_is_published() {
    let issuers = format!(
        "[[issuer]]\nkeys = \"KEYS\"\n\n[[issuer.key]]\nthumbprint = \"{}\"\nkid = \"1_RS256\"\nalg = \"RS256\"\n",
        Key::idp().thumbprint()
    );
    let key = Key::idp().jwk(",\"kid\":\"1\"").replace("\"alg\":\"RS256\",", "");
    let set = served(&format!("{{\"keys\":[{key}]}}"), &issuers);
    assert_eq!(kids(&set), ["1_RS256", &Key::bridge().thumbprint()]);
    assert_eq!(set["keys"][0]["alg"], "RS256");
}
