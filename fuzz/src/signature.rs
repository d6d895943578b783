//! The promise that matters most: a signature comes out only over what another implementation verifies as well.
//!
//! An input is a letter that says what is done, a header and, after a line feed, a payload. The provider signs them
//! (or the bytes are a token as they stand, or are changed after the signature, or the signature is in DER), kidstamp decides, and what it would
//! sign is judged by the crate jsonwebtoken with cryptography of its own, and by serde_json.

use super::provider::{ISSUER, NOW, PROVIDER, SKEW};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kidstamp::json;
use kidstamp::token::{Decision, Mode, TokenResponse, decide, restore};
use p256::ecdsa::Signature;
use serde_json::Value;

pub(super) fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let Some(token) = token(*how, rest) else { return };
    for trust in &PROVIDER.trusts {
        let body = format!("{{\"id_token\":{}}}", json::quote(&token));
        let Ok(response) = TokenResponse::parse(body.as_bytes()) else { return };
        let Some(found) = response.id_token() else { return };
        let decided = decide(trust, &PROVIDER.bridge, Mode::Resign, &found, NOW);
        let Decision::Resign(unsigned, _) = decided.decision else { continue };
        let repaired = !decided.findings.is_empty();
        let carried = unsigned.is_carried();
        let new = unsigned.sign().expect("a signature");
        verified_by_another(&token);
        well_made(&token, &new, repaired, carried);
    }
}

/// The token that an input stands for.
fn token(how: u8, rest: &[u8]) -> Option<String> {
    let (header, payload) = super::halves(rest);
    let which = match how {
        b'R' => return std::str::from_utf8(rest).ok().map(|text| text.trim_end().to_owned()),
        b'E' | b'e' | b'F' | b'f' => 1,
        b'D' | b'd' => 2,
        _ => return None,
    };
    let key = PROVIDER.keys.get(which)?;
    let signing_input = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let encoding = key.signing.as_ref()?;
    let signature = jsonwebtoken::crypto::sign(signing_input.as_bytes(), encoding, key.judge.0);
    let mut signature = URL_SAFE_NO_PAD.decode(signature.ok()?).ok()?;
    if matches!(how, b'F' | b'f') {
        signature = Signature::from_slice(&signature).ok()?.to_der().as_bytes().to_vec();
    }
    if how.is_ascii_lowercase() {
        // Changed after it was signed.
        let place = header.len() % signature.len();
        *signature.get_mut(place)? ^= 1 << (payload.len() % 8);
    }
    Some(format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Panics unless a key of the provider signed `token`, with the algorithm that it names.
fn verified_by_another(token: &str) {
    let (message, signature) = token.rsplit_once('.').expect("segments");
    let (header, _) = message.split_once('.').expect("segments");
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    let joses = in_joses_form(signature);
    let by_any = PROVIDER.keys.iter().any(|key| {
        let (algorithm, decoding) = &key.judge;
        header["alg"] == key.alg.name()
            && [Some(signature), joses.as_deref()].into_iter().flatten().any(|signature| {
                jsonwebtoken::crypto::verify(signature, message.as_bytes(), decoding, *algorithm)
                    .unwrap_or(false)
            })
    });
    assert!(by_any, "signed anew, though no key of the provider verifies it: {token}");
    for name in ["crit", "b64", "zip", "cty"] {
        assert!(header.get(name).is_none(), "signed anew with {name}: {token}");
    }
}

/// A signature in strict DER, as JOSE wants it; `None` for any other. Only ES256 is signed so here.
fn in_joses_form(signature: &str) -> Option<String> {
    let der = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signature = Signature::from_der(&der).ok()?;
    Some(URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// Panics unless the new token says what the old one did, in its lifetime, and can be turned back.
fn well_made(token: &str, new: &str, repaired: bool, carried: bool) {
    let claims = |token: &str| {
        let payload = token.split('.').nth(1).expect("a payload");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        let value: Value = serde_json::from_slice(&payload).expect("JSON");
        value.as_object().expect("an object").clone()
    };
    let (before, mut after) = (claims(token), claims(new));
    assert_eq!(after.remove("_kidstamp").is_some(), carried);
    if carried {
        assert_eq!(restore(new).as_deref(), Some(token));
    }
    assert_eq!(before.get("sub"), after.get("sub"), "the subject changed");
    assert_eq!(after["iss"], ISSUER);
    let seconds = |claim: &str| after.get(claim).map(|value| value.as_f64().expect("a number"));
    let (now, skew) = (NOW as f64, f64::from(SKEW));
    assert!(seconds("exp").expect("exp") + skew > now, "expired");
    for claim in ["nbf", "iat"] {
        assert!(seconds(claim).is_none_or(|start| start <= now + skew), "{claim} lies ahead");
    }
    if !repaired {
        assert_eq!(before, after, "claims changed though no rule fired");
    }
}
