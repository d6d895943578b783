//! The committed figures.

use crate::Cost;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) struct Committed(BTreeMap<String, f64>);

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/costs/committed.tsv")
}

impl Committed {
    /// None, if there is no file yet.
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(file()).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .map(|line| {
                    let mut cells = line.split('\t');
                    let (name, count) = (cells.next().unwrap(), cells.next().expect("a figure"));
                    (name.to_owned(), count.parse().expect("a number"))
                })
                .collect(),
        )
    }

    pub(crate) fn of(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub(crate) fn write(costs: &[Cost]) {
        let mut text = "# Made by `cargo bench --bench costs -- --update`.\n".to_owned();
        for Cost { name, unit, count, .. } in costs {
            text.push_str(&format!("{name}\t{}\t{unit}\n", figure(*count)));
        }
        std::fs::write(file(), text).unwrap();
    }
}

/// A count as it is written: of calls, with a decimal.
pub(crate) fn figure(count: f64) -> String {
    if count < 100.0 { format!("{count:.1}") } else { format!("{count:.0}") }
}
