//! Reading a file that holds a private key: not too long, and not one that everyone may replace.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Largest file that is read as a key.
const MAX_BYTES: u64 = 64 << 10;

/// What a file with a private key holds.
pub(crate) struct PrivateFile {
    /// Its bytes, forgotten in the end.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// What an operator should know: the end of the sentence that begins with the file.
    pub(crate) warning: Option<String>,
}

/// Why a file was not read: the end of the sentence that begins with the file. Holds none of its bytes.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// The system refused.
    #[error("can't be read: {0}")]
    Read(#[from] io::Error),
    /// Others may put a key of theirs in its place.
    #[error("may be written by everyone (mode {mode:03o}); take that right away with chmod o-w")]
    Writable {
        /// Its permissions.
        mode: u32,
    },
    /// It is no key.
    #[error("is longer than any key")]
    TooLong,
}

/// Reads `path`, wherever links lead.
pub(crate) fn read_private_file(path: &Path) -> Result<PrivateFile, PrivateFileError> {
    let metadata = fs::metadata(path)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o002 != 0 {
        return Err(PrivateFileError::Writable { mode });
    }
    if metadata.len() > MAX_BYTES {
        return Err(PrivateFileError::TooLong);
    }
    let warning = (mode & 0o004 != 0).then(|| format!("may be read by everyone (mode {mode:03o})"));
    Ok(PrivateFile { bytes: Zeroizing::new(fs::read(path)?), warning })
}
