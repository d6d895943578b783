//! `kidstamp demo`: a legacy provider, kidstamp before it, and a strict relying party, which signs in with
//! and without kidstamp.
//!
//! It tells the truth or it fails: every step is a fact that was checked, and the parties share no code
//! with the proxy beyond [`crate::jose`] and [`crate::json`]. They are also what the crate's tests put around
//! the proxy. They must never be reachable from anywhere but loopback.
//!
//! On the way: `stage` sets the parties up, `story` says what has to happen, `screen` shows it.

mod diff;
pub mod http;
pub mod legacy_idp;
mod screen;
mod secret;
mod stage;
mod story;
pub mod strict_rp;
#[cfg(test)]
mod tests;

pub use diff::Change;
pub use stage::{Placement, Stage, StageError, Start, Started, Stop};
pub use story::{Mismatch, Outcome, Shown, Step};

use std::io::{self, Write};

/// What was done, up to the first step that failed.
pub struct Report {
    /// The steps, in their order.
    pub steps: Vec<Step>,
}

impl Report {
    /// The step that failed.
    pub fn failed(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.outcome.is_err())
    }
}

/// Does every step and shows it in `out`; ends at the first that fails.
pub async fn run(stage: &Stage, out: &mut dyn Write) -> io::Result<Report> {
    writeln!(
        out,
        "A legacy provider, kidstamp before it, and a strict relying party, all on loopback."
    )?;
    let mut report = Report { steps: Vec::new() };
    for chapter in story::CHAPTERS {
        screen::heading(out, chapter.heading)?;
        for plan in chapter.plans {
            let step = plan.perform(stage).await;
            screen::step(out, &step)?;
            let failed = step.outcome.is_err();
            report.steps.push(step);
            if failed {
                screen::failed(out)?;
                return Ok(report);
            }
        }
    }
    screen::held(out, report.steps.len())?;
    Ok(report)
}
