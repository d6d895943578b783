//! Reading a directory of bridge keys, such as a Kubernetes Secret mount.

use super::file_name::{KeyFileName, NameError};
use super::private_file::{PrivateFileError, read_private_file};
use super::ring::{KeyRing, RingKey};
use crate::jose::{KeyError, SigningKey};
use crate::token::BridgeKey;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a directory gave no keys. None of the texts holds any of a key's bytes.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The directory can't be listed.
    #[error("can't list the key directory {}: {error}{}", path.display(), way_out(path, error))]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file can't be read.
    #[error("can't read the key file {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is no key that can be used.
    #[error("the key file {} can't be used: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// The time in a file's name is none.
    #[error("the key file {}: {error}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why.
        error: NameError,
    },
    /// Others may put a key of theirs in its place.
    #[error("the key file {} may be written by everyone (mode {mode:03o}); run: chmod o-w {}", path.display(), path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Two issuers would sign with one key: a token of the one would pass for one of the other.
    #[error(
        "two issuers have the same bridge key {kid} (in {} and {}); each needs a key of its own (RFC 8725 section 3.8)",
        first.display(),
        second.display()
    )]
    Shared {
        /// The key's thumbprint.
        kid: String,
        /// The directory of the one issuer.
        first: PathBuf,
        /// The directory of the other.
        second: PathBuf,
    },
    /// No file holds a key.
    #[error(
        "no key file in {}; make one with: kidstamp keys generate --dir {}",
        path.display(),
        path.display()
    )]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

/// What to do about a directory that is not there.
fn way_out(path: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        format!("; make it and a key with: kidstamp keys generate --dir {}", path.display())
    } else {
        String::new()
    }
}

/// Reads every key file of `directory`; the second part are warnings for the operator.
///
/// Names that begin with a dot are skipped (Kubernetes keeps its links there), and so are other files that
/// are no key files by their name.
pub fn load_directory(directory: &Path) -> Result<(KeyRing, Vec<String>), DirectoryError> {
    let list = |error| DirectoryError::List { path: directory.to_owned(), error };
    let mut keys = Vec::new();
    let mut warnings = Vec::new();
    for entry in fs::read_dir(directory).map_err(list)? {
        let path = entry.map_err(list)?.path();
        let Some(name) =
            path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.'))
        else {
            continue;
        };
        match KeyFileName::parse(name) {
            Ok(parsed) => {
                let name = name.to_owned();
                let key = load_file(&path, &parsed, &mut warnings)?;
                keys.push(RingKey {
                    key: Arc::new(BridgeKey::new(key)),
                    active_from: parsed.active_from,
                    name,
                });
            }
            Err(NameError::Extension) if path.is_dir() => {}
            Err(error @ NameError::Extension) => {
                warnings.push(format!("{} is skipped: {error}", path.display()));
            }
            Err(error) => return Err(DirectoryError::Name { path, error }),
        }
    }
    if keys.is_empty() {
        return Err(DirectoryError::Empty { path: directory.to_owned() });
    }
    Ok((KeyRing::new(keys), warnings))
}

/// Refuses rings of different issuers that share a key (RFC 8725 §3.8).
pub fn check_distinct(rings: &[(&Path, &KeyRing)]) -> Result<(), DirectoryError> {
    let mut owners: HashMap<&str, &Path> = HashMap::new();
    for (directory, ring) in rings {
        for (kid, _) in ring.kids() {
            match owners.insert(kid, directory) {
                Some(first) if first != *directory => {
                    let (first, second) = (first.to_owned(), directory.to_path_buf());
                    return Err(DirectoryError::Shared { kid: kid.to_owned(), first, second });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn load_file(
    path: &Path,
    name: &KeyFileName,
    warnings: &mut Vec<String>,
) -> Result<SigningKey, DirectoryError> {
    let path_of = || path.to_owned();
    let file = read_private_file(path).map_err(|error| match error {
        PrivateFileError::Read(error) => DirectoryError::Read { path: path_of(), error },
        PrivateFileError::Writable { mode } => DirectoryError::Writable { path: path_of(), mode },
        PrivateFileError::TooLong => {
            DirectoryError::Key { path: path_of(), error: KeyError::Unreadable }
        }
    })?;
    warnings
        .extend(file.warning.map(|warning| format!("the key file {} {warning}", path.display())));
    SigningKey::from_file(&file.bytes, name.alg)
        .map_err(|error| DirectoryError::Key { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Alg;
    use std::os::unix::fs::PermissionsExt as _;

    fn write(directory: &Path, name: &str, content: &str, mode: u32) {
        let path = directory.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_of_keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert!(matches!(load_directory(path), Err(DirectoryError::Empty { .. })));
        let key = SigningKey::generate(Alg::Es256).unwrap();
        write(path, "a.pem", &key.to_pem().unwrap(), 0o600);
        write(path, ".hidden.pem", "no key", 0o600);
        write(path, "README", "about", 0o644);
        fs::create_dir(path.join("..data")).unwrap();
        let (ring, warnings) = load_directory(path).unwrap();
        assert_eq!(ring.active(0)[0].kid(), key.kid());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        write(path, "b.pem", &key.to_pem().unwrap(), 0o644);
        assert_eq!(load_directory(path).unwrap().1.len(), 2);
        write(path, "b.pem", &key.to_pem().unwrap(), 0o606);
        assert!(matches!(load_directory(path), Err(DirectoryError::Writable { mode: 0o606, .. })));
        write(path, "b.pem", "-----BEGIN PRIVATE KEY-----", 0o600);
        assert!(matches!(load_directory(path), Err(DirectoryError::Key { .. })));
    }

    #[test]
    fn two_issuers_may_not_share_a_key() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = SigningKey::generate(Alg::Es256).unwrap();
        write(one.path(), "a.pem", &key.to_pem().unwrap(), 0o600);
        write(two.path(), "b.pem", &key.to_pem().unwrap(), 0o600);
        let rings = [one.path(), two.path()].map(|path| (path, load_directory(path).unwrap().0));
        let rings: Vec<_> = rings.iter().map(|(path, ring)| (*path, ring)).collect();
        let error = check_distinct(&rings).unwrap_err().to_string();
        assert!(error.contains(key.kid()) && error.contains("3.8"), "{error}");
        check_distinct(&rings[..1]).unwrap();
    }

    #[test]
    fn errors_name_the_file_and_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write(path, "small.pem", include_str!("../../tests/fixtures/keys/rsa-1024.pem"), 0o600);
        let error = load_directory(path).unwrap_err().to_string();
        assert!(error.contains("small.pem") && error.contains("under 2048 bits"), "{error}");
    }
}
