//! The background: fetching each issuer's documents, and making a new [`Site`] of them.
//!
//! Relying parties and tokens are served from memory and never wait for the provider, with two exceptions: until
//! there is a first snapshot, and when a token comes that no known key verifies. Both ask here for a refresh;
//! whoever asks while one is wanted or under way shares it, and two never start within a second, so that an
//! unknown `kid` is no lever.

use super::connect::Connector;
use super::discovery::{Signs, Surroundings};
use super::fetch::{FetchError, Fetched, Forwarding, fetch};
use super::metadata::{Metadata, MetadataError};
use super::publication::Publication;
use super::refresher::{Refresher, Shared};
use super::site::{Known, Site, discovery_path};
use super::snapshot::{Ingredients, Snapshot, SnapshotError, algs_called_for};
use super::treatment::Secrets;
use crate::clock;
use crate::config::{Client, Issuer, KeySource, Origin, ValidConfig};
use crate::jose::Mac;
use crate::keys::{
    DirectoryError, KeyRing, SecretError, check_distinct, load_client_secret, load_directory,
};
use crate::rules::{Effect, Finding};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

/// No two refreshes of an issuer start within this time.
const SPACING: Duration = Duration::from_secs(1);
/// Between two refreshes, where the provider says nothing of caching.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);
/// After a first failure; doubled with each further one.
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
/// Between two looks at the key directory.
const KEYS_INTERVAL: Duration = Duration::from_secs(10);
/// For one document.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Why an attempt gave no snapshot.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the bridge key can't be made: {0}")]
    Key(#[from] crate::jose::KeyError),
}

impl RefreshError {
    /// True if nothing came from the provider at all.
    fn is_silence(&self) -> bool {
        use FetchError::{Connect, Http, Timeout};
        matches!(self, Self::Fetch(Connect(_) | Http { .. } | Timeout { .. }))
    }
}

/// Loads the bridge keys of every issuer: what is wrong with them must stop the start.
fn first_rings(config: &ValidConfig) -> Result<Vec<KeyRing>, DirectoryError> {
    let mut rings = Vec::new();
    for issuer in &config.issuers {
        let KeySource::Directory(path) = &issuer.keys else {
            rings.push(KeyRing::default());
            continue;
        };
        let (ring, warnings) = load_directory(path)?;
        warnings.iter().for_each(|warning| warn!("{warning}"));
        rings.push(ring);
    }
    let sources = config.issuers.iter().zip(&rings);
    let owned: Vec<(&Path, &KeyRing)> = sources
        .filter_map(|(issuer, ring)| match &issuer.keys {
            KeySource::Directory(path) => Some((path.as_path(), ring)),
            KeySource::Ephemeral | KeySource::None => None,
        })
        .collect();
    check_distinct(&owned)?;
    Ok(rings)
}

/// Reads the secrets of the clients, which must not wait until a token needs one.
fn secrets(config: &ValidConfig) -> Result<Secrets, SecretError> {
    let load = |client: &Client| {
        let Some(path) = &client.secret_file else { return Ok(None) };
        let (secret, warning) = load_client_secret(path, &client.id)?;
        warning.iter().for_each(|warning| warn!("{warning}"));
        Ok(Some(Arc::new(secret)))
    };
    config.clients.iter().map(load).collect()
}

/// Why the background can't begin.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The bridge keys can't be used.
    #[error(transparent)]
    Keys(#[from] DirectoryError),
    /// The secret of a client can't be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The background before it runs; may go to the thread that it is to run on.
pub struct Background {
    config: Arc<ValidConfig>,
    connector: Connector,
    refresher: Arc<Refresher>,
    rings: Vec<KeyRing>,
    secrets: Secrets,
}

impl Background {
    /// Reads the bridge keys, and the secrets of clients.
    pub fn prepare(
        config: &Arc<ValidConfig>,
        connector: &Connector,
        refresher: &Arc<Refresher>,
    ) -> Result<Self, PrepareError> {
        Ok(Self {
            rings: first_rings(config)?,
            secrets: secrets(config)?,
            config: Arc::clone(config),
            connector: connector.clone(),
            refresher: Arc::clone(refresher),
        })
    }

    /// Starts a task for each issuer on the current [`tokio::task::LocalSet`].
    pub fn spawn(self) -> Tasks {
        self.spawn_after(Vec::new())
    }

    /// Takes the place of `before`, after a new configuration: what is known of an issuer that is still the same
    /// goes on, and is published as the new configuration wants it.
    pub async fn replace(self, before: Tasks) -> Tasks {
        self.spawn_after(before.stop().await)
    }

    fn spawn_after(self, mut before: Vec<Task>) -> Tasks {
        let nothing = self.config.issuers.iter().map(|_| Known::default()).collect();
        let all = Rc::new(RefCell::new(nothing));
        let mut tasks: Vec<Task> = Vec::new();
        for ((index, issuer), ring) in self.config.issuers.iter().enumerate().zip(self.rings) {
            let same = before.iter().position(|task| task.is_of(issuer, &self.connector));
            let same = same.map(|place| before.swap_remove(place));
            let mut task = Task {
                config: Arc::clone(&self.config),
                connector: self.connector.clone(),
                refresher: Arc::clone(&self.refresher),
                shared: same.as_ref().map_or_else(Arc::default, |task| Arc::clone(&task.shared)),
                all: Rc::clone(&all),
                index,
                ring,
                secrets: Arc::clone(&self.secrets),
                keys_error: None,
                publication: Publication::default(),
                known: None,
                learned_issuer: None,
                is_introduced: false,
            };
            if let Some(same) = same {
                task.go_on_from(same);
            }
            tasks.push(task);
        }
        let shared = tasks.iter().map(|task| Arc::clone(&task.shared)).collect();
        self.refresher.issuers.store(Arc::new(shared));
        self.refresher.site.store(Arc::new(Site::new(&self.config, &all.borrow())));
        for task in &mut tasks {
            if let Err(problem) = task.rebuild() {
                error!(
                    issuer = task.name(),
                    "the key set stays as it was before the new configuration: {problem}"
                );
            }
        }
        let stop = watch::Sender::new(false);
        let spawn = |task: Task| tokio::task::spawn_local(task.run(stop.subscribe()));
        Tasks { tasks: tasks.into_iter().map(spawn).collect(), stop }
    }
}

/// The background while it runs.
pub struct Tasks {
    tasks: Vec<JoinHandle<Task>>,
    stop: watch::Sender<bool>,
}

impl Tasks {
    /// Ends them where they are; what they know comes back.
    async fn stop(self) -> Vec<Task> {
        self.stop.send_replace(true);
        let mut stopped = Vec::new();
        for task in self.tasks {
            // One that panicked knows nothing any more.
            stopped.extend(task.await);
        }
        stopped
    }
}

struct Task {
    config: Arc<ValidConfig>,
    connector: Connector,
    refresher: Arc<Refresher>,
    shared: Arc<Shared>,
    /// What is known of every issuer.
    all: Rc<RefCell<Vec<Known>>>,
    index: usize,
    ring: KeyRing,
    secrets: Secrets,
    keys_error: Option<String>,
    publication: Publication,
    known: Option<Documents>,
    learned_issuer: Option<String>,
    is_introduced: bool,
}

/// The provider's documents as they came last.
struct Documents {
    metadata: Metadata,
    forwarding: Forwarding,
    jwks: Bytes,
    discovery: Option<Fetched>,
    external: Option<Origin>,
    max_age: Option<Duration>,
    fetched: i64,
}

impl Task {
    /// True if this one's documents are those of `issuer`, too, though other things may be configured of it.
    fn is_of(&self, issuer: &Issuer, connector: &Connector) -> bool {
        let own = self.issuer();
        self.connector.origin() == connector.origin()
            && own.issuer == issuer.issuer
            && own.external_url == issuer.external_url
            && own.metadata == issuer.metadata
    }

    /// Takes over what another task knows of the same issuer.
    fn go_on_from(&mut self, before: Self) {
        if self.issuer().keys == KeySource::Ephemeral
            && before.issuer().keys == KeySource::Ephemeral
        {
            self.ring = before.ring;
        }
        self.publication = before.publication;
        self.known = before.known;
        self.learned_issuer = before.learned_issuer;
        self.is_introduced = before.is_introduced;
        let known = before.all.borrow_mut().get_mut(before.index).map(std::mem::take);
        if let (Some(known), Some(own)) = (known, self.all.borrow_mut().get_mut(self.index)) {
            *own = known;
        }
    }

    /// Works until it is to stop; what it knows comes back.
    async fn run(mut self, mut stop: watch::Receiver<bool>) -> Self {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.work() => {}
        }
        self
    }

    async fn work(&mut self) {
        let mut failures = 0;
        loop {
            let started = Instant::now();
            self.shared.under_way.store(true, Ordering::Release);
            let result = self.attempt().await;
            let pause = match &result {
                Ok(()) => {
                    if failures > 0 {
                        info!(
                            issuer = self.name(),
                            "the provider's documents are back after {failures} failed attempts"
                        );
                    }
                    failures = 0;
                    if !std::mem::replace(&mut self.is_introduced, true) {
                        self.introduce();
                    }
                    self.interval()
                }
                Err(problem) => {
                    failures += 1;
                    let pause = back_off(failures);
                    warn!(
                        issuer = self.name(),
                        "no fresh documents, next attempt in {pause:?}: {problem}"
                    );
                    pause
                }
            };
            self.note(result.err());
            self.shared.under_way.store(false, Ordering::Release);
            self.shared.attempts.send_modify(|count| *count += 1);
            self.wait(started, started + pause).await;
        }
    }

    /// Until the next attempt is due or wanted; keys come and go meanwhile.
    async fn wait(&mut self, started: Instant, due: Instant) {
        loop {
            let shared = Arc::clone(&self.shared);
            let tick = self.next_tick();
            tokio::select! {
                () = sleep_until(due) => return,
                () = shared.wanted.notified() => return sleep_until(started + SPACING).await,
                () = sleep_until(tick) => {
                    self.reload_keys();
                    if let Err(problem) = self.rebuild() {
                        error!(issuer = self.name(), "the published key set can't be brought up to date: {problem}");
                    }
                }
            }
        }
    }

    /// The next look at the key directory, or the next time at which the clock alone changes something.
    fn next_tick(&self) -> Instant {
        let now = clock::now();
        let changes = [
            self.ring.next_change(now, self.config.keys.retain),
            self.publication.next_change(now, self.config.jwks.settle),
        ];
        let seconds =
            changes.into_iter().flatten().map(|time| u64::try_from(time - now).unwrap_or(0)).min();
        let pause = seconds.map_or(KEYS_INTERVAL, |seconds| {
            KEYS_INTERVAL.min(Duration::from_secs(seconds.max(1)))
        });
        Instant::now() + pause
    }

    async fn attempt(&mut self) -> Result<(), RefreshError> {
        let issuer = self.issuer().clone();
        let external =
            issuer.external_url.clone().or_else(|| origin_of(self.learned_issuer.as_deref()));
        let forwarding =
            Forwarding::new(external.as_ref().unwrap_or_else(|| self.connector.origin()));
        let expected = issuer.issuer.clone().or_else(|| self.learned_issuer.clone());
        let discovery = self.discovery(&issuer, &forwarding).await?;
        let surroundings = Surroundings {
            settings: &self.config.rules,
            issuer: &issuer,
            upstream: self.connector.origin(),
            external: external.as_ref(),
        };
        let nothing = Signs::default();
        let repaired =
            discovery.as_ref().and_then(|document| surroundings.repair(&document.body, &nothing));
        let readable = repaired.as_ref().map(|document| document.text.as_bytes());
        let metadata = Metadata::read(
            readable.or(discovery.as_ref().map(|document| &*document.body)),
            &issuer.metadata,
            expected.as_deref(),
            self.connector.origin(),
            external.as_ref(),
        )?;
        // Where nobody said what the external origin is, the issuer does, from the first document on.
        let external = external.or_else(|| origin_of(Some(&metadata.issuer)));
        let forwarding = external.as_ref().map_or(forwarding, Forwarding::new);
        self.make_paths_known(&metadata);
        let jwks = fetch(&self.connector, &forwarding, &metadata.jwks, FETCH_TIMEOUT).await?;
        if issuer.keys == KeySource::Ephemeral {
            self.make_ephemeral_keys(&jwks.body, &metadata)?;
        }
        let documents = Documents {
            metadata,
            forwarding,
            max_age: max_age(&jwks),
            jwks: jwks.body,
            discovery,
            external,
            fetched: clock::now(),
        };
        let before = self.known.replace(documents);
        if let Err(problem) = self.rebuild() {
            // What can't be published does not replace what can.
            self.known = before;
            return Err(problem.into());
        }
        self.learned_issuer =
            self.known.as_ref().map(|documents| documents.metadata.issuer.clone());
        Ok(())
    }

    /// Tells the paths as soon as they are known, whatever becomes of the key set.
    fn make_paths_known(&self, metadata: &Metadata) {
        let mut all = self.all.borrow_mut();
        let Some(known) = all.get_mut(self.index) else { return };
        if known.metadata.as_ref() != Some(metadata) {
            known.metadata = Some(metadata.clone());
            self.refresher.site.store(Arc::new(Site::new(&self.config, &all)));
        }
    }

    /// The discovery document; `None` if there is none and the configuration says enough without it.
    async fn discovery(
        &self,
        issuer: &Issuer,
        forwarding: &Forwarding,
    ) -> Result<Option<Fetched>, FetchError> {
        let path = match &issuer.discovery_uri {
            Some(uri) => uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            None => discovery_path(issuer.issuer.as_deref().or(self.learned_issuer.as_deref())),
        };
        let can_do_without = issuer.issuer.is_some() && issuer.metadata.jwks_uri.is_some();
        match fetch(&self.connector, forwarding, &path, FETCH_TIMEOUT).await {
            Ok(document) => Ok(Some(document)),
            Err(FetchError::Status { .. }) if can_do_without => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    fn make_ephemeral_keys(
        &mut self,
        jwks: &[u8],
        metadata: &Metadata,
    ) -> Result<(), crate::jose::KeyError> {
        let mut algs = algs_called_for(jwks, metadata);
        let with_secret = self.config.clients.iter().filter(|client| client.secret_file.is_some());
        algs.extend(with_secret.map(|client| client.alg.unwrap_or(Mac::Hs256.instead())));
        algs.sort();
        algs.dedup();
        let present: Vec<_> = self.ring.active(clock::now()).iter().map(|key| key.alg()).collect();
        if algs.iter().any(|alg| !present.contains(alg)) {
            let missing: Vec<_> = algs.into_iter().filter(|alg| !present.contains(alg)).collect();
            self.ring = self.ring.joined(KeyRing::ephemeral(&missing)?);
        }
        Ok(())
    }

    fn reload_keys(&mut self) {
        let KeySource::Directory(path) = self.issuer().keys.clone() else { return };
        match load_directory(&path) {
            Ok((ring, _)) => {
                self.keys_error = None;
                if ring.kids() != self.ring.kids() {
                    info!(issuer = self.name(), "bridge keys reloaded from {}", path.display());
                    self.ring = ring;
                }
            }
            Err(problem) => {
                let problem = problem.to_string();
                if self.keys_error.as_ref() != Some(&problem) {
                    error!(issuer = self.name(), "the bridge keys stay as they were: {problem}");
                }
                self.keys_error = Some(problem);
            }
        }
    }

    /// Makes a snapshot of what is known, and the site that it belongs to.
    fn rebuild(&mut self) -> Result<(), SnapshotError> {
        let Some(known) = &self.known else { return Ok(()) };
        let config = Arc::clone(&self.config);
        let Some(issuer) = config.issuers.get(self.index) else { return Ok(()) };
        let ingredients = Ingredients {
            config: &config,
            issuer,
            forwarding: known.forwarding.clone(),
            metadata: &known.metadata,
            jwks: &known.jwks,
            discovery: known.discovery.as_ref(),
            surroundings: Surroundings {
                settings: &config.rules,
                issuer,
                upstream: self.connector.origin(),
                external: known.external.as_ref(),
            },
            max_age: known.max_age,
            ring: &self.ring,
            secrets: &self.secrets,
            now: clock::now(),
            fetched: known.fetched,
        };
        let snapshot = Arc::new(Snapshot::build(&ingredients, &mut self.publication)?);
        let mut all = self.all.borrow_mut();
        if let Some(known) = all.get_mut(self.index) {
            self.tell_news(known.snapshot.as_deref(), &snapshot);
            known.snapshot = Some(snapshot);
        }
        self.refresher.site.store(Arc::new(Site::new(&config, &all)));
        Ok(())
    }

    /// Logs what is new in a snapshot, and only that.
    fn tell_news(&self, before: Option<&Snapshot>, after: &Snapshot) {
        for finding in &after.findings {
            if before.is_some_and(|before| before.findings.contains(finding)) {
                continue;
            }
            let Finding { rule, pointer, detail, effect, .. } = finding;
            if *effect == Effect::Compromised {
                error!(
                    issuer = self.name(),
                    rule,
                    "ALARM: the provider publishes a private key at {pointer} ({detail}): replace that key at the \
                     provider; until then its tokens are re-signed, and the key is not published"
                );
            } else {
                warn!(issuer = self.name(), rule, effect = effect.name(), "{pointer}: {detail}");
            }
        }
        if before.is_some_and(|before| before.keys.body != after.keys.body) {
            info!(issuer = self.name(), "the published key set has changed");
        }
    }

    /// What an operator wants to know once.
    fn introduce(&self) {
        let Some(known) = &self.known else { return };
        info!(issuer = self.name(), jwks = known.metadata.jwks_path(), "the key set is ready");
        if origin_of(Some(&known.metadata.issuer)).as_ref() == Some(self.connector.origin())
            && self.issuer().external_url.is_none()
        {
            warn!(
                issuer = self.name(),
                "the issuer is the upstream's own address, so relying parties go past kidstamp; set external_url, \
                 and let the provider use it as its own"
            );
        }
    }

    fn note(&self, problem: Option<RefreshError>) {
        let retain = self.config.keys.retain;
        let keys = self.ring.states(clock::now(), retain);
        let keys = keys
            .map(|(key, state)| (key.key.kid().to_owned(), key.key.alg().name(), state.name()))
            .collect();
        let all = self.all.borrow();
        let snapshot = all.get(self.index).and_then(|known| known.snapshot.as_ref());
        let findings = snapshot.map(|snapshot| snapshot.findings.clone());
        self.shared.update(|status| {
            match &problem {
                None => status.attempts.0 += 1,
                Some(_) => status.attempts.1 += 1,
            }
            status.issuer = self.learned_issuer.clone();
            status.fetched = self.known.as_ref().map(|documents| documents.fetched);
            status.answered = !problem.as_ref().is_some_and(RefreshError::is_silence);
            status.error = problem.map(|problem| problem.to_string());
            status.findings = findings.unwrap_or_default();
            status.keys = keys;
        });
    }

    fn interval(&self) -> Duration {
        let asked =
            self.known.as_ref().and_then(|documents| documents.max_age).unwrap_or(DEFAULT_INTERVAL);
        let jwks = &self.config.jwks;
        asked.max(jwks.refresh_min).min(jwks.refresh_max)
    }

    fn issuer(&self) -> &Issuer {
        #[expect(
            clippy::indexing_slicing,
            reason = "a task is made for each issuer of this very list"
        )]
        &self.config.issuers[self.index]
    }

    /// The issuer, as far as it is known, for the log.
    fn name(&self) -> &str {
        let learned = self.known.as_ref().map(|known| known.metadata.issuer.as_str());
        self.issuer().issuer.as_deref().or(learned).unwrap_or("(not known yet)")
    }
}

fn origin_of(issuer: Option<&str>) -> Option<Origin> {
    issuer.and_then(|issuer| Origin::of(&issuer.parse().ok()?))
}

fn back_off(failures: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_BACK_OFF)
}

/// `max-age` of a response (RFC 9111 §5.2.2.1).
fn max_age(response: &Fetched) -> Option<Duration> {
    let directives = response.headers.get(CACHE_CONTROL)?.to_str().ok()?.to_ascii_lowercase();
    let age =
        directives.split(',').find_map(|directive| directive.trim().strip_prefix("max-age="))?;
    age.trim_matches('"').parse().ok().map(Duration::from_secs)
}
