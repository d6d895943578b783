//! threat_51: what kidstamp is made of. No crate of `Cargo.lock` has a known flaw, and the account of the heaviest ones
//! (docs/dependencies.md) speaks of what is there.
//!
//! The flaws are those of the RustSec database, as a file among the public vectors; without it these tests say that
//! they are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test ends where something is not as it should be"
)]

use semver::{Version, VersionReq};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every crate of the lock file, with its versions.
fn locked() -> BTreeMap<String, Vec<Version>> {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let mut crates: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |key: &str| package[key].as_str().unwrap();
        let version = text("version").parse().unwrap();
        crates.entry(text("name").to_owned()).or_default().push(version);
    }
    assert!(crates.len() > 100 && crates.contains_key("rustls"), "the lock file was read");
    crates
}

/// The known flaws by crate; `None` where there is no file of them.
fn advisories(test: &str) -> Option<BTreeMap<String, Vec<Value>>> {
    let folder = std::env::var_os("KIDSTAMP_VECTORS").map(PathBuf::from);
    let files = folder.and_then(|folder| fs::read_dir(folder.join("advisories")).ok());
    let mut known: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for file in files.into_iter().flatten() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let more: BTreeMap<String, Vec<Value>> = serde_json::from_str(&text).unwrap();
        for (name, flaws) in more {
            known.entry(name).or_default().extend(flaws);
        }
    }
    if known.is_empty() {
        println!("skipped: {test}: KIDSTAMP_VECTORS names no folder with advisories");
        return None;
    }
    Some(known)
}

/// Why `version` has the flaw; `None` if it has not. That a crate is no longer looked after is not a flaw by itself.
fn flaw_in(version: &Version, flaw: &Value) -> Option<String> {
    if flaw["withdrawn"] == true || flaw["informational"] == "unmaintained" {
        return None;
    }
    let patched = flaw["patched"].as_array().unwrap();
    let is_patched = patched.iter().any(|range| {
        let range = VersionReq::parse(range.as_str().unwrap()).unwrap();
        range.matches(version)
    });
    (!is_patched).then(|| format!("{} ({})", flaw["id"], flaw["title"]))
}

#[test]
fn threat_51_no_locked_crate_has_a_known_flaw() {
    let Some(known) = advisories("threat_51_no_locked_crate_has_a_known_flaw") else { return };
    let mut compared = 0;
    let mut found = Vec::new();
    for (name, versions) in locked() {
        for flaw in known.get(&name).into_iter().flatten() {
            for version in &versions {
                compared += 1;
                let flaw = flaw_in(version, flaw);
                found.extend(flaw.map(|flaw| format!("{name} {version}: {flaw}")));
            }
        }
    }
    assert!(found.is_empty(), "update these: {found:#?}");
    assert!(compared > 20, "the list speaks of crates that are used here: {compared}");
    println!("{compared} advisories on locked crates, none applies");
}

/// The control: each of these is found.
#[test]
fn threat_51_an_old_crate_would_be_seen() {
    let Some(known) = advisories("threat_51_an_old_crate_would_be_seen") else { return };
    for (name, old, id) in [
        ("hyper", "0.14.9", "RUSTSEC-2021-0079"),
        ("rustls", "0.23.17", "RUSTSEC-2024-0399"),
        ("rustls-webpki", "0.103.12", "RUSTSEC-2026-0104"),
        ("bytes", "1.11.0", "RUSTSEC-2026-0007"),
    ] {
        let version = Version::parse(old).unwrap();
        let flaws = known[name].iter().filter_map(|flaw| flaw_in(&version, flaw));
        assert!(flaws.into_iter().any(|flaw| flaw.contains(id)), "{name} {old}: {id}");
    }
}

/// The names of the crates that kidstamp asks for, as a lock file has them.
fn asked_for(lock: &str) -> BTreeSet<String> {
    let lock: toml::Table = read(lock).parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let own = packages.iter().find(|package| package["name"].as_str() == Some("kidstamp"));
    let names = own.unwrap()["dependencies"].as_array().unwrap().iter();
    // Where there are several versions of a crate, the one that is meant stands behind the name.
    names.map(|name| name.as_str().unwrap().split(' ').next().unwrap().to_owned()).collect()
}

/// The workspace of fuzz/ has a lock file of its own, which a new dependency makes stale.
#[test]
fn the_lock_of_fuzz_knows_what_kidstamp_depends_on() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let mut wanted: BTreeSet<String> =
        manifest["dependencies"].as_table().unwrap().keys().cloned().collect();
    for target in manifest["target"].as_table().unwrap().values() {
        wanted.extend(target["dependencies"].as_table().unwrap().keys().cloned());
    }
    assert!(wanted.is_subset(&asked_for("Cargo.lock")), "the manifest was read");
    let found = asked_for("fuzz/Cargo.lock");
    assert_eq!(found, wanted, "run: cargo update --workspace --manifest-path fuzz/Cargo.toml");
}

#[test]
fn the_account_of_dependencies_speaks_of_what_is_there() {
    let locked = locked();
    let document = read("docs/dependencies.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), 10, "the ten heaviest");
    for row in rows {
        let name = row.trim_start_matches("| `").split('`').next().unwrap();
        let version = row.split(" | ").nth(1).unwrap();
        let request = VersionReq::parse(version).unwrap();
        let versions = locked.get(name).unwrap_or_else(|| panic!("{name} is not in Cargo.lock"));
        let matches = versions.iter().any(|version| request.matches(version));
        assert!(
            matches,
            "{name}: the account is of {version}, locked is {versions:?}; look at what changed"
        );
    }
}

/// The bill of materials holds what is linked, with the checksums of `Cargo.lock`, and nothing else.
#[test]
fn the_bill_of_materials_is_that_of_the_lock_file() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/sbom");
    let output = match std::process::Command::new("python3").arg(script).output() {
        Ok(output) => output,
        Err(error) => {
            println!(
                "skipped: the_bill_of_materials_is_that_of_the_lock_file: no python3: {error}"
            );
            return;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    let components = bill["components"].as_array().unwrap();
    let locked = locked();
    for component in components {
        let name = component["name"].as_str().unwrap();
        let version: Version = component["version"].as_str().unwrap().parse().unwrap();
        assert!(locked[name].contains(&version), "{name} {version}");
        assert_eq!(component["hashes"][0]["content"].as_str().map(str::len), Some(64), "{name}");
        assert!(component["licenses"][0]["expression"].is_string(), "{name}");
    }
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    assert!(has("rustls") && has("aws-lc-sys") && has("hyper"));
    assert!(!has("proptest") && !has("syn") && !has("kidstamp"), "not what only builds or tests");
}
