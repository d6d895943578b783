//! Writing a new key file, so that no reader ever sees half of it and no key is ever lost.

use super::file_name::KeyFileName;
use crate::jose::{KeyError, SigningKey};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Why no key file was written. None of the texts holds any of the key's bytes.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The directory can't be made.
    #[error("can't make the key directory {}: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file of that name is there. It may be the only copy of a key that tokens are signed with.
    #[error("{} exists and is not overwritten; choose another name, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be written.
    #[error("can't write the key file {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The key can't be put into a file.
    #[error("can't write the key: {0}")]
    Key(#[from] KeyError),
}

/// Writes `key` to `directory` under the name that `name` and `label` make; only its owner may read it. A
/// missing directory is made, for the owner alone.
pub fn create_file(
    directory: &Path,
    name: &KeyFileName,
    label: &str,
    key: &SigningKey,
) -> Result<PathBuf, CreateError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| CreateError::Directory { path: directory.to_owned(), error })?;
    let file_name = name.with_label(label);
    let path = directory.join(&file_name);
    // Readers skip names that begin with a dot.
    let hidden = directory.join(format!(".{file_name}.{}", std::process::id()));
    let pem = key.to_pem()?;
    let mut file = create(&hidden).map_err(|error| failed(error, &hidden))?;
    let written = file.write_all(pem.as_bytes()).and_then(|()| file.sync_all());
    let published = written.and_then(|()| publish(&hidden, &path));
    // Gone already where it was renamed.
    let _ = fs::remove_file(&hidden);
    published.map_err(|error| failed(error, &path))?;
    Ok(path)
}

fn failed(error: io::Error, path: &Path) -> CreateError {
    let path = path.to_owned();
    if error.kind() == ErrorKind::AlreadyExists {
        CreateError::Exists { path }
    } else {
        CreateError::Write { path, error }
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Gives the whole file its name, unless that is taken: `link` fails then, where `rename` would overwrite.
fn publish(hidden: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(hidden, path) {
        // Some file systems have no links.
        Err(error) if error.kind() != ErrorKind::AlreadyExists && !path.exists() => {
            fs::rename(hidden, path)
        }
        result => result,
    }
}
