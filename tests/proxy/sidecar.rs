//! Kidstamp in this process, before an upstream, with a configuration file of the test's own.

use crate::client::{Client, Response};
use crate::gate::eventually;
use crate::tokens::Key;
use crate::upstream::Upstream;
use kidstamp::config::{self, KnownRule, Override, Overrides};
use kidstamp::proxy::{self, Running};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;
use tempfile::TempDir;

/// A kidstamp that serves. Ends with the test, without waiting for what is under way.
pub(crate) struct Sidecar {
    listen: SocketAddr,
    admin: SocketAddr,
    running: Option<Running>,
    _folder: TempDir,
}

/// A kidstamp to be.
pub(crate) struct Setup {
    settings: String,
    issuers: String,
    key: Option<String>,
    upstream: SocketAddr,
    name: Option<&'static str>,
    scheme: &'static str,
    listen: String,
    url: Option<String>,
    written: Option<String>,
    folder: TempDir,
}

impl Setup {
    /// More lines for the configuration, such as `server.drain_delay = "1s"`.
    pub(crate) fn with(mut self, settings: &str) -> Self {
        self.settings.push_str(settings);
        self.settings.push('\n');
        self
    }

    /// Other issuers than the one that the upstream has by itself. `KEYS` becomes the key directory.
    pub(crate) fn with_issuers(mut self, issuers: &str) -> Self {
        self.issuers = issuers.to_owned();
        self
    }

    /// The upstream is known under a name.
    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The upstream speaks TLS.
    pub(crate) fn over_tls(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// Somewhere else than on a free port.
    pub(crate) fn listening(mut self, listen: &str) -> Self {
        self.listen = listen.to_owned();
        self
    }

    /// Another URL for the upstream than that of its address.
    pub(crate) fn behind(mut self, url: &str) -> Self {
        self.url = Some(url.to_owned());
        self
    }

    /// With this file, but for what `[server]` says.
    pub(crate) fn written(mut self, file: &str) -> Self {
        self.written = Some(file.to_owned());
        self
    }

    /// Another bridge key than usual.
    pub(crate) fn with_key(mut self, key: &Key) -> Self {
        self.key = Some(key.pem());
        self
    }

    /// Writes the configuration and the key; what stands in the folder ends with it.
    pub(crate) fn write(self) -> (PathBuf, TempDir) {
        let keys = self.folder.path().join("keys");
        fs::create_dir(&keys).unwrap();
        let key = keys.join("bridge.pem");
        fs::write(&key, self.key.unwrap_or_else(|| Key::bridge().pem())).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let workers =
            if self.settings.contains("server.workers") { "" } else { "server.workers = 1" };
        let upstream = self.name.map_or_else(
            || self.upstream.to_string(),
            |name| format!("{name}:{}", self.upstream.port()),
        );
        let server = format!(
            "server.listen = \"{}\"\nserver.admin = \"127.0.0.1:0\"\n{workers}",
            self.listen
        );
        let rest = self.written.unwrap_or_else(|| {
            format!(
                "upstream.url = \"{}\"\n{}\n{}",
                self.url.unwrap_or_else(|| format!("{}://{upstream}", self.scheme)),
                self.settings,
                self.issuers.replace("KEYS", keys.to_str().unwrap()),
            )
        });
        let text = format!("{server}\n{rest}");
        let file = self.folder.path().join("kidstamp.toml");
        fs::write(&file, text).unwrap();
        (file, self.folder)
    }

    /// Starts, and waits until the provider's documents are known.
    pub(crate) fn start(self) -> Sidecar {
        let sidecar = self.start_blind();
        sidecar.await_ready();
        sidecar
    }

    /// Starts, whether or not anything is known of the provider.
    pub(crate) fn start_blind(self) -> Sidecar {
        let (file, folder) = self.write();
        let overrides = Overrides {
            config: Some(Override::from_flag("--config", file.to_str().unwrap())),
            ..Overrides::default()
        };
        let rules: Vec<KnownRule<'_>> = kidstamp::rules::all().map(KnownRule::from).collect();
        let config = config::load(&overrides, &rules).expect("a valid configuration");
        let running = proxy::start(config).expect("kidstamp starts");
        let admin = running.admin().expect("an admin address");
        // Tests of Unix sockets know their path.
        let listen = running.listen().tcp().unwrap_or(admin);
        Sidecar { listen, admin, running: Some(running), _folder: folder }
    }
}

impl Sidecar {
    /// Before that upstream, with one worker, so that its connections are shared by all clients.
    pub(crate) fn before(upstream: &Upstream) -> Setup {
        Self::before_address(upstream.address())
    }

    pub(crate) fn before_address(upstream: SocketAddr) -> Setup {
        Setup {
            settings: String::new(),
            issuers: "[[issuer]]\nissuer = \"https://idp.test\"\nkeys = \"KEYS\"\n".to_owned(),
            key: None,
            upstream,
            name: None,
            scheme: "http",
            listen: "127.0.0.1:0".to_owned(),
            url: None,
            written: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Where it serves clients.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Begins to stop it; the thread ends when it has.
    pub(crate) fn stop(&mut self) -> thread::JoinHandle<()> {
        let running = self.running.take().expect("it runs");
        thread::spawn(move || running.stop())
    }

    /// A new connection.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.listen)
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// `GET path` at the admin address: status and body.
    pub(crate) fn admin(&self, path: &str) -> (u16, String) {
        ask_admin(self.admin, path)
    }

    /// A request at the admin address, to the byte.
    pub(crate) fn ask_admin(&self, request: &str) -> Response {
        Client::connect(self.admin).send(request).response()
    }

    pub(crate) fn await_ready(&self) {
        eventually("kidstamp is ready", || (self.admin("/readyz").0 == 200).then_some(()));
    }

    /// The value of a metric, such as `kidstamp_restores_total{place="query",result="restored"}`; 0 if it is not
    /// there.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, metrics) = self.admin("/metrics");
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// How many ID tokens passed for that reason.
    pub(crate) fn passed(&self, reason: &str) -> u64 {
        self.metric(&token_metric("pass", reason))
    }

    /// How many ID tokens were re-signed for that reason.
    pub(crate) fn resigned(&self, reason: &str) -> u64 {
        self.metric(&token_metric("resign", reason))
    }

    /// The published key set.
    pub(crate) fn jwks(&self) -> String {
        let response = self.client().get("/jwks.json");
        assert_eq!(response.status, 200, "{response:?}");
        response.text()
    }
}

fn token_metric(action: &str, reason: &str) -> String {
    format!("kidstamp_tokens_total{{kind=\"id_token\",action=\"{action}\",reason=\"{reason}\"}}")
}

/// `GET path` at an admin address: status and body.
pub(crate) fn ask_admin(admin: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Client::connect(admin);
    let response =
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).response();
    (response.status, response.text())
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            thread::spawn(move || running.stop());
        }
    }
}
