//! The file with a client's secret; it has to be kept as a key is.

use crate::jose::ClientSecret;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// No secret is that long.
const MAX_BYTES: u64 = 4 << 10;

/// Why a file gave no secret. None of the texts holds any of its bytes.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It can't be read.
    #[error("can't read the file {} with the secret of the client \"{client}\": {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The client's ID.
        client: String,
        /// Why.
        error: io::Error,
    },
    /// Others may write into it.
    #[error(
        "the file {} with the secret of the client \"{client}\" may be written by everyone (mode {mode:03o}); run: \
         chmod o-w {}",
        path.display(), path.display()
    )]
    Writable {
        /// The file.
        path: PathBuf,
        /// The client's ID.
        client: String,
        /// Its permissions.
        mode: u32,
    },
    /// It holds nothing, or more than a secret.
    #[error(
        "the file {} holds no secret of the client \"{client}\": it is {problem}; write the client_secret that the \
         provider knows into it, and nothing else",
        path.display()
    )]
    NoSecret {
        /// The file.
        path: PathBuf,
        /// The client's ID.
        client: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads the secret of `client`; the second part is a warning for the operator.
pub fn load_client_secret(
    path: &Path,
    client: &str,
) -> Result<(ClientSecret, Option<String>), SecretError> {
    let names = || (path.to_owned(), client.to_owned());
    let read = |error| {
        let (path, client) = names();
        SecretError::Read { path, client, error }
    };
    let no_secret = |problem| {
        let (path, client) = names();
        SecretError::NoSecret { path, client, problem }
    };
    let metadata = fs::metadata(path).map_err(read)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o002 != 0 {
        let (path, client) = names();
        return Err(SecretError::Writable { path, client, mode });
    }
    if metadata.len() > MAX_BYTES {
        return Err(no_secret("longer than 4 KiB"));
    }
    let content = Zeroizing::new(fs::read(path).map_err(read)?);
    let secret = ClientSecret::from_file(&content).ok_or_else(|| no_secret("empty"))?;
    let warning = (mode & 0o004 != 0).then(|| {
        format!(
            "the file {} with the secret of the client \"{client}\" may be read by everyone (mode {mode:03o})",
            path.display()
        )
    });
    Ok((secret, warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(content: &str, mode: u32) -> Result<(ClientSecret, Option<String>), SecretError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        load_client_secret(&path, "crm")
    }

    #[test]
    fn a_secret_is_kept_as_a_key_is() {
        let (secret, warning) = load("hunter2\n", 0o600).unwrap();
        assert_eq!((secret.octets(), warning), (&b"hunter2"[..], None));
        let (_, warning) = load("hunter2\n", 0o644).unwrap();
        assert!(warning.is_some_and(|warning| warning.contains("may be read by everyone")));
        for (content, mode, said) in [
            ("hunter2", 0o602, "chmod o-w"),
            ("\n", 0o600, "it is empty"),
            (&"hunter2".repeat(1000), 0o600, "longer than 4 KiB"),
        ] {
            let error = load(content, mode).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("\"crm\""), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let missing = load_client_secret(Path::new("/does/not/exist"), "crm").unwrap_err();
        assert!(missing.to_string().contains("can't read the file /does/not/exist"), "{missing}");
    }
}
