//! `auto` over time, with a clock of the test's own: whatever the provider does, no relying party refuses a login that it
//! would accept without kidstamp. Each scenario runs under relying parties that keep a set for ten minutes and never ask
//! again for an unknown `kid`, and under ones that do, each at another moment of their cache.

use super::*;
use crate::config::{self, Override, Overrides};
use crate::jose::{CompactJws, SigningKey, base64url};
use crate::keys::RingKey;
use crate::token::{Decision, Mode, PassReason, TokenResponse, Unverified, decide};

/// Between two looks at the world.
const STEP: i64 = MINUTE;
const MINUTE: i64 = 60;
/// How long a relying party keeps a set.
const KEEPS: i64 = 10 * MINUTE;
/// How long kidstamp keeps the provider's, unless a token calls for a newer one.
const REFRESH: i64 = 5 * MINUTE;
/// After a change: longer than keys take to settle, and caches to know it.
const A_WHILE: i64 = 30 * MINUTE;
/// Some time long after 1970.
const START: i64 = 1_790_000_000;

/// A key of the provider, and the `kid` under which it publishes it and signs.
struct ProviderKey {
    key: SigningKey,
    kid: Option<&'static str>,
}

impl ProviderKey {
    fn new(kid: Option<&'static str>) -> Self {
        Self { key: SigningKey::generate(Alg::Es256).unwrap(), kid }
    }

    fn jwk(&self) -> String {
        let members = self.key.public().required_members();
        let members = members.into_iter().map(|(name, value)| format!("\"{name}\":\"{value}\""));
        let kid = self.kid.map(|kid| format!("\"kid\":\"{kid}\""));
        format!("{{{}}}", kid.into_iter().chain(members).collect::<Vec<_>>().join(","))
    }

    fn token(&self, now: i64) -> String {
        let kid = self.kid.map(|kid| format!(",\"kid\":\"{kid}\"")).unwrap_or_default();
        let header = format!("{{\"alg\":\"ES256\"{kid}}}");
        let payload =
            format!("{{\"iss\":\"https://idp.test\",\"aud\":\"rp\",\"exp\":{}}}", now + 300);
        let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        let signature = base64url::encode(self.key.sign(input.as_bytes()).unwrap());
        format!("{input}.{signature}")
    }
}

/// The provider: the keys that it publishes, of which the last signs.
struct Provider(Vec<ProviderKey>);

impl Provider {
    fn set(&self) -> String {
        let keys: Vec<String> = self.0.iter().map(ProviderKey::jwk).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }
}

/// Kidstamp's side.
struct Sidecar {
    config: ValidConfig,
    ring: KeyRing,
    mode: Mode,
    publication: Publication,
    jwks: String,
    fetched: i64,
}

impl Sidecar {
    /// Put before the provider at `now`.
    fn insert(provider: &Provider, ring: KeyRing, settings: &str, mode: Mode, now: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kidstamp.toml");
        let text = format!(
            "{settings}\n[upstream]\nurl = \"http://127.0.0.1:1\"\n[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"k\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let config = Override::from_flag("--config", file.to_str().unwrap());
        let overrides = Overrides { config: Some(config), ..Overrides::default() };
        let config = config::load(&overrides, &[]).unwrap();
        let publication = Publication::default();
        Self { config, ring, mode, publication, jwks: provider.set(), fetched: now }
    }

    /// The snapshot of that moment, as the background would have it.
    fn snapshot(&mut self, now: i64) -> Snapshot {
        let config = &self.config;
        let issuer = &config.issuers[0];
        let external = issuer.external_url.as_ref().unwrap();
        let metadata = br#"{"issuer":"https://idp.test","jwks_uri":"https://idp.test/jwks"}"#;
        let metadata =
            Metadata::read(Some(metadata), &issuer.metadata, None, &config.upstream.url, None);
        let ingredients = Ingredients {
            config,
            issuer,
            forwarding: Forwarding::new(external),
            metadata: &metadata.unwrap(),
            jwks: self.jwks.as_bytes(),
            discovery: None,
            surroundings: Surroundings {
                settings: &config.rules,
                issuer,
                upstream: &config.upstream.url,
                external: Some(external),
            },
            max_age: None,
            ring: &self.ring,
            secrets: &Vec::new().into(),
            now,
            fetched: self.fetched,
        };
        Snapshot::build(&ingredients, &mut self.publication).unwrap()
    }

    fn published(&mut self, now: i64) -> String {
        String::from_utf8(self.snapshot(now).keys.body.to_vec()).unwrap()
    }

    /// What becomes of a login's token.
    fn pass_on(&mut self, provider: &Provider, token: &str, now: i64) -> String {
        let body = format!("{{\"id_token\":\"{token}\"}}");
        let response = TokenResponse::parse(body.as_bytes()).unwrap();
        let found = response.id_token().unwrap();
        for _ in 0..2 {
            let snapshot = self.snapshot(now);
            let treatment = snapshot.treatments.of(None);
            let decided = decide(&treatment.trust, &treatment.bridge, self.mode, &found, now);
            match decided.decision {
                Decision::Pass(PassReason::Unverified(Unverified::Signature)) => {
                    (self.jwks, self.fetched) = (provider.set(), now);
                }
                Decision::Resign(unsigned, _) => return unsigned.sign().unwrap(),
                _ => return token.to_owned(),
            }
        }
        token.to_owned()
    }
}

/// A relying party with a cache.
#[derive(Debug, Clone)]
struct RelyingParty {
    asks_again: bool,
    cache: String,
    cached: i64,
}

impl RelyingParty {
    /// By the token's `kid`; a token without one is tried with each key.
    fn finds(&self, token: &str) -> bool {
        let jws = CompactJws::parse(token).unwrap();
        read_keys(&self.cache).unwrap().into_iter().any(|key| {
            let named = jws.header().kid.text().is_none_or(|kid| key.kid.as_deref() == Some(kid));
            named && VerificationKey::new(key.public.unwrap()).unwrap().verifies(&jws)
        })
    }

    fn accepts(&mut self, token: &str, now: i64, set: &str) -> bool {
        if now - self.cached >= KEEPS {
            (self.cache, self.cached) = (set.to_owned(), now);
        }
        if !self.finds(token) && self.asks_again {
            (self.cache, self.cached) = (set.to_owned(), now);
        }
        self.finds(token)
    }
}

/// One for each minute of a cache's life at the time `now`, of both sorts.
fn relying_parties(set: &str, now: i64) -> Vec<RelyingParty> {
    let ages = (0..KEEPS / MINUTE).map(|age| now - age * MINUTE);
    let party = |cached, asks_again| RelyingParty { asks_again, cache: set.to_owned(), cached };
    ages.flat_map(|cached| [party(cached, false), party(cached, true)]).collect()
}

/// Lets every relying party sign a user in at each step until `end`; how many of them were refused, and when.
fn logins(
    sidecar: &mut Sidecar,
    provider: &Provider,
    parties: &mut [RelyingParty],
    from: i64,
    end: i64,
) -> Vec<(i64, bool)> {
    let mut refused = Vec::new();
    for now in (from..end).step_by(usize::try_from(STEP).unwrap()) {
        if now - sidecar.fetched >= REFRESH {
            (sidecar.jwks, sidecar.fetched) = (provider.set(), now);
        }
        let original = provider.0.last().unwrap().token(now);
        let token = sidecar.pass_on(provider, &original, now);
        let set = sidecar.published(now);
        for party in &mut *parties {
            if !party.accepts(&token, now, &set) {
                refused.push((now - START, party.asks_again));
            }
        }
    }
    refused
}

/// A ring with a key that signs from the start.
fn ring() -> KeyRing {
    KeyRing::new(vec![bridge_key("a", None)])
}

fn bridge_key(name: &str, active_from: Option<i64>) -> RingKey {
    let key = Arc::new(BridgeKey::new(SigningKey::generate(Alg::Es256).unwrap()));
    RingKey { key, active_from, name: name.to_owned() }
}

/// Kidstamp has stood there for long; then the provider is changed to `after`, and a while goes by.
fn change(settings: &str, before: Provider, after: impl FnOnce(&mut Provider)) -> Vec<(i64, bool)> {
    let mut provider = before;
    let mut sidecar = Sidecar::insert(&provider, ring(), settings, Mode::Auto, START);
    let set = sidecar.published(START);
    let mut parties = relying_parties(&set, START);
    let calm = START + 12 * MINUTE;
    let mut refused = logins(&mut sidecar, &provider, &mut parties, START, calm);
    after(&mut provider);
    refused.extend(logins(&mut sidecar, &provider, &mut parties, calm, calm + A_WHILE));
    refused
}

#[test]
fn a_rotation_at_the_provider_refuses_nobody() {
    for [old, new] in [[None, None], [Some("1"), Some("2")]] {
        // The new key beside the old one, or in its place.
        for keeps_the_old in [true, false] {
            let refused = change("", Provider(vec![ProviderKey::new(old)]), |provider| {
                if !keeps_the_old {
                    provider.0.clear();
                }
                provider.0.push(ProviderKey::new(new));
            });
            assert_eq!(refused, [], "{old:?} becomes {new:?}");
        }
    }
}

#[test]
fn an_upgrade_that_brings_its_own_kid_refuses_nobody() {
    let mut new = ProviderKey::new(Some("own"));
    let refused = change("", Provider(vec![ProviderKey::new(None)]), |provider| {
        // The same key under a name, as Pocket ID 0.8.1 has it.
        provider.0[0].kid = Some("own");
    });
    assert_eq!(refused, [], "the same key");
    let refused = change("", Provider(vec![ProviderKey::new(None)]), |provider| {
        std::mem::swap(&mut provider.0[0], &mut new);
    });
    assert_eq!(refused, [], "another key");
    let refused = change("", Provider(vec![ProviderKey::new(Some("own"))]), |provider| {
        provider.0[0].kid = Some("other");
    });
    assert_eq!(refused, [], "another name");
}

/// Without the time to settle, those who don't ask again are lost.
#[test]
fn without_settling_a_rotation_is_seen() {
    let settings = "jwks.settle = \"1s\"";
    let before = Provider(vec![ProviderKey::new(Some("1"))]);
    let refused = change(settings, before, |provider| provider.0[0] = ProviderKey::new(Some("2")));
    assert!(!refused.is_empty(), "the control");
    assert!(refused.iter().all(|(_, asks_again)| !asks_again), "{refused:?}");
}

/// Kidstamp comes where nothing was before, with a key that signs `after` some time. Who took the provider's tokens goes
/// on taking them.
fn first_insertion(kid: Option<&'static str>, mode: Mode, after: i64) -> Vec<(i64, bool)> {
    let provider = Provider(vec![ProviderKey::new(kid)]);
    let mut parties = relying_parties(&provider.set(), START);
    let ring = KeyRing::new(vec![bridge_key("a", Some(START + after))]);
    let mut sidecar = Sidecar::insert(&provider, ring, "", mode, START);
    logins(&mut sidecar, &provider, &mut parties, START, START + A_WHILE)
}

#[test]
fn a_first_insertion_with_a_key_of_later_refuses_nobody() {
    for mode in [Mode::Auto, Mode::Resign] {
        for kid in [None, Some("1")] {
            assert_eq!(first_insertion(kid, mode, 15 * MINUTE), [], "{kid:?} {mode:?}");
        }
    }
    // The control: a key that signs at once is not yet in the caches of those who don't ask again.
    let refused = first_insertion(Some("1"), Mode::Resign, 0);
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|(at, asks_again)| *at < KEEPS && !asks_again), "{refused:?}");
}

#[test]
fn a_new_bridge_key_that_was_published_ahead_refuses_nobody() {
    let provider = Provider(vec![ProviderKey::new(None)]);
    for (ahead, refuses) in [(15 * MINUTE, false), (0, true)] {
        let mut sidecar = Sidecar::insert(&provider, ring(), "", Mode::Auto, START);
        let set = sidecar.published(START);
        let mut parties = relying_parties(&set, START);
        let calm = START + 12 * MINUTE;
        let mut refused = logins(&mut sidecar, &provider, &mut parties, START, calm);
        let next = KeyRing::new(vec![bridge_key("b", Some(calm + ahead))]);
        sidecar.ring = sidecar.ring.joined(next);
        refused.extend(logins(&mut sidecar, &provider, &mut parties, calm, calm + A_WHILE));
        assert_eq!(!refused.is_empty(), refuses, "{refused:?}");
    }
}
