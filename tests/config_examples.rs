//! Every configuration that this repository shows is one that the program takes.

#![allow(clippy::unwrap_used, reason = "a test may assert by unwrapping")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn check(file: &Path) -> Output {
    // What the machine happens to set must neither mend nor break an example.
    Command::new(env!("CARGO_BIN_EXE_kidstamp"))
        .args(["config", "check"])
        .arg(file)
        .env_clear()
        .output()
        .unwrap()
}

/// The TOML files below `folder`, at any depth.
fn examples_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(examples_in(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["config", "deploy"].map(|folder| examples_in(&root.join(folder)));
    for examples in &folders {
        assert!(!examples.is_empty(), "both folders have examples: {folders:?}");
    }
    folders.concat()
}

#[test]
fn each_example_is_good() {
    for file in examples() {
        let output = check(&file);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {said}", file.display());
    }
}

/// The control: the check would find a key that the program does not know.
#[test]
fn an_unknown_key_in_an_example_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for (index, file) in examples().iter().enumerate() {
        let text = fs::read_to_string(file).unwrap();
        let spoilt = text.replacen("\n[upstream]\n", "\n[upstream]\nuri = \"x\"\n", 1);
        assert_ne!(spoilt, text, "{} has a section [upstream]", file.display());
        let path = folder.path().join(format!("{index}.toml"));
        fs::write(&path, spoilt).unwrap();
        let output = check(&path);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{}: {said}", file.display());
        assert!(said.contains("unknown key `uri` in [upstream]"), "{}: {said}", file.display());
    }
}
