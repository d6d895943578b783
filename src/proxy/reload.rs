//! Going on with a new configuration, while connections stay and requests are under way.
//!
//! All of it or nothing: what the new one needs is read and made first, and if any of that fails, the old one goes
//! on. Then the background takes over what it knows, and each worker answers its next request by the new one; what
//! is under way ends by the old.

use super::Running;
use super::settings::{Settings, SettingsError};
use super::tls::FrontTls;
use crate::config::{ConfigError, ValidConfig};
use crate::upstream::{Background, PrepareError};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tracing::{error, info, warn};

/// Making snapshots of documents that are there already takes far less.
const PATIENCE: Duration = Duration::from_secs(10);

/// A background that is to take over.
pub(super) struct Replacement {
    pub(super) upstream: Background,
    /// The certificates to look after.
    pub(super) tls: Option<Arc<FrontTls>>,
    /// Who wants to know when it has.
    pub(super) done: mpsc::Sender<()>,
}

/// Why a new configuration is refused.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keys(#[from] PrepareError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the background has ended; restart kidstamp")]
    NoBackground,
}

impl Running {
    /// Goes on with `read`, or with what there was if that is an error; true if it is the new one.
    pub fn reload(&mut self, read: Result<ValidConfig, ConfigError>) -> bool {
        let result = read.map_err(ReloadError::from).and_then(|config| self.apply(config));
        self.counters.reloaded(result.is_ok());
        match &result {
            Ok(()) => info!("the new configuration is in effect"),
            Err(ReloadError::Config(wrong)) => {
                for problem in wrong.problems() {
                    error!("the configuration stays as it was: {problem}");
                }
            }
            Err(other) => error!("the configuration stays as it was: {other}"),
        }
        result.is_ok()
    }

    fn apply(&mut self, mut config: ValidConfig) -> Result<(), ReloadError> {
        let fixed = config.keep_fixed(&self.config);
        let settings = Arc::new(Settings::prepare(config)?);
        let upstream = Background::prepare(&settings.config, &settings.connector, &self.refresher)?;
        for key in fixed {
            warn!("{key} has changed, which needs a restart; until then the old value counts");
        }
        for warning in &settings.config.warnings {
            warn!("{warning}");
        }
        // The background first: the workers find the new documents when they begin to ask for them.
        let (done, is_done) = mpsc::channel();
        let replacement = Replacement { upstream, tls: settings.tls.clone(), done };
        self.replacements.send(replacement).map_err(|_| ReloadError::NoBackground)?;
        is_done.recv_timeout(PATIENCE).map_err(|_| ReloadError::NoBackground)?;
        self.config = Arc::clone(&settings.config);
        self.settings.send_replace(settings);
        Ok(())
    }
}
