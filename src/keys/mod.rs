//! Bridge keys: files in a directory, and which of them signs when. And the files with the secrets of clients.
//!
//! There is no other state: replicas that mount the same Secret agree on what signs and what is
//! published, whatever traffic each has seen.

mod client_secret;
mod create;
mod directory;
mod file_name;
mod private_file;
mod ring;

pub use client_secret::{SecretError, load_client_secret};
pub use create::{CreateError, create_file};
pub use directory::{DirectoryError, check_distinct, load_directory};
pub use file_name::{KeyFileName, NameError, TIME_FORMAT};
pub use private_file::PrivateFileError;
pub(crate) use private_file::read_private_file;
pub use ring::{KeyRing, KeyState, RingKey};
