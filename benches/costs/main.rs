//! What things cost, in instructions and system calls rather than in seconds: those hardly depend on the machine or
//! on its other work, so that they can be compared commit by commit.
//!
//! `cargo bench --bench costs` prints them beside the committed ones; with `-- --check` it fails where one differs by
//! more than its tolerance, with `-- --update` it commits what it counted to `benches/costs/committed.tsv`. The
//! counting is valgrind's (callgrind) and strace's; an own runner, since crates for this bring a second binary of just
//! the right version, and can't count what a running proxy does.
//!
//! With `-- --train PROGRAM` it counts nothing, and makes requests of a program that was built to take notes
//! (`deploy/build-release`).

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::exit,
    missing_docs,
    reason = "a program for developers: what goes wrong ends it"
)]

mod committed;
mod connections;
mod core_functions;
mod counting;
mod requests;
mod training;

use committed::Committed;

/// Something that was counted.
struct Cost {
    name: String,
    unit: &'static str,
    count: f64,
    /// How far from the committed figure it may be, as a part of it.
    tolerance: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [core_functions::CASE, name] => core_functions::run(name),
        ["--train", program] => training::train(program),
        [] | ["--check"] | ["--update"] => all(arguments.first().map(String::as_str)),
        _ => {
            eprintln!("usage: cargo bench --bench costs [-- --check|--update|--train PROGRAM]");
            std::process::exit(2);
        }
    }
}

/// Where the committed figures were counted: another one has other instructions.
const ARCHITECTURE: &str = "x86_64";

fn all(what: Option<&str>) {
    if std::env::consts::ARCH != ARCHITECTURE {
        println!("skipped: costs: the committed figures are of {ARCHITECTURE}");
        return;
    }
    for (tool, package) in [("valgrind", "valgrind"), ("strace", "strace")] {
        if !counting::is_there(tool) {
            println!("skipped: costs: no {tool} here (Debian: {package})");
            return;
        }
    }
    let committed = Committed::read();
    let mut costs = core_functions::count();
    costs.extend(requests::count());
    println!("{:<58} {:>12} {:>12} {:>8}", "", "committed", "now", "");
    let mut off = Vec::new();
    for cost in &costs {
        let before = committed.of(&cost.name);
        let change = before.map(|before| cost.count / before - 1.0);
        println!(
            "{:<58} {:>12} {:>12} {:>8}",
            format!("{} ({})", cost.name, cost.unit),
            before.map_or("-".to_owned(), committed::figure),
            committed::figure(cost.count),
            change.map_or("new".to_owned(), |change| format!("{:+.1} %", change * 100.0)),
        );
        if change.is_none_or(|change| change.abs() > cost.tolerance) {
            off.push(cost.name.as_str());
        }
    }
    match what {
        Some("--update") => Committed::write(&costs),
        Some("--check") if !off.is_empty() => {
            println!(
                "\nnot as committed: {}\nIf that is meant, say why in the commit, and run: cargo bench --bench costs -- --update",
                off.join(", ")
            );
            std::process::exit(1);
        }
        _ => {}
    }
}
