//! Seeing that a configuration file has changed.
//!
//! By looking at it now and then, since that also sees what no notification tells of: a mounted ConfigMap that is
//! replaced by way of a symbolic link, or a file on a network.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// The configuration is not read beyond this either.
const MOST_BYTES: u64 = 1 << 20;

/// A file that is looked at.
pub(super) struct Watched {
    path: Option<PathBuf>,
    known: Option<Vec<u8>>,
}

impl Watched {
    /// As it is now; `None` is a file that never changes.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        let mut watched = Self { path, known: None };
        watched.known = watched.read();
        watched
    }

    /// Returns when the file has become another one, and can be read.
    pub(super) async fn changed(&mut self) {
        loop {
            sleep(INTERVAL).await;
            if self.has_changed() {
                return;
            }
        }
    }

    /// True once for each change. While there is no file, there is none yet.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = self.read();
        if now.is_none() || now == self.known {
            return false;
        }
        self.known = now;
        true
    }

    fn read(&self) -> Option<Vec<u8>> {
        let path = self.path.as_ref()?;
        // A device or a pipe has no end.
        let is_plain =
            fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= MOST_BYTES);
        if is_plain { fs::read(path).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_change_is_seen_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kidstamp.toml");
        fs::write(&path, "a").unwrap();
        let mut watched = Watched::new(Some(path.clone()));
        assert!(!watched.has_changed());
        fs::write(&path, "b").unwrap();
        assert!(watched.has_changed() && !watched.has_changed());
        fs::remove_file(&path).unwrap();
        assert!(!watched.has_changed(), "gone for a moment");
        let other = folder.path().join("other.toml");
        fs::write(&other, "b").unwrap();
        symlink(&other, &path).unwrap();
        assert!(!watched.has_changed(), "the same words at another place");
        let third = folder.path().join("third.toml");
        fs::write(&third, "c").unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&third, &path).unwrap();
        assert!(watched.has_changed());
        assert!(!Watched::new(None).has_changed());
        assert!(!Watched::new(Some("/dev/zero".into())).has_changed());
    }
}
