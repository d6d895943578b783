//! `kidstamp config schema`: the JSON Schema of the file, made while an example of every section is read.
//!
//! The same calls that read a configuration say what keys there are and what their values look like, so there is no second
//! list of keys that could fall behind the first.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::overrides::Overrides;
use super::reader::Reader;
use super::render::Render as _;
use super::{File, KnownRule};
use crate::rules::Setting;

/// Every list has an item here, and what is read only where it is set is set; all the rest follows from the reading.
const EXAMPLE: &str = r#"
[server.tls]
cert = "tls.crt"
key = "tls.key"
[[server.tls.certificate]]
cert = "tls.crt"
key = "tls.key"
[upstream]
url = "https://idp.internal"
[[issuer]]
issuer = "https://id.example.com"
external_url = "https://id.example.com"
audiences = ["a"]
cors_origins = ["https://app.example.com"]
aliases = ["https://id.example.com/"]
keys = "keys"
ephemeral_key = false
[[issuer.key]]
thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
[[jwks.view]]
path = "/view"
[[client]]
id = "a"
verified_email_domains = ["example.com"]
[[logout_relay]]
path = "/relay"
client_id = "a"
target = "https://a.example.com/logout"
"#;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema {
    /// By section and key.
    keys: BTreeMap<(String, String), Value>,
    /// The sections that are written with two brackets.
    lists: BTreeSet<String>,
}

impl Schema {
    pub(super) fn key(&mut self, section: &str, key: &str, schema: Value) {
        self.keys.insert((section.to_owned(), key.to_owned()), schema);
    }

    /// Says more of a key that is known.
    pub(super) fn narrow(&mut self, section: &str, key: &str, more: Value) {
        let known = self.keys.get_mut(&(section.to_owned(), key.to_owned()));
        if let (Some(Value::Object(known)), Value::Object(more)) = (known, more) {
            known.extend(more);
        }
    }

    pub(super) fn list(&mut self, section: &str) {
        self.lists.insert(section.to_owned());
    }

    /// The table at `section`, with the tables inside of it.
    fn table(&self, section: &str, known_rules: &[KnownRule<'_>]) -> Value {
        let mut properties = Map::new();
        for ((home, key), schema) in &self.keys {
            if home == section {
                properties.insert(key.clone(), schema.clone());
            }
        }
        let inside = |name: &str| {
            if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
        };
        for name in self.children(section) {
            let full = inside(&name);
            let table = self.table(&full, known_rules);
            let value = if self.lists.contains(&full) {
                json!({"type": "array", "items": table})
            } else {
                table
            };
            properties.insert(name, value);
        }
        if section.is_empty() || section == "client" {
            properties.insert("rules".to_owned(), rules(known_rules, section == "client"));
        }
        if section == "issuer" {
            let member = super::value::Member::schema();
            let members = json!({"type": "object", "additionalProperties": member});
            properties.insert("discovery".to_owned(), members);
        }
        json!({"type": "object", "additionalProperties": false, "properties": properties})
    }

    /// The names of the sections that stand directly in `section`.
    fn children(&self, section: &str) -> BTreeSet<String> {
        let homes = self.keys.keys().map(|(home, _)| home).chain(&self.lists);
        homes
            .filter_map(|home| {
                let rest = match section {
                    "" => home.as_str(),
                    _ => home.strip_prefix(section)?.strip_prefix('.')?,
                };
                let name = rest.split('.').next().unwrap_or_default();
                (!name.is_empty()).then(|| name.to_owned())
            })
            .collect()
    }
}

/// `[rules]`: a client's are those that are not about what everyone gets.
fn rules(known_rules: &[KnownRule<'_>], of_client: bool) -> Value {
    let mut properties = Map::new();
    for rule in known_rules {
        let published =
            ["jwks/", "discovery/", "userinfo/"].iter().any(|layer| rule.id.starts_with(layer));
        if of_client && published {
            continue;
        }
        let setting = if rule.fixed { json!({"enum": ["repair"]}) } else { Setting::schema() };
        properties.insert(rule.id.to_owned(), setting);
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// The schema of the file; `known_rules` are those that `[rules]` may name.
pub(super) fn of_the_file(known_rules: &[KnownRule<'_>]) -> Value {
    let file = File::new("example.toml", EXAMPLE.to_owned());
    let Ok(table) = file.parse() else { return json!(true) };
    let mut reader = Reader::new(Some((&file, &table)));
    // What is read does not matter here, only what is asked for.
    let _ = super::read(reader.root(), &Overrides::default(), known_rules);
    let mut schema = reader.schema.table("", known_rules);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!("The configuration file of kidstamp"));
    }
    schema
}
