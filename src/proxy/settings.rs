//! What a configuration gives to the workers: replaced as a whole when it is read again.

use super::logout_relay::Relay;
use super::tls::{FrontTls, FrontTlsError};
use crate::config::ValidConfig;
use crate::jose::base64url;
use crate::upstream::{Connector, TlsError};
use aws_lc_rs::digest;
use http::HeaderValue;
use std::sync::Arc;

/// A configuration, and what was made of it.
pub(super) struct Settings {
    pub(super) config: Arc<ValidConfig>,
    pub(super) connector: Connector,
    pub(super) relays: Vec<Relay>,
    /// The `Via` of passed requests, and the name in it.
    pub(super) via: HeaderValue,
    pub(super) via_name: Arc<str>,
    /// TLS towards clients.
    pub(super) tls: Option<Arc<FrontTls>>,
}

/// Why a configuration can't be used here and now.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// TLS to the upstream.
    #[error(transparent)]
    Upstream(#[from] TlsError),
    /// TLS towards clients.
    #[error(transparent)]
    Front(#[from] FrontTlsError),
}

impl Settings {
    /// Makes everything that can fail, so that nothing has to afterwards.
    pub(super) fn prepare(config: ValidConfig) -> Result<Self, SettingsError> {
        let limits = &config.server.limits;
        let connector = Connector::new(&config.upstream)?
            .with_max_head(limits.header_bytes)
            .with_header_case(config.server.preserve_header_case)
            .with_max_ratio(limits.decompression_ratio);
        let via_name = via_name(&config);
        let via = HeaderValue::from_str(&format!("1.1 {via_name}"));
        Ok(Self {
            relays: Relay::prepare(&config)?,
            via: via.unwrap_or(HeaderValue::from_static("1.1 kidstamp")),
            via_name: via_name.into(),
            tls: config
                .server
                .tls
                .as_ref()
                .map(|tls| FrontTls::load(tls, config.server.http2))
                .transpose()?
                .map(Arc::new),
            connector,
            config: Arc::new(config),
        })
    }
}

/// The name in `Via`: the same on every replica, another one on a kidstamp before another provider.
fn via_name(config: &ValidConfig) -> String {
    let external = config.issuers.iter().filter_map(|issuer| issuer.external_url.as_ref());
    let identity = external.map(ToString::to_string).chain([config.upstream.url.to_string()]);
    let hash = digest::digest(&digest::SHA256, identity.collect::<Vec<_>>().join(" ").as_bytes());
    format!(
        "kidstamp-{}",
        base64url::encode(hash.as_ref().get(..6).unwrap_or_default()).replace('_', "-")
    )
}
