//! Bridge keys: files in a directory, and which of them signs when.
//!
//! There is no other state: replicas that mount the same Secret agree on what signs and what is
//! published, whatever traffic each has seen.

mod create;
mod directory;
mod file_name;
mod ring;

pub use create::{CreateError, create_file};
pub use directory::{DirectoryError, check_distinct, load_directory};
pub use file_name::{KeyFileName, NameError, TIME_FORMAT};
pub use ring::{KeyRing, KeyState, RingKey};
