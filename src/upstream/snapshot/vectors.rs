//! Public vectors against the keys that a snapshot would trust: Wycheproof and the JOSE cookbook (RFC 7520).
//!
//! The folder is named by `KIDSTAMP_VECTORS`; without it these tests say that they are skipped.

use super::read_key;
use crate::jose::{CompactJws, VerificationKey};
use crate::json::{Document, Limits};
use crate::rules::jwks::{self, Options};
use serde_json::Value as Json;
use std::path::PathBuf;

/// A vector file, or the line that says why there is none.
fn vectors(test: &str, file: &str) -> Option<Json> {
    let Some(folder) = std::env::var_os("KIDSTAMP_VECTORS") else {
        println!("skipped: {test}: KIDSTAMP_VECTORS names no folder of public vectors");
        return None;
    };
    let path = PathBuf::from(folder).join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).expect("the vectors are JSON"))
}

/// True if a key of the set, as it would be published, verifies the token.
fn set_verifies(set: &str, token: &str) -> bool {
    let Ok(repaired) = jwks::repair(set, &Options::default()) else { return false };
    let document = Document::parse(&repaired.text, Limits::DOCUMENT).expect("repaired is strict");
    let Ok(jws) = CompactJws::parse(token) else { return false };
    if jws.header().extension.is_some() {
        return false;
    }
    let keys = document.root().get("keys").expect("a set has keys");
    keys.elements().map(read_key).filter(|key| key.signs).any(|key| {
        let alg_fits = key.alg.is_none_or(|alg| jws.header().alg == Some(alg));
        let verification = key.public.and_then(|public| VerificationKey::new(public).ok());
        alg_fits && verification.is_some_and(|verification| verification.verifies(&jws))
    })
}

fn cases(file: &Json) -> impl Iterator<Item = (&Json, &Json)> {
    let groups = file["testGroups"].as_array().expect("groups");
    groups.iter().flat_map(|group| {
        group["tests"].as_array().expect("tests").iter().map(move |case| (group, case))
    })
}

/// Exactly the valid ones of supported algorithms are accepted.
#[test]
fn wycheproof_signatures() {
    let Some(file) = vectors("wycheproof_signatures", "wycheproof/json_web_signature_test.json")
    else {
        return;
    };
    let (mut accepted, mut refused) = (0, 0);
    for (group, case) in cases(&file) {
        // A MAC is never verified with a key of a set: those groups have no public key.
        let Some(jwk) = group.get("public") else {
            refused += 1;
            continue;
        };
        let Some(token) = case["jws"].as_str() else { continue };
        // "ES521" is no registered name: the algorithm on P-521 is ES512 (RFC 7518 §3.1).
        // And two cases want a PS384 signature accepted under a key whose `alg` is PS256: here the key decides
        // (RFC 8725 §3.1).
        let number = case["tcId"].as_u64();
        let stricter = jwk["alg"] == "ES521" || matches!(number, Some(346 | 350));
        let valid = case["result"] == "valid" && !stricter;
        let verifies = set_verifies(&format!("{{\"keys\":[{jwk}]}}"), token);
        assert_eq!(verifies, valid, "case {}: {}", case["tcId"], case["comment"]);
        *(if verifies { &mut accepted } else { &mut refused }) += 1;
    }
    println!("wycheproof signatures: {accepted} accepted, {refused} refused");
    assert!(accepted >= 30 && refused >= 300, "the file was read");
}

#[test]
fn wycheproof_key_sets() {
    let Some(file) = vectors("wycheproof_key_sets", "wycheproof/json_web_key_test.json") else {
        return;
    };
    let mut seen = 0;
    for (group, case) in cases(&file) {
        let Some(set) = group.get("public") else { continue };
        let Some(token) = case["jws"].as_str() else { continue };
        // The key of this case is a legal one; that its primes can be guessed (ROCA) is not looked for.
        if case["comment"] == "rejectsKeyWithRocaVulnerability" {
            continue;
        }
        seen += 1;
        let verifies = set_verifies(&set.to_string(), token);
        assert_eq!(
            verifies,
            case["result"] == "valid",
            "case {}: {}",
            case["tcId"],
            case["comment"]
        );
    }
    assert!(seen >= 8, "the file was read");
}

/// RFC 7520 §4.1 to §4.3 and RFC 8037 A.4.
#[test]
fn cookbook_signatures() {
    for file in [
        "jws/4_1.rsa_v15_signature.json",
        "jws/4_2.rsa-pss_signature.json",
        "jws/4_3.ecdsa_signature.json",
        "curve25519/jws.json",
    ] {
        let Some(example) = vectors("cookbook_signatures", &format!("cookbook/{file}")) else {
            return;
        };
        let mut key = example["input"]["key"].clone();
        for private in crate::jose::PRIVATE_MEMBERS {
            key.as_object_mut().expect("a key").remove(private);
        }
        let token = example["output"]["compact"].as_str().expect("a compact JWS");
        assert!(set_verifies(&format!("{{\"keys\":[{key}]}}"), token), "{file}");
        let forged = token.replacen("eyJ", "eyK", 1);
        assert!(!set_verifies(&format!("{{\"keys\":[{key}]}}"), &forged), "{file}");
    }
}
