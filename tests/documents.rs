//! What the documents say is what the program does: keys, defaults, rules, flags, links.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may assert so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use kidstamp::rules::{self, Setting};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What the program prints, whatever the environment says.
fn printed(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_kidstamp")).args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of the tables below each heading that names a section: section, key, default.
fn documented() -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in read("docs/configuration.md").lines() {
        if let Some(heading) = line.strip_prefix("## `") {
            section = heading.trim_end_matches('`').to_owned();
        } else if !section.is_empty()
            && let Some(row) = line.strip_prefix("| `")
        {
            let (key, rest) = row.split_once("` | ").unwrap();
            let (default, _) = rest.split_once(" | ").unwrap();
            rows.push((section.clone(), key.to_owned(), default.to_owned()));
        }
    }
    rows
}

/// What `config show` says of each key: its value where that is a default, `None` otherwise.
fn in_effect() -> BTreeMap<(String, String), Option<String>> {
    let mut section = String::new();
    let mut keys = BTreeMap::new();
    let shown =
        printed(&["config", "show", "--upstream", "https://idp.internal", "--keys", "keys"]);
    for line in shown.lines() {
        if line.starts_with('[') {
            section = line.to_owned();
        } else if let Some((key, _)) =
            line.strip_prefix("# ").and_then(|unset| unset.split_once(" is not set"))
        {
            keys.insert((section.clone(), key.to_owned()), None);
        } else if let Some((key, value)) = line.split_once(" = ") {
            // A default that follows from the machine has a note of its own.
            let default = value.strip_suffix("  # default").map(str::to_owned);
            keys.insert((section.clone(), key.to_owned()), default);
        }
    }
    keys
}

#[test]
fn every_key_is_documented_with_its_default() {
    let rows = documented();
    let settings: Vec<_> =
        rows.iter().filter(|(section, ..)| section != "[rules]").cloned().collect();
    let mut expected = in_effect();
    assert!(expected.len() > 30, "{expected:?}");
    for (section, key, default) in settings {
        let value = expected
            .remove(&(section.clone(), key.clone()))
            .unwrap_or_else(|| panic!("{section} {key} is documented, and not a key"));
        match value {
            Some(value) => assert_eq!(default, format!("`{value}`"), "{section} {key}"),
            None => assert!(
                !default.contains(['`', '"']) || key == "server_name",
                "{section} {key}: {default}"
            ),
        }
    }
    assert!(expected.is_empty(), "not documented: {:?}", expected.keys());
}

#[test]
fn every_rule_is_documented() {
    let table = read("docs/configuration.md");
    let mut count = 0;
    for rule in rules::all() {
        let default = match rule.default {
            Setting::Repair => "repair",
            Setting::Warn => "warn",
            Setting::Off => "off",
        };
        let always = if rule.fixed { ", always" } else { "" };
        let row = format!("| `{}` | `\"{default}\"`{always} | {} |\n", rule.id, rule.summary);
        assert!(table.contains(&row), "docs/configuration.md needs the line {row}");
        count += 1;
    }
    assert_eq!(documented().iter().filter(|(section, ..)| section == "[rules]").count(), count);
}

#[test]
fn every_flag_is_documented() {
    let documented: BTreeSet<String> = read("docs/configuration.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `--"))
        .filter_map(|line| Some(line.split_once(" | `KIDSTAMP_")?.1.split_once('`')?.0.to_owned()))
        .collect();
    let help = printed(&["serve", "--help"]);
    let known: BTreeSet<String> = help
        .split("[env: KIDSTAMP_")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(']')?.0.to_owned()))
        .collect();
    assert!(known.contains("UPSTREAM"), "{help}");
    assert_eq!(documented, known);
}

const DOCUMENTS: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/configuration.md",
    "deploy/README.md",
];

/// The lines of the fenced blocks in `language`.
fn code(document: &str, language: &str) -> Vec<String> {
    fenced(document).filter_map(|(line, block)| (block == Some(language)).then_some(line)).collect()
}

/// The code between backquotes outside of fenced blocks.
fn inline_code(document: &str) -> Vec<String> {
    let prose: Vec<String> =
        fenced(document).filter_map(|(line, block)| block.is_none().then_some(line)).collect();
    prose.join("\n").split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Each line but the fences, with the language of the block that it stands in.
fn fenced(document: &str) -> impl Iterator<Item = (String, Option<&str>)> {
    let mut block = None;
    document.lines().filter_map(move |line| match line.trim_start().strip_prefix("```") {
        Some(language) => {
            block = if block.is_some() { None } else { Some(language) };
            None
        }
        None => Some((line.trim_end().to_owned(), block)),
    })
}

/// Subcommands and flags in the documents are those of the program.
#[test]
fn commands_in_documents_exist() {
    let mut count = 0;
    for path in DOCUMENTS {
        let text = read(path);
        for line in [code(&text, "sh"), code(&text, ""), inline_code(&text)].concat() {
            // A comment, a pipe or a redirection ends what is the program's; brackets say that a part may be left out.
            let line = line.split(['#', '|', '<', '>']).next().unwrap().replace(['[', ']'], " ");
            let Some(command) = line.trim().strip_prefix("kidstamp ") else { continue };
            let words: Vec<&str> = command.split_whitespace().collect();
            let subcommands = match words[0] {
                "keys" | "config" => &words[..2],
                "COMMAND" => continue,
                _ => &words[..1],
            };
            let help = printed(&[subcommands, &["--help"]].concat());
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let name = flag.split('=').next().unwrap();
                let known = help.split([' ', '[', '=', '\n']).any(|word| word == name);
                assert!(known, "{path}: {line}: {name} is no flag of it:\n{help}");
            }
            count += 1;
        }
    }
    assert!(count >= 15, "the documents show commands: {count}");
}

/// What the README shows of compose and Kubernetes stands in deploy/, where it is tested.
#[test]
fn excerpts_in_the_readme_stand_in_deploy() {
    let manifests = read("deploy/compose.yaml") + &read("deploy/kubernetes/deployment.yaml");
    let known: BTreeSet<&str> = manifests.lines().map(str::trim).collect();
    let excerpts = code(&read("README.md"), "yaml");
    assert!(excerpts.len() > 10, "{excerpts:?}");
    for line in excerpts.iter().map(|line| line.trim()) {
        assert!(line.starts_with('#') || known.contains(line), "{line} stands nowhere in deploy/");
    }
}

/// Links lead somewhere, and so do paths in the house.
#[test]
fn links_and_paths_in_documents_lead_somewhere() {
    for path in DOCUMENTS {
        let text = read(path);
        let folder = root().join(path).parent().unwrap().to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://")) {
            let target = link.split('#').next().unwrap();
            assert!(target.is_empty() || folder.join(target).exists(), "{path}: {link}");
        }
        let folders = ["src/", "tests/", "config/", "deploy/", "docs/", "proxy/", "upstream/"];
        let paths = inline_code(&text).into_iter().filter(|quoted| {
            folders.iter().any(|folder| quoted.starts_with(folder))
                && !quoted.contains(' ')
                && !quoted.contains("NAME")
        });
        for quoted in paths {
            let places = [root().join(&quoted), root().join("src").join(&quoted)];
            assert!(places.iter().any(|place| place.exists()), "{path}: {quoted}");
        }
    }
}

#[test]
fn every_room_is_on_the_map() {
    let map = code(&read("ARCHITECTURE.md"), "").join("\n");
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let name = if entry.path().is_dir() { format!("  {name}/") } else { name };
        assert!(map.contains(&name), "ARCHITECTURE.md does not know src/{name}");
    }
}

/// The private half of an RSA key is used by one library only, in constant time (RUSTSEC-2023-0071).
#[test]
fn threat_46_no_second_implementation_of_rsa() {
    let locked = read("Cargo.lock");
    let banned = read("deny.toml");
    assert!(locked.contains("name = \"aws-lc-rs\"\n"));
    for name in ["rsa", "openssl", "p256", "ed25519-dalek"] {
        assert!(!locked.contains(&format!("name = \"{name}\"\n")), "{name} is in Cargo.lock");
        assert!(banned.contains(&format!("crate = \"{name}\"")), "{name} is not banned");
    }
}
