//! Flaws that stand together are repaired together: every pair of them, in one set.

use super::{Options, repair};
use crate::json::{self, quote};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

const RSA_KID: &str = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

/// A set with one good key, on its way to be spoilt.
#[derive(Clone)]
struct Draft {
    members: Vec<(&'static str, String)>,
    more: Vec<String>,
    shape: fn(&[String]) -> String,
}

/// What is spoilt, which rule says so, and how. Two flaws of one place can't stand together.
struct Flaw {
    place: &'static str,
    rule: &'static str,
    spoil: fn(&mut Draft),
}

impl Draft {
    fn good() -> Self {
        let set: Json =
            serde_json::from_str(include_str!("../../../tests/fixtures/jwks/pocket-id-0.8.0.json"))
                .unwrap();
        let n = set["keys"][0]["n"].as_str().unwrap();
        Self {
            members: vec![
                ("kty", quote("RSA")),
                ("use", quote("sig")),
                ("alg", quote("RS256")),
                ("kid", quote("good")),
                ("n", quote(n)),
                ("e", quote("AQAB")),
            ],
            more: Vec::new(),
            shape: |keys| format!("{{\"keys\":[{}]}}", keys.join(",")),
        }
    }

    fn set(&mut self, name: &'static str, json: &str) {
        self.members.retain(|(other, _)| *other != name);
        self.members.push((name, json.to_owned()));
    }

    fn remove(&mut self, name: &str) {
        self.members.retain(|(other, _)| *other != name);
    }

    fn octets(&self) -> Vec<u8> {
        let n = self.members.iter().find(|(name, _)| *name == "n").unwrap();
        crate::jose::base64url::decode(n.1.trim_matches('"')).unwrap()
    }

    fn text(&self) -> String {
        let members: Vec<String> =
            self.members.iter().map(|(name, json)| format!("{}: {json}", quote(name))).collect();
        let mut keys = vec![format!("{{{}}}", members.join(", "))];
        keys.extend(self.more.iter().cloned());
        (self.shape)(&keys)
    }
}

const FLAWS: &[Flaw] = &[
    Flaw { place: "kid", rule: "jwks/kid-missing", spoil: |draft| draft.remove("kid") },
    Flaw { place: "kid", rule: "jwks/kid-empty", spoil: |draft| draft.set("kid", "\"\"") },
    Flaw { place: "kid", rule: "jwks/kid-null", spoil: |draft| draft.set("kid", "null") },
    Flaw { place: "kid", rule: "jwks/kid-not-string", spoil: |draft| draft.set("kid", "1") },
    Flaw { place: "kid", rule: "jwks/kid-malformed", spoil: |draft| draft.set("kid", "\"\\n\"") },
    Flaw { place: "kty", rule: "jwks/kty-missing", spoil: |draft| draft.remove("kty") },
    Flaw { place: "kty", rule: "jwks/kty-case", spoil: |draft| draft.set("kty", "\"rsa\"") },
    Flaw { place: "use", rule: "jwks/use-case", spoil: |draft| draft.set("use", "\"SIG\"") },
    Flaw { place: "use", rule: "jwks/null-members", spoil: |draft| draft.set("use", "null") },
    Flaw { place: "alg", rule: "jwks/alg-spelling", spoil: |draft| draft.set("alg", "\"RSA256\"") },
    Flaw { place: "alg", rule: "jwks/empty-members", spoil: |draft| draft.set("alg", "\"\"") },
    Flaw { place: "e", rule: "jwks/integer-spelling", spoil: |draft| draft.set("e", "65537") },
    Flaw {
        place: "ops",
        rule: "jwks/key-ops-not-array",
        spoil: |d| d.set("key_ops", "\"verify\""),
    },
    Flaw { place: "x5t", rule: "jwks/x5t-length", spoil: |draft| draft.set("x5t", "\"AQAB\"") },
    Flaw {
        place: "n",
        rule: "jwks/base64url-spelling",
        spoil: |draft| draft.set("n", &quote(&STANDARD.encode(draft.octets()))),
    },
    Flaw {
        place: "n",
        rule: "jwks/leading-zeros",
        spoil: |draft| {
            let octets = [&[0][..], &draft.octets()].concat();
            draft.set("n", &quote(&crate::jose::base64url::encode(octets)));
        },
    },
    Flaw {
        place: "n",
        rule: "jwks/integer-spelling",
        spoil: |draft| {
            let hex: String = draft.octets().iter().map(|octet| format!("{octet:02x}")).collect();
            draft.set("n", &quote(&hex));
        },
    },
    Flaw { place: "1", rule: "jwks/unreadable-key", spoil: |draft| draft.more.push("null".into()) },
    Flaw {
        place: "2",
        rule: "jwks/symmetric-key",
        spoil: |draft| draft.more.push(r#"{"kty":"oct","k":"AQ"}"#.into()),
    },
    Flaw {
        place: "3",
        rule: "jwks/duplicate-member",
        spoil: |draft| draft.more.push(r#"{"kty":"X","a":"1","a":"2"}"#.into()),
    },
    Flaw {
        place: "4",
        rule: "jwks/private-members",
        spoil: |draft| {
            draft.more.push(r#"{"kty":"RSA","n":"gQ","e":"AQAB","d":"AQ","kid":"p"}"#.into());
        },
    },
    Flaw {
        place: "5",
        rule: "jwks/point-off-curve",
        spoil: |draft| {
            draft.more.push(
                r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4","kid":"o"}"#
                    .into(),
            );
        },
    },
    Flaw {
        place: "shape",
        rule: "jwks/byte-order-mark",
        spoil: |draft| draft.shape = |keys| format!("\u{feff}{{\"keys\":[{}]}}", keys.join(",")),
    },
    Flaw {
        place: "shape",
        rule: "jwks/bare-array",
        spoil: |draft| draft.shape = |keys| format!("[{}]", keys.join(",")),
    },
    Flaw {
        place: "shape",
        rule: "jwks/keys-not-array",
        spoil: |draft| {
            draft.shape = |keys| {
                let members: Vec<String> =
                    (1..).zip(keys).map(|(number, key)| format!("\"{number}\":{key}")).collect();
                format!("{{\"keys\":{{{}}}}}", members.join(","))
            };
        },
    },
];

#[test]
fn every_pair_of_flaws_is_repaired_together() {
    let mut pairs = 0;
    for (index, one) in FLAWS.iter().enumerate() {
        for other in FLAWS.iter().skip(index).filter(|other| other.place != one.place) {
            let mut draft = Draft::good();
            (one.spoil)(&mut draft);
            (other.spoil)(&mut draft);
            let text = draft.text();
            let set = repair(&text, &Options::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
            for flaw in [one, other] {
                let fired = set.findings.iter().any(|finding| finding.rule == flaw.rule);
                assert!(fired, "{} in {text}", flaw.rule);
            }
            let left: Json = serde_json::from_str(&set.text).unwrap();
            let keys = left["keys"].as_array().unwrap();
            assert_eq!(keys.len(), 1, "{text}");
            let key = &keys[0];
            let expected: Json = serde_json::from_str(&Draft::good().text()).unwrap();
            for name in ["kty", "n", "e"] {
                assert_eq!(key[name], expected["keys"][0][name], "{name} of {text}");
            }
            assert!([RSA_KID, "good"].contains(&key["kid"].as_str().unwrap()), "{text}");
            let undone = set
                .steps
                .iter()
                .rev()
                .fold(set.text.clone(), |text, step| json::apply(&text, &step.undo).unwrap());
            assert_eq!(undone, text);
            let again = repair(&set.text, &Options::default()).unwrap();
            assert_eq!((again.findings, &again.text), (Vec::new(), &set.text));
            pairs += 1;
        }
    }
    assert!(pairs > 250, "{pairs}");
}
