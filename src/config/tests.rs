//! The room as a whole: what is read, who wins, what is refused, and in which words.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::jose::Alg;
use crate::rules::Setting;
use crate::token::{Mode, Modes};

const RULES: &[KnownRule<'_>] = &[
    KnownRule { id: "jwks/kid-missing", fixed: false },
    KnownRule { id: "jwks/alg-missing", fixed: false },
    KnownRule { id: "jwks/private-members", fixed: true },
    KnownRule { id: "token-response/cacheable", fixed: false },
    KnownRule { id: "claims/issuer-alias", fixed: false },
    KnownRule { id: "userinfo/null-claim", fixed: false },
    KnownRule { id: "claims/audience-array", fixed: false },
    KnownRule { id: "claims/audience-string", fixed: false },
];

/// The least that makes a good file.
const LEAST: &str = "[upstream]\nurl = \"https://idp.internal\"\n[[issuer]]\nkeys = \"keys\"\n";

fn from_text(text: &str, overrides: &Overrides) -> Result<ValidConfig, ConfigError> {
    validate(Some(&File::new("kidstamp.toml", text.to_owned())), overrides, RULES)
}

fn flag(name: &'static str, text: &str) -> Option<Override> {
    Some(Override::from_flag(name, text))
}

fn variable(name: &'static str, text: &str) -> Option<Override> {
    Some(Override::from_environment(name, text))
}

/// The flags of a first try.
fn first_try() -> Overrides {
    Overrides {
        upstream: flag("--upstream", "http://127.0.0.1:1411"),
        ephemeral_key: flag("--ephemeral-key", "true"),
        ..Overrides::default()
    }
}

#[test]
fn flags_alone_make_one_issuer() {
    let config = load(&first_try(), RULES).unwrap();
    assert_eq!(config.upstream.url.to_string(), "http://127.0.0.1:1411");
    assert_eq!(config.issuers.len(), 1);
    assert_eq!(config.issuers[0].keys, KeySource::Ephemeral);
    assert_eq!(config.issuers[0].issuer, None);
    assert_eq!(config.issuers[0].external_url, None);
}

#[test]
fn defaults_are_those_of_the_manual() {
    let ValidConfig { server, upstream, jwks, tokens, keys, rules, .. } =
        from_text(LEAST, &Overrides::default()).unwrap();
    assert_eq!(server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(server.admin.unwrap().to_string(), "127.0.0.1:9180");
    assert_eq!(server.drain_delay, Duration::ZERO);
    assert_eq!(server.log_format, LogFormat::Text);
    assert!(server.log_requests);
    assert_eq!(server.limits.header_bytes, 32_768);
    assert_eq!(server.limits.header_timeout, Duration::from_secs(10));
    assert_eq!(server.limits.rewritten_body_bytes, 1_048_576);
    assert_eq!(server.limits.idle_upstream_connections, 64);
    assert!(!upstream.allow_plaintext);
    assert_eq!(upstream.timeouts.connect, Duration::from_secs(5));
    assert_eq!(upstream.timeouts.first_byte, Duration::from_secs(60));
    assert_eq!(jwks.settle, Duration::from_secs(900));
    assert_eq!(jwks.stale_if_error, Duration::from_secs(3_600));
    assert_eq!(jwks.refresh_min, Duration::from_secs(60));
    assert_eq!(jwks.refresh_max, Duration::from_secs(900));
    assert!(!jwks.publish_compromised);
    assert_eq!(jwks.content_type.as_str(), "application/json");
    assert_eq!(tokens.modes, Modes::default());
    assert!(tokens.carrier);
    assert_eq!(tokens.max_token_bytes, 8_192);
    assert_eq!(tokens.clock_skew, Duration::from_secs(60));
    assert_eq!(keys.retain, Duration::from_secs(7 * 86_400));
    assert!(rules.is_empty());
}

#[test]
fn every_key_is_read() {
    let text = include_str!("testdata/every-key.toml");
    let config = from_text(text, &Overrides::default()).unwrap();
    assert_eq!(config.server.admin, None);
    assert_eq!(config.server.workers.get(), 3);
    assert_eq!(config.upstream.server_name.as_deref(), Some("idp.example.com"));
    let [first, second] = config.issuers.as_slice() else { panic!("two issuers") };
    assert_eq!(first.issuer.as_deref(), Some("https://idp.example.com/realms/a/"));
    assert_eq!(first.external_url, Origin::parse("https://login.example.com").ok());
    assert_eq!(first.metadata.jwks_uri.as_ref().unwrap().path(), "/jwks");
    assert_eq!(first.audiences, ["one", "two"]);
    assert_eq!(first.cors_origins, ["https://app.example.com", "http://localhost:5173"]);
    let members: Vec<_> =
        first.discovery.iter().map(|(name, json)| format!("{name}={json}")).collect();
    assert_eq!(
        members,
        [
            "code_challenge_methods_supported=[\"S256\"]",
            "require_pushed_authorization_requests=false",
            "service_documentation=\"https://idp.example.com/manual\"",
        ]
    );
    assert_eq!(first.known_keys[0].kid.as_deref(), Some("1_RS256"));
    assert_eq!(second.external_url, Origin::parse("https://idp.example.com").ok());
    assert_eq!(config.jwks.content_type, ContentType::JwkSetJson);
    let views: Vec<_> =
        config.jwks.views.iter().map(|view| (view.publish, view.content_type)).collect();
    let all = (Publish::Both, ContentType::JwkSetJson);
    assert_eq!(views, [(Publish::Bridge, ContentType::Json), all]);
    assert_eq!(config.rules["jwks/kid-missing"], Setting::Warn);
    let [client] = config.clients.as_slice() else { panic!("one client") };
    assert_eq!((client.id.as_str(), client.tokens.max_token_bytes), ("crm", 2048));
    assert_eq!(client.secret_file, Some("secrets/crm".into()));
    assert_eq!(client.alg, Some(Alg::Es256));
    assert_eq!(client.verified_email_domains, ["example.com", "mail.example.org"]);
    let modes = Modes { id_token: Mode::Auto, ..config.tokens.modes };
    assert_eq!(
        (client.tokens.modes, client.tokens.carrier),
        (modes, false),
        "the rest is inherited"
    );
    assert_eq!(client.rules["claims/audience-string"], Setting::Off);
    assert_eq!(client.rules["claims/audience-array"], Setting::Repair);
    assert_eq!(client.rules["jwks/kid-missing"], Setting::Warn);
    assert!(client.restore_nonce);
    assert_eq!(config.warnings.len(), 5, "{:?}", config.warnings);
}

#[test]
fn flags_win_over_the_environment_over_the_file() {
    let text = format!("[server]\nlisten = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"\n{LEAST}");
    let overrides = Overrides {
        listen: variable("KIDSTAMP_LISTEN", "127.0.0.1:3"),
        upstream: flag("--upstream", "https://other.internal:8443"),
        issuer: flag("--issuer", "https://idp.example.com/"),
        log_requests: variable("KIDSTAMP_LOG_REQUESTS", "false"),
        ..Overrides::default()
    };
    let config = from_text(&text, &overrides).unwrap();
    assert_eq!(config.server.listen.tcp().unwrap().port(), 3);
    assert_eq!(config.server.admin.unwrap().port(), 2);
    assert!(!config.server.log_requests);
    assert_eq!(config.upstream.url.to_string(), "https://other.internal:8443");
    assert_eq!(config.issuers[0].issuer.as_deref(), Some("https://idp.example.com/"));
    assert_eq!(config.issuers[0].keys, KeySource::Directory("keys".into()));
}

#[test]
fn the_nearer_of_keys_and_ephemeral_key_wins() {
    let keys = || flag("--keys", "mounted");
    let ephemeral = |text| flag("--ephemeral-key", text);
    let from_environment = variable("KIDSTAMP_EPHEMERAL_KEY", "true");
    let file_ephemeral = LEAST.replace("keys = \"keys\"", "ephemeral_key = true");
    let directory = |path: &str| KeySource::Directory(path.into());
    for (text, keys, ephemeral_key, expected) in [
        (LEAST, None, None, directory("keys")),
        (LEAST, keys(), None, directory("mounted")),
        (LEAST, None, ephemeral("true"), KeySource::Ephemeral),
        (LEAST, None, ephemeral("false"), directory("keys")),
        (LEAST, keys(), from_environment.clone(), directory("mounted")),
        (&file_ephemeral, None, None, KeySource::Ephemeral),
        (&file_ephemeral, keys(), None, directory("mounted")),
    ] {
        let overrides = Overrides { keys, ephemeral_key, ..Overrides::default() };
        assert_eq!(from_text(text, &overrides).unwrap().issuers[0].keys, expected);
    }
}

#[test]
fn relative_paths_start_at_the_file() {
    let file = File::new("/etc/kidstamp/kidstamp.toml", LEAST.to_owned());
    let config = validate(Some(&file), &Overrides::default(), RULES).unwrap();
    assert_eq!(config.issuers[0].keys, KeySource::Directory("/etc/kidstamp/keys".into()));
    let overrides = Overrides { keys: flag("--keys", "keys"), ..Overrides::default() };
    let config = validate(Some(&file), &overrides, RULES).unwrap();
    assert_eq!(config.issuers[0].keys, KeySource::Directory("keys".into()));
}

#[test]
fn passing_everything_needs_no_key() {
    let text = "[upstream]\nurl = \"https://idp.internal\"\n[tokens]\nid_token = \"pass\"\n";
    assert_eq!(from_text(text, &Overrides::default()).unwrap().issuers[0].keys, KeySource::None);
}

#[test]
fn one_key_directory_has_many_spellings() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    let text = "upstream.url = \"https://idp.internal\"\n\
        [[issuer]]\nissuer = \"https://a.test\"\nkeys = \"keys\"\n\
        [[issuer]]\nissuer = \"https://b.test\"\nkeys = \"./other/../keys/\"\n";
    std::fs::create_dir(folder.path().join("other")).unwrap();
    let path = folder.path().join("kidstamp.toml");
    std::fs::write(&path, text).unwrap();
    let overrides =
        Overrides { config: flag("--config", path.to_str().unwrap()), ..Overrides::default() };
    let error = load(&overrides, RULES).unwrap_err().to_string();
    assert!(error.contains("RFC 8725"), "{error}");
}

#[test]
fn what_is_shown_reads_back_to_the_same() {
    for text in [LEAST, include_str!("testdata/every-key.toml")] {
        let once = from_text(text, &Overrides::default()).unwrap();
        let twice = from_text(&once.to_toml(), &Overrides::default()).unwrap();
        let values = |config: &ValidConfig| {
            let toml = config.to_toml();
            let set = toml.lines().filter(|line| !line.starts_with('#'));
            let lines = set.map(|line| line.split("  # ").next().unwrap().to_owned());
            lines.collect::<Vec<_>>()
        };
        assert_eq!(values(&twice), values(&once));
    }
}

#[test]
fn warnings_name_their_place() {
    let text = "[upstream]\nurl = \"http://10.0.0.7\"\nallow_plaintext = true\n\
        [[issuer]]\nissuer = \"http://idp.test/a\"\nephemeral_key = true\n\
        [jwks]\npublish_compromised = true\n[tokens]\ncarrier = false\n\
        [[client]]\nid = \"crm\"\nrestore_nonce = true\n\
        verified_email_domains = [\"example.com\", \"example.org\"]\n";
    let config = from_text(text, &Overrides::default()).unwrap();
    insta::assert_snapshot!(config.warnings.join("\n"));
    let circle = "[upstream]\nurl = \"https://idp.test\"\n[[issuer]]\n\
        external_url = \"https://IDP.test:443/\"\nkeys = \"keys\"\n";
    let config = from_text(circle, &Overrides::default()).unwrap();
    insta::assert_snapshot!(config.warnings.join("\n"));
}

#[test]
fn sets_that_only_some_can_use_are_warned_about() {
    for (settings, said) in [
        ("jwks.publish = \"upstream\"\njwks.view = [{ path = \"/v\" }]\n", "use a [[jwks.view]]"),
        ("jwks.publish = \"bridge\"\n", "nobody but the provider can verify them"),
    ] {
        let config = from_text(&format!("{settings}{LEAST}"), &Overrides::default()).unwrap();
        assert_eq!(config.warnings.len(), 1);
        assert!(config.warnings[0].contains(said), "{:?}", config.warnings);
    }
    let fine =
        "jwks.publish = \"bridge\"\njwks.view = [{ path = \"/v\", publish = \"upstream\" }]\n";
    assert_eq!(
        from_text(&format!("{fine}{LEAST}"), &Overrides::default()).unwrap().warnings,
        [""; 0]
    );
}

#[test]
fn loopback_over_http_is_no_warning() {
    let overrides =
        Overrides { issuer: flag("--issuer", "http://localhost:8080"), ..Overrides::default() };
    assert_eq!(from_text(LEAST, &overrides).unwrap().warnings, [""; 0]);
}

#[test]
fn refusals_in_the_file() {
    let cases = include_str!("testdata/refused.txt");
    let mut told = String::new();
    for case in cases.split("\n----\n") {
        let error = match from_text(case, &Overrides::default()) {
            Ok(_) => "(accepted)".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(!error.contains("hunter2"), "{error}");
        write!(told, "{}\n=>\n{error}\n\n", case.trim_end()).unwrap();
    }
    assert!(!told.contains("(accepted)"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn refusals_of_flags_and_variables() {
    let several = "[upstream]\nurl = \"https://idp.internal\"\n\
        [[issuer]]\nissuer = \"https://a.test\"\nkeys = \"a\"\n\
        [[issuer]]\nissuer = \"https://b.test\"\nkeys = \"b\"\n";
    let mut told = String::new();
    for (text, overrides) in [
        ("", Overrides::default()),
        (
            LEAST,
            Overrides {
                upstream: flag("--upstream", "idp.internal"),
                external_url: flag("--external-url", "https://user:hunter2@idp.test"),
                issuer: variable("KIDSTAMP_ISSUER", "https://idp.test?tenant=a"),
                keys: flag("--keys", ""),
                ephemeral_key: variable("KIDSTAMP_EPHEMERAL_KEY", "yes"),
                listen: flag("--listen", "8080"),
                admin: flag("--admin", "none"),
                log_format: variable("KIDSTAMP_LOG_FORMAT", "JSON"),
                log_requests: flag("--log-requests", "1"),
                ..Overrides::default()
            },
        ),
        (
            several,
            Overrides {
                issuer: flag("--issuer", "https://c.test"),
                keys: variable("KIDSTAMP_KEYS", "c"),
                ..Overrides::default()
            },
        ),
        (LEAST, Overrides { keys: flag("--keys", "a"), ..first_try() }),
        (LEAST, Overrides { upstream: flag("--upstream", "http://localhost:8080"), ..first_try() }),
        (LEAST, Overrides { admin: flag("--admin", "0.0.0.0:8080"), ..first_try() }),
    ] {
        let error = from_text(text, &overrides).unwrap_err();
        writeln!(told, "{error}\n").unwrap();
    }
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn refusals_of_the_file_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = String::new();
    let contents: [(&str, Option<&[u8]>); 3] = [
        ("missing.toml", None),
        ("latin1.toml", Some(b"[server]\n# caf\xe9\n")),
        ("long.toml", Some(&[b'#'; 1_048_577])),
    ];
    for (name, content) in contents {
        let path = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let config = variable("KIDSTAMP_CONFIG", path.to_str().unwrap());
        let error = load(&Overrides { config, ..Overrides::default() }, RULES).unwrap_err();
        writeln!(told, "{error}").unwrap();
    }
    let told = told.replace(folder.path().to_str().unwrap(), "FOLDER");
    insta::assert_snapshot!(told);
}

/// Each key of the file that has them all is in the schema, and nothing else is allowed there.
#[test]
fn the_schema_knows_every_key() {
    fn compare(table: &toml::Table, schema: &serde_json::Value, at: &str) {
        assert_eq!(schema["type"], "object", "{at}");
        for (key, value) in table {
            let known = schema["properties"].get(key).or(schema.get("additionalProperties"));
            let known = known.filter(|known| !known.is_boolean());
            let known = known.unwrap_or_else(|| panic!("{at}.{key} is not in the schema"));
            match value {
                toml::Value::Table(inner) => compare(inner, known, &format!("{at}.{key}")),
                toml::Value::Array(items) if items.iter().all(toml::Value::is_table) => {
                    let items = items.iter().filter_map(toml::Value::as_table);
                    items.for_each(|item| compare(item, &known["items"], &format!("{at}.{key}")));
                }
                _ => assert!(known.is_object(), "{at}.{key}: {known}"),
            }
        }
    }
    let schema = schema(RULES);
    let file: toml::Table = toml::from_str(include_str!("testdata/every-key.toml")).unwrap();
    compare(&file, &schema, "");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["tokens"]["properties"]["id_token"]["enum"][0], "auto");
    assert_eq!(schema["properties"]["server"]["properties"]["workers"]["type"], "integer");
    let fixed = &schema["properties"]["rules"]["properties"]["jwks/private-members"];
    assert_eq!(fixed["enum"], serde_json::json!(["repair"]));
    let client = &schema["properties"]["client"]["items"]["properties"]["rules"]["properties"];
    assert!(
        client.get("jwks/kid-missing").is_none() && client.get("claims/audience-array").is_some()
    );
}

/// The keys that have a number or a duration, as `server.limits.header_bytes`, each with its schema.
fn measured_keys(schema: &Json, at: &str, found: &mut Vec<(String, Json)>) {
    let bounded = |schema: &Json| {
        schema["type"] == "integer"
            || schema["pattern"].as_str().is_some_and(|it| it.contains("ms|s"))
    };
    let inside = schema["items"].get("properties").or(schema.get("properties"));
    for (key, schema) in inside.and_then(Json::as_object).into_iter().flatten() {
        let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        if bounded(schema) {
            found.push((at, schema.clone()));
        } else {
            measured_keys(schema, &at, found);
        }
    }
}

/// True if the reader says that this value of the key is out of its range.
fn is_out_of_range(key: &str, value: &str) -> bool {
    let text = match key.strip_prefix("client.") {
        Some(key) => format!("{LEAST}[[client]]\nid = \"a\"\n{key} = {value}\n"),
        None => format!(
            "upstream.url = \"https://idp.internal\"\n{key} = {value}\n[[issuer]]\nkeys = \"keys\"\n"
        ),
    };
    let refusal = from_text(&text, &Overrides::default()).err();
    let refusal = refusal.map(|error| error.to_string()).unwrap_or_default();
    assert!(!refusal.contains("unknown") && !refusal.contains("TOML"), "{text}{refusal}");
    refusal.contains("is out of range")
}

/// The bounds of the schema are those of the reader, at each of them and past it.
#[test]
fn the_schema_and_the_reader_have_the_same_bounds() {
    let mut keys = Vec::new();
    measured_keys(&schema(RULES), "", &mut keys);
    assert!(keys.len() > 30, "{keys:?}");
    for (key, schema) in &keys {
        let (inside, outside): (Vec<String>, Vec<String>) = match schema["description"].as_str() {
            None => {
                let bound = |name: &str| {
                    schema[name].as_u64().unwrap_or_else(|| panic!("{key} has no {name}"))
                };
                let (low, high) = (bound("minimum"), bound("maximum"));
                let below = low.checked_sub(1).map(|below| below.to_string());
                let outside = below.into_iter().chain([(high + 1).to_string()]).collect();
                (vec![low.to_string(), high.to_string()], outside)
            }
            Some(told) => {
                let (_, bounds) =
                    told.split_once("from ").unwrap_or_else(|| panic!("{key}: {told}"));
                let (low, high) = bounds.split_once(" to ").unwrap();
                let [shortest, longest] = [low, high].map(|text| duration::parse(text).unwrap());
                let step = Duration::from_millis(1);
                let below = shortest.checked_sub(step).map(duration::format);
                let outside = below.into_iter().chain([duration::format(longest + step)]);
                // What may be zero has the wider pattern.
                let pattern =
                    if shortest.is_zero() { duration::PATTERN } else { duration::PATTERN_BUT_ZERO };
                assert_eq!(schema["pattern"], pattern, "{key}");
                let quoted = |text: String| format!("\"{text}\"");
                (
                    [low, high].map(|text| quoted(text.to_owned())).into(),
                    outside.map(quoted).collect(),
                )
            }
        };
        for value in inside {
            assert!(!is_out_of_range(key, &value), "{key} = {value}");
        }
        for value in outside {
            assert!(is_out_of_range(key, &value), "{key} = {value}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = from_text(&text, &Overrides::default());
    }

    #[test]
    fn no_value_makes_it_panic(
        key in prop::sample::select(vec![
            "server.listen", "server.workers", "server.limits", "server.drain_delay",
            "upstream.url", "upstream.ca", "issuer", "tokens.id_token", "rules", "\"\"",
        ]),
        value in prop_oneof![
            Just("{}".to_owned()), Just("[[{a=1}]]".to_owned()), Just("1979-05-27".to_owned()),
            "-?[0-9]{1,25}", "\"[a-z0-9:/.@?#\\[\\]é-]{0,30}\"", "\"https?://[a-z0-9:.@\\[\\]-]{0,20}\"",
        ],
    ) {
        let _ = from_text(&format!("{key} = {value}"), &Overrides::default());
    }
}
