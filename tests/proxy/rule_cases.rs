//! The cases of `tests/fixtures/rules/cases.txt`: what a provider says that misbehaves in one way, and tokens of it.
//! tests/interop/rule_cases.py reads the same file; src/upstream/snapshot/pairs.rs includes this one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

const SHORTHAND: [(&str, &str); 6] = [
    ("rsa", r#""kty":"RSA","n":"${n}","e":"AQAB""#),
    ("good", r#"{${rsa},"kid":"k1","alg":"RS256","use":"sig"}"#),
    ("lists", r#""response_types_supported":["code"],"subject_types_supported":["public"]"#),
    (
        "endpoints",
        r#""authorization_endpoint":"${issuer}/authorize","token_endpoint":"${issuer}/token","jwks_uri":"${issuer}/jwks""#,
    ),
    ("metadata", r#""issuer":"${issuer}",${endpoints},${lists}"#),
    ("bom", "\u{feff}"),
];

const IN_ORDER: [(&str, &str); 9] = [
    ("jwks", r#"{"keys":[${good}]}"#),
    ("discovery", r#"{${metadata},"id_token_signing_alg_values_supported":["RS256"]}"#),
    ("response", r#"{"access_token":"opaque","token_type":"Bearer","id_token":"${id_token}"}"#),
    ("claims", r#"{"iss":"${issuer}","sub":"7","aud":"rp","exp":${soon},"iat":${now}}"#),
    ("header", r#"{"alg":"RS256","kid":"k1"}"#),
    ("head", "content-type: application/json|cache-control: no-store"),
    ("type", "application/json"),
    ("userinfo", r#"{"sub":"7"}"#),
    ("key", "rsa"),
];

/// One way to misbehave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) rule: String,
    /// What the provider says, by the name of the document.
    said: BTreeMap<String, String>,
    /// What relying parties get instead.
    pub(crate) after: BTreeMap<String, String>,
    pub(crate) issuer_lines: Vec<String>,
    client_lines: Vec<String>,
}

/// What is put in.
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// For an issuer that is reached at the address `inside`.
    pub(crate) fn new(issuer: &str, inside: &str) -> Self {
        let text = fs::read_to_string(folder().join("keys.json")).unwrap();
        let mut values: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        values.extend(SHORTHAND.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (name, value) in [
            ("issuer", issuer.to_owned()),
            ("inside", inside.to_owned()),
            ("now", (now - 5).to_string()),
            ("soon", (now + 3600).to_string()),
            // Of the access token "opaque".
            ("at_hash", at_hash("opaque")),
        ] {
            values.insert(name.to_owned(), value);
        }
        Self(values)
    }

    pub(crate) fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        while let Some((before, rest)) = text.split_once("${") {
            let (name, after) = rest.split_once('}').unwrap();
            let value = self.0.get(name).unwrap_or_else(|| panic!("{name} is not known"));
            text = format!("{before}{value}{after}");
        }
        text
    }

    /// The way back, for the lines that `UPDATE=1` writes.
    pub(crate) fn emptied(&self, text: &str) -> String {
        let mut values: Vec<_> = self.0.iter().filter(|(_, value)| value.len() > 9).collect();
        values.retain(|(_, value)| !value.contains("${") && !value.contains("PRIVATE KEY"));
        values.sort_by_key(|(name, value)| (std::cmp::Reverse(value.len()), name.len()));
        let mut text = text.replace('\u{feff}', "${bom}");
        for (name, value) in values {
            text = text.replace(value.as_str(), &format!("${{{name}}}"));
        }
        text
    }

    fn with(&self, name: &str, value: &str) -> Self {
        let mut values = self.0.clone();
        values.insert(name.to_owned(), value.to_owned());
        Self(values)
    }
}

impl Case {
    pub(crate) fn says(&self, name: &str) -> &str {
        let in_order = || IN_ORDER.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        self.said.get(name).map(String::as_str).or_else(in_order).unwrap()
    }

    /// A provider that misbehaves in both ways; `None` where one of them is in the way of the other.
    pub(crate) fn with(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (name, said) in &other.said {
            let mine = both.said.get(name).cloned();
            let said = match (name.as_str(), mine) {
                ("flaw", mine) => mine.unwrap_or_else(|| said.clone()),
                ("claims" | "response" | "userinfo", Some(mine)) if mine != *said => {
                    let in_order = IN_ORDER.iter().find(|(known, _)| known == name)?.1;
                    merged(&mine, said, in_order)?
                }
                (_, Some(mine)) if mine != *said => return None,
                _ => said.clone(),
            };
            both.said.insert(name.clone(), said);
        }
        for (lines, others) in [
            (&mut both.issuer_lines, &other.issuer_lines),
            (&mut both.client_lines, &other.client_lines),
        ] {
            for line in others {
                if !lines.contains(line) {
                    lines.push(line.clone());
                }
            }
        }
        Some(both)
    }

    /// The client that the tokens are for, where it has settings of its own.
    pub(crate) fn client(&self) -> String {
        match self.client_lines.as_slice() {
            [] => String::new(),
            lines => format!("[[client]]\nid = \"rp\"\n{}\n", lines.join("\n")),
        }
    }

    pub(crate) fn flaw(&self) -> Option<&str> {
        self.said.get("flaw").map(String::as_str)
    }

    pub(crate) fn layer(&self) -> &str {
        self.rule.split('/').next().unwrap()
    }

    pub(crate) fn document(&self, name: &str, values: &Values) -> String {
        values.filled(self.says(name))
    }

    /// Status line and fields of the token response.
    pub(crate) fn head(&self) -> (String, Vec<(String, String)>) {
        head_of(self.says("head"))
    }

    pub(crate) fn token(&self, values: &Values) -> String {
        let (header, claims) =
            (values.filled(self.says("header")), self.document("claims", values));
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = sign(self.says("key"), values, input.as_bytes());
        format!("{input}.{}", encode(signature))
    }

    pub(crate) fn response(&self, values: &Values) -> String {
        let token = self.token(values);
        values.with("id_token", &token).filled(self.says("response"))
    }
}

/// Two objects that differ from one `in_order` in different members, as one that differs in all of them.
fn merged(one: &str, other: &str, in_order: &str) -> Option<String> {
    let mark = |text: &str| text.starts_with("${bom}");
    let bare = |text: &str| text.trim_start_matches("${bom}").to_owned();
    let (first, second, base) = (members(&bare(one)), members(&bare(other)), members(in_order));
    let find = |members: &[(String, String)], name: &str| {
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let mut names: Vec<String> = first.iter().map(|(name, _)| name.clone()).collect();
    names.extend(second.iter().chain(&base).map(|(name, _)| name.clone()));
    let mut seen = Vec::new();
    let mut both = Vec::new();
    for name in names {
        if seen.contains(&name) {
            continue;
        }
        let [mine, theirs, right] = [&first, &second, &base].map(|members| find(members, &name));
        let value = match (mine == right, theirs == right) {
            (false, false) if mine != theirs => return None,
            (false, _) => mine,
            _ => theirs,
        };
        both.extend(value.map(|value| format!("\"{name}\":{value}")));
        seen.push(name);
    }
    let mark = if mark(one) || mark(other) { "${bom}" } else { "" };
    Some(format!("{mark}{{{}}}", both.join(",")))
}

/// Names and values of an object, with what is still to be put into them.
fn members(object: &str) -> Vec<(String, String)> {
    let inside = object.trim().strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let mut members = Vec::new();
    let (mut depth, mut quoted, mut member) = (0, false, String::new());
    for sign in inside.chars().chain([',']) {
        match sign {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                let (name, value) = member.split_once(':').unwrap();
                members.push((name.trim().trim_matches('"').to_owned(), value.to_owned()));
                member.clear();
                continue;
            }
            _ => {}
        }
        member.push(sign);
    }
    members
}

/// Status line and fields that a line `head` names.
pub(crate) fn head_of(line: &str) -> (String, Vec<(String, String)>) {
    let mut fields: Vec<(String, String)> = line
        .split('|')
        .map(|field| field.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let status = fields.iter().position(|(name, _)| name == "status");
    let status = status.map_or("200 OK".to_owned(), |index| fields.remove(index).1);
    (status, fields)
}

fn sign(key: &str, values: &Values, input: &[u8]) -> Vec<u8> {
    let pem = match key {
        "rsa" => "pem",
        "other" => "other_pem",
        _ => "ec_pem",
    };
    let pem = &values.0[pem];
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap();
    let random = SystemRandom::new();
    let ecdsa = match key {
        "ec" => &ECDSA_P256_SHA256_FIXED_SIGNING,
        "ec-der" => &ECDSA_P256_SHA256_ASN1_SIGNING,
        _ => {
            let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
            let mut octets = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut octets).unwrap();
            return octets;
        }
    };
    EcdsaKeyPair::from_pkcs8(ecdsa, &der).unwrap().sign(&random, input).unwrap().as_ref().to_vec()
}

fn at_hash(access_token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, access_token.as_bytes());
    encode(&digest.as_ref()[..16])
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rules")
}

/// The file as it stands, and the cases in it.
pub(crate) fn cases() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("cases.txt")).unwrap();
    let mut cases = Vec::new();
    for block in text.split("\n\n") {
        let mut case = Case::default();
        let mut last = String::new();
        for line in block.lines().filter(|line| !line.starts_with('#')) {
            if let Some(after) = line.trim_start().strip_prefix("=> ") {
                case.after.insert(last.clone(), after.to_owned());
                continue;
            }
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            name.clone_into(&mut last);
            match name {
                "rule" => value.clone_into(&mut case.rule),
                "issuer" => case.issuer_lines.push(value.to_owned()),
                "client" => case.client_lines.push(value.to_owned()),
                _ => {
                    case.said.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        if !case.rule.is_empty() {
            cases.push(case);
        }
    }
    cases
}

/// Writes `afters`, one of each case in order, below the lines that they belong to.
pub(crate) fn update(afters: &[(&str, String)]) {
    let path = folder().join("cases.txt");
    let text = fs::read_to_string(&path).unwrap();
    let mut afters = afters.iter();
    let blocks = text.split("\n\n").map(|block| {
        let lines: Vec<&str> =
            block.lines().filter(|line| !line.trim_start().starts_with("=>")).collect();
        if !lines.iter().any(|line| line.starts_with("rule: ")) {
            return lines.join("\n");
        }
        let (name, after) = afters.next().unwrap();
        let line = format!("   => {after}");
        let place = lines.iter().position(|line| line.starts_with(&format!("{name}: ")));
        let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        match place {
            Some(place) => lines.insert(place + 1, line),
            None => panic!("{name} does not stand in {block}"),
        }
        lines.join("\n")
    });
    let text = blocks.collect::<Vec<_>>().join("\n\n");
    fs::write(&path, text.trim_end().to_owned() + "\n").unwrap();
}
