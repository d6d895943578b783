//! The parties of the demo, set up and taken down.

use super::http::{self, Site};
use super::legacy_idp::{Client, Config, Forgery, LegacyIdp, MintError};
use super::secret::random;
use super::strict_rp::{self, StrictRp};
use crate::jose::{Alg, KeyError, SigningKey};
use ::http::StatusCode;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

/// How often another port is tried: a free one may be gone before kidstamp takes it.
const ATTEMPTS: usize = 5;

/// How long kidstamp may take until it knows the provider.
const READY: Duration = Duration::from_secs(20);

/// Where kidstamp is to stand.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The provider's URL.
    pub upstream: String,
    /// What the provider believes its own URL to be, which is kidstamp's.
    pub external_url: String,
    /// The address of that URL.
    pub listen: SocketAddr,
}

/// A kidstamp that was started.
pub struct Started {
    /// Answers 200 as soon as the provider is known.
    pub ready_url: String,
    /// Stops it.
    pub stop: Stop,
}

/// Stops what was started.
pub type Stop = Box<dyn FnOnce() + Send>;

/// Starts kidstamp; the error says why not.
pub type Start = dyn Fn(&Placement) -> Result<Started, String> + Send + Sync;

/// Why the demo could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// No port, or nothing to write to.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A provider could not start.
    #[error(transparent)]
    Provider(#[from] MintError),
    /// No key or no random numbers.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// kidstamp could not start.
    #[error("kidstamp did not start: {0}")]
    Kidstamp(String),
    /// kidstamp started, but does not know the provider.
    #[error("kidstamp is not ready {} seconds after its start: {found}", READY.as_secs())]
    NotReady {
        /// Its last answer.
        found: String,
    },
}

/// All parties, running.
pub struct Stage {
    /// A provider that is reached at its own URL.
    pub(super) direct_idp: LegacyIdp,
    /// Its relying party.
    pub(super) direct_rp: StrictRp,
    /// The same provider, with the same key, told that its URL is kidstamp's.
    pub(super) idp: LegacyIdp,
    /// A relying party that knows it under that URL.
    pub(super) rp: StrictRp,
    /// Another one, which is given forged ID tokens.
    pub(super) deceived_rp: StrictRp,
    /// kidstamp's URL.
    pub(super) external_url: String,
    /// The provider's key.
    pub(super) key: Arc<SigningKey>,
    stop: Stop,
}

impl Stage {
    /// Starts everyone.
    pub async fn set_up(start: Arc<Start>) -> Result<Self, StageError> {
        let key = Arc::new(SigningKey::generate(Alg::Rs256)?);
        let site = Site::bind().await?;
        let url = site.url().to_owned();
        let (direct_rp, client) = relying_party("direct", &url, None).await?;
        let direct_idp = provider(site, url, &key, vec![client])?;
        let mut attempts = 1;
        loop {
            let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            let external_url = format!("http://{listen}");
            let (rp, client) = relying_party("demo", &external_url, None).await?;
            let (deceived_rp, deceived) =
                relying_party("deceived", &external_url, Some(Forgery::WrongKey)).await?;
            let site = Site::bind().await?;
            let upstream = site.url().to_owned();
            let idp = provider(site, external_url.clone(), &key, vec![client, deceived])?;
            let placement = Placement { upstream, external_url: external_url.clone(), listen };
            let start = Arc::clone(&start);
            // On a thread of its own: the provider that kidstamp asks at its start answers on this one.
            let started = spawn_blocking(move || start(&placement)).await;
            match started.unwrap_or_else(|panic| Err(panic.to_string())) {
                Ok(Started { ready_url, stop }) => {
                    let stage = Self {
                        direct_idp,
                        direct_rp,
                        idp,
                        rp,
                        deceived_rp,
                        external_url,
                        key,
                        stop,
                    };
                    return stage.ready(&ready_url).await;
                }
                Err(_) if attempts < ATTEMPTS && TcpListener::bind(listen).is_err() => {
                    attempts += 1;
                }
                Err(error) => return Err(StageError::Kidstamp(error)),
            }
        }
    }

    /// Waits until kidstamp knows the provider: it starts without waiting for it, and lets everything pass
    /// until then.
    async fn ready(self, url: &str) -> Result<Self, StageError> {
        let until = Instant::now() + READY;
        loop {
            let found = match http::get(url).await {
                Ok(answer) if answer.status() == StatusCode::OK => return Ok(self),
                Ok(answer) => format!("{} {}", answer.status(), answer.body()),
                Err(error) => error.to_string(),
            };
            if Instant::now() > until {
                self.take_down().await;
                return Err(StageError::NotReady { found });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Says who runs where, and what to try.
    pub fn describe(&self, out: &mut dyn Write) -> io::Result<()> {
        let (direct, idp, kidstamp) = (self.direct_idp.url(), self.idp.url(), &self.external_url);
        let (direct_rp, rp) = (self.direct_rp.url(), self.rp.url());
        let deceived = self.deceived_rp.url();
        writeln!(out, "Everyone is still here, until Ctrl-C:")?;
        for (who, url) in [
            ("provider", direct),
            ("its relying party", direct_rp),
            ("provider behind kidstamp", idp),
            ("kidstamp", kidstamp),
            ("its relying party", rp),
            ("one that is given forged tokens", deceived),
        ] {
            writeln!(out, "  {who:<33}{url}")?;
        }
        writeln!(out, "\nTry:")?;
        for (command, what) in [
            (format!("curl {idp}/.well-known/jwks.json"), "the provider's keys"),
            (format!("curl {kidstamp}/.well-known/jwks.json"), "as kidstamp publishes them"),
            (format!("curl -L {direct_rp}/login"), "refused"),
            (format!("curl -L {rp}/login"), "accepted"),
            (format!("curl {rp}/me"), "userinfo"),
            (format!("curl -L {rp}/logout"), "with the ID token as hint"),
            (format!("curl -L {deceived}/login"), "refused: a forged ID token"),
        ] {
            writeln!(out, "  {command:<56}# {what}")?;
        }
        out.flush()
    }

    /// Stops everyone, kidstamp first.
    pub async fn take_down(self) {
        // It waits for requests that run; an error would mean that it is gone already.
        let _ = spawn_blocking(self.stop).await;
        for rp in [self.direct_rp, self.rp, self.deceived_rp] {
            rp.stop().await;
        }
        for idp in [self.direct_idp, self.idp] {
            idp.stop().await;
        }
    }
}

/// A relying party of the provider whose issuer is `issuer`, and how that one registers it.
async fn relying_party(
    name: &str,
    issuer: &str,
    forgery: Option<Forgery>,
) -> Result<(StrictRp, Client), StageError> {
    let site = Site::bind().await?;
    let secret = random()?;
    let client = Client {
        id: name.to_owned(),
        secret: Some(secret.clone()),
        redirect_uri: strict_rp::redirect_uri(site.url()),
        post_logout_redirect_uri: strict_rp::post_logout_redirect_uri(site.url()),
        forgery,
    };
    let registration = strict_rp::Config {
        issuer: issuer.to_owned(),
        client_id: name.to_owned(),
        client_secret: secret,
    };
    Ok((StrictRp::start(site, registration), client))
}

fn provider(
    site: Site,
    external_url: String,
    key: &Arc<SigningKey>,
    clients: Vec<Client>,
) -> Result<LegacyIdp, MintError> {
    let config = Config { external_url, key: Arc::clone(key), with_kid: false, clients };
    LegacyIdp::start(site, config)
}
