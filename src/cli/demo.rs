//! `kidstamp demo`: the whole story in one process, and an exit code that says whether it was true.

use super::known_rules;
use super::output::refuse;
use super::signals::Signals;
use crate::config::{self, Override, Overrides};
use crate::demo::{self, Placement, Stage, StageError, Start, Started};
use crate::proxy;
use clap::Args;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

/// The flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoFlags {
    /// Leave everyone running, with their URLs and what to try with curl, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(flags: &DemoFlags) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("can't start an event loop: {error}")),
    };
    match runtime.block_on(tell(flags)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            refuse(&format!("the demo did not come to its end: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// True if every step went as it had to.
async fn tell(flags: &DemoFlags) -> Result<bool, StageError> {
    // Colours on a terminal alone, and not where NO_COLOR is set.
    let mut out = anstream::stdout();
    let start: Arc<Start> = Arc::new(start_kidstamp);
    let stage = Stage::set_up(start).await?;
    let report = demo::run(&stage, &mut out).await?;
    let held = report.failed().is_none();
    if flags.keep {
        writeln!(out)?;
        stage.describe(&mut out)?;
        Signals::receive()?.end().await;
    }
    stage.take_down().await;
    Ok(held)
}

/// kidstamp as `serve` starts it, with nothing set but what the demo needs.
fn start_kidstamp(placement: &Placement) -> Result<Started, String> {
    let set = |flag, value: &str| Some(Override::from_flag(flag, value));
    let overrides = Overrides {
        upstream: set("--upstream", &placement.upstream),
        external_url: set("--external-url", &placement.external_url),
        listen: set("--listen", &placement.listen.to_string()),
        admin: set("--admin", "127.0.0.1:0"),
        ephemeral_key: set("--ephemeral-key", "true"),
        ..Overrides::default()
    };
    let config = config::load(&overrides, &known_rules()).map_err(|error| error.to_string())?;
    let running = proxy::start(config).map_err(|error| error.to_string())?;
    let Some(admin) = running.admin() else { return Err("it has no admin listener".to_owned()) };
    let ready_url = format!("http://{admin}/readyz");
    Ok(Started { ready_url, stop: Box::new(move || running.stop()) })
}
