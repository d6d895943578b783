//! What flags and environment variables say, as plain values.
//!
//! This is the seam that keeps the command line out of the configuration: `cli` fills an
//! [`Overrides`], and this room neither knows how a flag is parsed nor reads the
//! environment itself.

use super::place::Source;

/// A value from a flag or an environment variable, with its name for error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub(super) text: String,
    pub(super) source: Source,
}

impl Override {
    /// A value given by the flag `name` (such as `--upstream`).
    #[must_use]
    pub fn from_flag(name: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), source: Source::Flag(name) }
    }

    /// A value given by the environment variable `name` (such as `KIDSTAMP_UPSTREAM`).
    #[must_use]
    pub fn from_environment(name: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), source: Source::Environment(name) }
    }

    /// Whether a flag gave it, rather than the environment.
    #[must_use]
    pub const fn is_flag(&self) -> bool {
        matches!(self.source, Source::Flag(_))
    }

    /// The value as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Everything that can be said without a file. A field that is `Some` wins over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The configuration file to read.
    pub config: Option<Override>,
    /// `upstream.url`
    pub upstream: Option<Override>,
    /// `external_url` of the one issuer.
    pub external_url: Option<Override>,
    /// `issuer` of the one issuer.
    pub issuer: Option<Override>,
    /// `keys` of the one issuer.
    pub keys: Option<Override>,
    /// `ephemeral_key` of the one issuer.
    pub ephemeral_key: Option<Override>,
    /// `server.listen`
    pub listen: Option<Override>,
    /// `server.admin`
    pub admin: Option<Override>,
    /// `server.tls.cert`
    pub tls_cert: Option<Override>,
    /// `server.tls.key`
    pub tls_key: Option<Override>,
    /// `server.log_format`
    pub log_format: Option<Override>,
    /// `server.log_requests`
    pub log_requests: Option<Override>,
}
