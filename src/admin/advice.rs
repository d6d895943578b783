//! What an operator can do about tokens that pass as they came.

/// By the reason that they are counted under; `None` where there is nothing to do.
pub(super) fn on(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "no_key_for_alg" => {
            "There is no bridge key of the token's algorithm: make one with kidstamp keys generate --alg ALG --dir DIR \
             (the log names the algorithm)."
        }
        "key_not_published" => {
            "The key that signed it is not published, and there is no bridge key in its place: give the issuer a key \
             directory."
        }
        "signature" => {
            "No key of the provider's set verifies it: does jwks_uri lead to the set of the server that signs? Behind \
             a load balancer all of its servers must share their keys."
        }
        "issuer" => {
            "Its iss is not this issuer: correct issuer.issuer, or name the other spelling in issuer.aliases, or \
             access_token_issuer for access tokens."
        }
        "audience" => {
            "Its audience is not in issuer.audiences: add the client, or leave the list out."
        }
        "alg" => {
            "Its algorithm is unknown, none, or does not fit the key: the provider has to change that."
        }
        "claims" => {
            "Its claims are not those of such a token (iss, aud, exp): see kidstamp inspect."
        }
        "expired" | "not_yet" => {
            "Its time is past or has not come: compare the clocks of provider and kidstamp, or raise tokens.clock_skew."
        }
        "type" | "extension" => {
            "Its header asks for what kidstamp does not do (typ, crit): it is for the relying party alone."
        }
        "encrypted" => "It is encrypted for the relying party, which kidstamp can't read.",
        "stale" => {
            "The provider's keys could not be read for longer than jwks.stale_if_error: see the error above."
        }
        "no_snapshot" => {
            "It came before the provider's documents could be read: see the error above."
        }
        "encoded" => {
            "The response was compressed in a way that kidstamp does not undo: let the provider honour \
             Accept-Encoding: identity."
        }
        "too_large" => {
            "The response was too large to be read: raise server.limits.rewritten_body_bytes."
        }
        "truncated" => "The response broke off at the provider.",
        "content_type" | "not_json" | "not_an_object" | "not_utf8" => {
            "The response was no JSON object: an error page of the provider, or of something before it."
        }
        "signing_failed" => {
            "The signature could not be made: see the log, and check the bridge key."
        }
        "at_hash" => {
            "An ID token holds its hash, and could not follow: let id_token be re-signed, too, or leave access_token \
             at pass."
        }
        "sender_constrained" => "It is bound to a key of the client, and must stay as it is.",
        "carrier_claim" => {
            "It has a claim named _kidstamp already: is there another kidstamp behind this one?"
        }
        _ => return None,
    })
}
