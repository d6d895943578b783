//! `kidstamp serve`: start, tell where, and end in order.

use super::flags::ServeFlags;
use super::known_rules;
use super::output::refuse;
use super::signals::{Signals, Wish};
use super::watched::Watched;
use crate::config::{self, LogFormat, ValidConfig};
use crate::proxy::{self, Inherited};
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::{info, warn};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// Log lines that may wait to be written; what comes beyond is dropped, never waited for.
const LOG_QUEUE: usize = 2_000;

pub(super) fn run(flags: &ServeFlags) -> ExitCode {
    // Before it is read, so that no change is missed.
    let file = flags.overrides.config.as_ref().map(|file| PathBuf::from(file.text()));
    let mut file = Watched::new(file);
    let config = match config::load(&flags.overrides, &known_rules()) {
        Ok(config) => config,
        Err(error) => return refuse(&error.to_string()),
    };
    let _flushed_at_the_end = start_log(&config);
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let upstream = config.upstream.address();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("can't start an event loop: {error}")),
    };
    let mut signals = match runtime.block_on(async { Signals::receive() }) {
        Ok(signals) => signals,
        Err(error) => return refuse(&format!("can't receive signals: {error}")),
    };
    let inherited = match Inherited::from_environment() {
        Ok(inherited) => inherited,
        Err(error) => return refuse(&error.to_string()),
    };
    allow_descriptors(config.server.limits.connections);
    let mut running = match proxy::start_on(config, inherited) {
        Ok(running) => running,
        Err(error) => return refuse(&error.to_string()),
    };
    let admin =
        running.admin().map_or_else(|| "off".to_owned(), |address| format!("http://{address}"));
    info!(version = env!("CARGO_PKG_VERSION"), admin, upstream, "listening on {}", running.url());
    while runtime.block_on(next_wish(&mut signals, &mut file)) == Wish::Reload {
        // What changes from here on is another change.
        file.has_changed();
        running.reload(config::load(&flags.overrides, &known_rules()));
    }
    std::thread::spawn(move || {
        // Who asks twice does not want to wait for open requests.
        runtime.block_on(signals.end());
        #[expect(clippy::exit, reason = "open requests are what is not waited for")]
        std::process::exit(1);
    });
    running.stop();
    info!("done");
    ExitCode::SUCCESS
}

/// Takes as many descriptors as this process may have: many a system gives 1024 at first, and more to who asks.
/// `connections` of clients want as many towards the provider in the worst case.
fn allow_descriptors(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2);
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) if allowed >= wanted => {}
        Ok(allowed) => warn!(
            "this process may have {allowed} open files, which is too few for server.limits.connections = \
             {connections}; allow {wanted} (ulimit -Hn, LimitNOFILE=), or lower the limit"
        ),
        Err(error) => warn!("the number of files that may be open can't be raised: {error}"),
    }
}

async fn next_wish(signals: &mut Signals, file: &mut Watched) -> Wish {
    tokio::select! {
        wish = signals.next() => wish,
        () = file.changed() => {
            info!("the configuration file has changed: reading it again");
            Wish::Reload
        }
    }
}

/// Logs to standard error through a bounded queue, so that a full pipe stops no request.
fn start_log(config: &ValidConfig) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_QUEUE)
        .finish(io::stderr());
    let levels =
        Targets::new().with_default(LevelFilter::WARN).with_target("kidstamp", LevelFilter::INFO);
    let registry = tracing_subscriber::registry().with(levels);
    let lines = fmt::layer().with_writer(writer);
    // Only a second start in one process could fail here, and that one has its log.
    let _ = match config.server.log_format {
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_current_span(false)).try_init()
        }
        LogFormat::Text => {
            registry.with(lines.with_target(false).with_ansi(io::stderr().is_terminal())).try_init()
        }
    };
    guard
}
