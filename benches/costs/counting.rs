//! callgrind and strace, and how their counts are read.

use std::path::Path;
use std::process::{Command, Stdio};

/// True if the program can be started.
pub(crate) fn is_there(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// A command that runs under callgrind, which writes its total into `log`; counted only within the function whose
/// name is `within`, if there is one.
pub(crate) fn callgrind(log: &Path, within: Option<&str>) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(format!("--log-file={}", log.display()));
    if let Some(function) = within {
        command.args(["--collect-atstart=no", &format!("--toggle-collect={function}")]);
    }
    command
}

/// The instructions that callgrind counted.
pub(crate) fn instructions(log: &Path) -> f64 {
    let text = std::fs::read_to_string(log).unwrap();
    let line = text.lines().find_map(|line| line.split_once("Collected : "));
    line.unwrap_or_else(|| panic!("callgrind counted nothing: {text}")).1.trim().parse().unwrap()
}

/// A command whose system calls strace counts, into `log`.
pub(crate) fn strace(log: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-U", "name,calls", "-o"]).arg(log);
    command
}

/// How many of the system calls of these names strace counted.
pub(crate) fn calls(log: &Path, names: &[&str]) -> f64 {
    count(log, |name| names.contains(&name))
}

/// How many of all others.
pub(crate) fn calls_but(log: &Path, names: &[&str]) -> f64 {
    count(log, |name| name != "total" && !names.contains(&name))
}

fn count(log: &Path, counts: impl Fn(&str) -> bool) -> f64 {
    let text = std::fs::read_to_string(log).unwrap();
    let cells = text.lines().filter_map(|line| {
        let mut cells = line.split_whitespace();
        let (name, count) = (cells.next()?, cells.next()?.parse::<f64>().ok()?);
        counts(name).then_some(count)
    });
    cells.sum()
}
