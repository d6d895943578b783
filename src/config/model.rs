//! The configuration as the rest of the house sees it: checked, complete, and plain to read.
//!
//! Nothing here can be wrong: there is no way to a [`ValidConfig`] but [`super::load`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;

use super::origin::Origin;
use super::record::Record;
use super::relay::LogoutRelay;
use super::value::Word;
use crate::jose::Alg;
use crate::rules::Setting;
use crate::rules::jwks::KnownKey;
use crate::token::{Mode, Modes};

/// A configuration that passed every check.
#[derive(Clone, Debug)]
pub struct ValidConfig {
    /// kidstamp's own side.
    pub server: Server,
    /// The legacy IdP.
    pub upstream: Upstream,
    /// The issuers; at least one.
    pub issuers: Vec<Issuer>,
    /// What is published, and for how long.
    pub jwks: Jwks,
    /// What happens to tokens.
    pub tokens: Tokens,
    /// Bridge keys.
    pub keys: Keys,
    /// The rules that are set to something else than their default, by id.
    pub rules: BTreeMap<String, Setting>,
    /// The clients with settings of their own.
    pub clients: Vec<Client>,
    /// Where logout tokens go.
    pub logout_relays: Vec<LogoutRelay>,
    /// What works but deserves a look, each with its place.
    pub warnings: Vec<String>,
    /// Private, so that only this room can build the type.
    pub(super) record: Record,
}

impl ValidConfig {
    /// Takes over from the running configuration what can't change while kidstamp runs; the names of what would
    /// have been something else.
    pub fn keep_fixed(&mut self, running: &Self) -> Vec<&'static str> {
        fn keep<T: PartialEq + Clone>(own: &mut T, running: &T) -> bool {
            let differs = own != running;
            own.clone_from(running);
            differs
        }
        let (own, running) = (&mut self.server, &running.server);
        [
            ("server.listen", keep(&mut own.listen, &running.listen)),
            ("server.socket_mode", keep(&mut own.socket_mode, &running.socket_mode)),
            ("server.admin", keep(&mut own.admin, &running.admin)),
            ("server.workers", keep(&mut own.workers, &running.workers)),
            ("server.log_format", keep(&mut own.log_format, &running.log_format)),
            (
                "server.limits.handshakes",
                keep(&mut own.limits.handshakes, &running.limits.handshakes),
            ),
            (
                "server.limits.connections",
                keep(&mut own.limits.connections, &running.limits.connections),
            ),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }

    /// True with a setting under which anyone might sign in as anyone: the status page is red for as long as it
    /// stands.
    pub fn is_dangerous(&self) -> bool {
        self.jwks.publish_compromised || self.upstream.danger_accept_invalid_certs
    }

    /// The effective configuration as TOML: every setting, with its source behind it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.record.to_toml()
    }
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// Where clients are served; port 0 takes a free one.
    pub listen: Listen,
    /// The rights of a Unix socket that is listened on.
    pub socket_mode: SocketMode,
    /// Whether connections begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Where health and metrics are served, if at all.
    pub admin: Option<SocketAddr>,
    /// Event loops, each on a thread of its own.
    pub workers: NonZeroUsize,
    /// The proxies in front that may say for whom they ask.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a draining server still accepts connections.
    pub drain_delay: Duration,
    /// How long requests under way may then go on.
    pub drain_timeout: Duration,
    /// How long tunnels may then go on.
    pub drain_tunnels: Duration,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Whether each request is logged.
    pub log_requests: bool,
    /// Whether HTTP/2 is offered to clients that speak TLS.
    pub http2: bool,
    /// Whether the names of header fields keep their capital letters in HTTP/1.
    pub preserve_header_case: bool,
    /// `[server.tls]`, if kidstamp ends TLS itself.
    pub tls: Option<ServerTls>,
    /// `[server.limits]`
    pub limits: Limits,
}

/// Where clients are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// The IP address and the port, if it has such.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// The rights of a file, as `chmod` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

/// `[server.tls]`
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// At least one; the first is for clients that name no host, or an unknown one.
    pub certificates: Vec<CertificateFiles>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// Who issued those; there where they are asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether the provider gets them in `Client-Cert` (RFC 9440).
    pub forward_client_cert: bool,
    /// Whether `Host` must be the host that the TLS handshake named.
    pub match_host: bool,
}

/// A certificate with its chain, and its key, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, the chain behind it.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// They may; a bad one ends the handshake.
    Optional,
    /// They have to.
    Required,
}

impl Word for ClientAuth {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];
}

/// `[server.limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest head of a request or response.
    pub header_bytes: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// TLS handshakes at a time, over all workers.
    pub handshakes: usize,
    /// How long a client connection may be idle between requests.
    pub keep_alive: Duration,
    /// How long a client may take none of what is sent to it.
    pub send_timeout: Duration,
    /// How long nothing may move on a connection that was upgraded.
    pub tunnel_idle: Duration,
    /// Client connections at a time, over all workers.
    pub connections: usize,
    /// Requests over one client connection.
    pub connection_requests: usize,
    /// Requests at a time over one connection of HTTP/2.
    pub http2_streams: usize,
    /// After this time a client connection ends with the request under way.
    pub connection_age: Duration,
    /// How long a client may pause within the body of a request.
    pub body_idle: Duration,
    /// The longest body that is buffered to be rewritten.
    pub rewritten_body_bytes: usize,
    /// How much a body may grow when it is decompressed to be read.
    pub decompression_ratio: usize,
    /// Upstream connections that each worker keeps open while idle.
    pub idle_upstream_connections: usize,
    /// Requests that may be at the upstream at once; the workers share them.
    pub upstream_requests: usize,
    /// Requests that may wait for that.
    pub upstream_queue: usize,
    /// Logins that are remembered at a time, for clients with `restore_nonce`.
    pub logins: usize,
    /// How long each is remembered.
    pub login_lifetime: Duration,
}

/// `[upstream]`
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Where the IdP is reached.
    pub url: Origin,
    /// A Unix socket instead of that address.
    pub socket: Option<PathBuf>,
    /// Certificates to trust instead of the system's; a relative path in the file started at
    /// the file's folder, and is resolved here.
    pub ca: Option<PathBuf>,
    /// The name in the upstream's certificate, where it is not the URL's host.
    pub server_name: Option<String>,
    /// What kidstamp shows to the IdP.
    pub client_identity: Option<CertificateFiles>,
    /// Whether any certificate will do.
    pub danger_accept_invalid_certs: bool,
    /// Whether keys and tokens may cross a network in the clear.
    pub allow_plaintext: bool,
    /// Whether HTTP/2 is spoken, if the IdP can.
    pub http2: bool,
    /// `[upstream.timeouts]`
    pub timeouts: Timeouts,
}

impl Upstream {
    /// One that is reached at `url`, with all else as it is by default.
    #[must_use]
    pub const fn new(url: Origin, timeouts: Timeouts) -> Self {
        Self {
            url,
            socket: None,
            ca: None,
            server_name: None,
            client_identity: None,
            danger_accept_invalid_certs: false,
            allow_plaintext: false,
            http2: false,
            timeouts,
        }
    }

    /// Where it is, as it was written.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{}", path.display()),
            None => self.url.to_string(),
        }
    }
}

/// What `upstream.url` says: an origin, or a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UpstreamUrl {
    /// For a socket, plain http to this machine.
    pub(super) origin: Origin,
    pub(super) socket: Option<PathBuf>,
}

/// `[upstream.timeouts]`
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// Until the head of the response.
    pub first_byte: Duration,
    /// How long the upstream may pause within the body of a response.
    pub body_idle: Duration,
    /// Until the end of the response.
    pub total: Duration,
    /// How long a connection is kept on which nothing happens.
    pub idle: Duration,
    /// How long a connection is used for further requests.
    pub connection_age: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Duration::from_mins(1);
        Self {
            connect: Duration::from_secs(5),
            first_byte: minute,
            body_idle: minute,
            total: 60 * minute,
            idle: minute,
            connection_age: 10 * minute,
        }
    }
}

/// One `[[issuer]]`
#[derive(Clone, Debug, Default)]
pub struct Issuer {
    /// The exact `iss`; without it, the first valid discovery document says.
    pub issuer: Option<String>,
    /// The origin that RPs use. Follows from `issuer` where it is not set.
    pub external_url: Option<Origin>,
    /// What wins over the discovery document.
    pub metadata: ConfiguredMetadata,
    /// Where the discovery document stands, if not where it belongs.
    pub discovery_uri: Option<Uri>,
    /// Members of the discovery document that are known better: name and JSON.
    pub discovery: Vec<(String, String)>,
    /// Other values of `iss` that the IdP writes into this issuer's tokens or metadata.
    pub aliases: Vec<String>,
    /// The `iss` of access tokens, where it is another.
    pub access_token_issuer: Option<String>,
    /// The origins of applications in a browser that may read its responses, as browsers write them.
    pub cors_origins: Vec<String>,
    /// The audiences whose tokens are re-signed; empty allows all.
    pub audiences: Vec<String>,
    /// The bridge keys.
    pub keys: KeySource,
    /// What is known of single keys of the IdP.
    pub known_keys: Vec<KnownKey>,
}

/// Metadata of an IdP that has no discovery document, or a wrong one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredMetadata {
    /// The key set.
    pub jwks_uri: Option<Uri>,
    /// RFC 6749, section 3.2.
    pub token_endpoint: Option<Uri>,
    /// OpenID Connect Core 1.0, section 5.3.
    pub userinfo_endpoint: Option<Uri>,
    /// RFC 7662.
    pub introspection_endpoint: Option<Uri>,
    /// RFC 7009.
    pub revocation_endpoint: Option<Uri>,
    /// OpenID Connect RP-Initiated Logout 1.0.
    pub end_session_endpoint: Option<Uri>,
    /// RFC 6749, section 3.1.
    pub authorization_endpoint: Option<Uri>,
}

impl ConfiguredMetadata {
    /// Those that are there, by the names that they have in a discovery document.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Uri)> {
        let all = [
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
            ("jwks_uri", &self.jwks_uri),
            ("introspection_endpoint", &self.introspection_endpoint),
            ("revocation_endpoint", &self.revocation_endpoint),
            ("end_session_endpoint", &self.end_session_endpoint),
        ];
        all.into_iter().filter_map(|(name, uri)| Some((name, uri.as_ref()?)))
    }
}

/// Where an issuer's bridge keys come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// A directory of key files; not yet looked into, it may be missing.
    Directory(PathBuf),
    /// Made at start and forgotten at the end: for trying out.
    Ephemeral,
    /// Nowhere: no token is re-signed.
    #[default]
    None,
}

/// `[jwks]`
#[derive(Clone, Debug)]
pub struct Jwks {
    /// Whose keys the set holds.
    pub publish: Publish,
    /// After this time in each published set, every RP's cache has a key.
    pub settle: Duration,
    /// How long the last good set serves while the upstream can't be read.
    pub stale_if_error: Duration,
    /// The shortest time between refreshes.
    pub refresh_min: Duration,
    /// The longest time between refreshes.
    pub refresh_max: Duration,
    /// Whether a key whose private half the upstream published stays in the set.
    pub publish_compromised: bool,
    /// The media type of the set.
    pub content_type: ContentType,
    /// Other forms of the set, at paths of their own.
    pub views: Vec<View>,
}

/// One `[[jwks.view]]`: for relying parties that want what others refuse.
#[derive(Clone, Debug)]
pub struct View {
    /// The path at kidstamp.
    pub path: String,
    /// The issuer whose keys it shows; the only one, if it is not said.
    pub issuer: Option<String>,
    /// Whose keys it holds.
    pub publish: Publish,
    /// Its media type.
    pub content_type: ContentType,
}

/// Whose keys a published set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// The provider's, and the bridge keys after them.
    Both,
    /// The bridge keys alone.
    Bridge,
    /// The provider's alone.
    Upstream,
}

impl Publish {
    /// True if tokens that pass can be verified with such a set.
    #[must_use]
    pub const fn has_upstream(self) -> bool {
        matches!(self, Self::Both | Self::Upstream)
    }

    /// True if re-signed tokens can be verified with such a set.
    #[must_use]
    pub const fn has_bridge(self) -> bool {
        matches!(self, Self::Both | Self::Bridge)
    }
}

impl Word for Publish {
    const WORDS: &'static [(&'static str, Self)] =
        &[("both", Self::Both), ("bridge", Self::Bridge), ("upstream", Self::Upstream)];
}

/// `[tokens]`
#[derive(Clone, Debug)]
pub struct Tokens {
    /// What happens to tokens, kind by kind.
    pub modes: Modes,
    /// Whether a re-signed token carries what restores it.
    pub carrier: bool,
    /// Over this size the carrier is left out.
    pub max_token_bytes: usize,
    /// By how much the upstream's clock may differ.
    pub clock_skew: Duration,
    /// What happens to a response with a token that can't be vouched for.
    pub on_failure: OnFailure,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            modes: Modes::default(),
            carrier: true,
            max_token_bytes: 8_192,
            clock_skew: Duration::from_secs(60),
            on_failure: OnFailure::Pass,
        }
    }
}

/// One `[[client]]`: a relying party that wants something else than the others.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`, which stands in the `aud` of its ID tokens.
    pub id: String,
    /// The issuer that knows it by this name; the only one, if it is not said.
    pub issuer: Option<String>,
    /// The file with its secret; not looked into yet, it may be missing.
    pub secret_file: Option<PathBuf>,
    /// What tokens are re-signed with that its secret signed; by default what a bridge key with the same hash function
    /// has.
    pub alg: Option<Alg>,
    /// The domains whose e-mail addresses count as verified though the provider says nothing of it; in lower case.
    pub verified_email_domains: Vec<String>,
    /// Whether its ID tokens get the nonce of their authorization request, where the provider loses it.
    pub restore_nonce: bool,
    /// `[client.tokens]`, with `[tokens]` for what is not said there.
    pub tokens: Tokens,
    /// `[client.rules]`, with `[rules]` for what is not said there.
    pub rules: BTreeMap<String, Setting>,
}

/// `[keys]`
#[derive(Clone, Debug)]
pub struct Keys {
    /// How long a key that no longer signs stays published.
    pub retain: Duration,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// What may happen to userinfo responses, and to no other tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserInfoMode(pub(super) Mode);

impl Word for UserInfoMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self(Mode::Auto)),
        ("pass", Self(Mode::Pass)),
        ("annotate", Self(Mode::Annotate)),
        ("resign", Self(Mode::Resign)),
        ("json", Self(Mode::Json)),
    ];
}

/// What happens to a response with a token that kidstamp can't vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It goes on as it came.
    Pass,
    /// The relying party gets an error instead.
    Reject,
}

impl Word for OnFailure {
    const WORDS: &'static [(&'static str, Self)] =
        &[("pass", Self::Pass), ("reject", Self::Reject)];
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("pass", Self::Pass),
        ("annotate", Self::Annotate),
        ("resign", Self::Resign),
    ];
}

impl Word for Alg {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("ES512", Self::Es512),
        ("EdDSA", Self::EdDsa),
        ("Ed25519", Self::Ed25519),
    ];
}

/// The media type under which the key set is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`: what most RPs expect.
    Json,
    /// `application/jwk-set+json` (RFC 7517, section 8.5.2).
    JwkSetJson,
}

impl ContentType {
    const JSON: &'static str = "application/json";
    const JWK_SET_JSON: &'static str = "application/jwk-set+json";

    /// The value of the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => Self::JSON,
            Self::JwkSetJson => Self::JWK_SET_JSON,
        }
    }
}

impl Word for ContentType {
    const WORDS: &'static [(&'static str, Self)] =
        &[(Self::JSON, Self::Json), (Self::JWK_SET_JSON, Self::JwkSetJson)];
}

impl Word for Setting {
    const WORDS: &'static [(&'static str, Self)] =
        &[("repair", Self::Repair), ("warn", Self::Warn), ("off", Self::Off)];
}
