//! What is known of the provider, and how it is reached.
//!
//! The rest of the house sees a [`Site`]: which path is which endpoint of which issuer, and that issuer's
//! [`Snapshot`]. It is replaced as a whole, from the background, and what is in it depends only on the
//! provider's documents, the configuration, the key files and the clock: never on traffic.

mod coding;
mod connect;
mod discovery;
mod driver;
mod fetch;
mod health;
mod metadata;
mod path;
mod publication;
mod refresh;
mod refresher;
mod sender;
mod single_write;
mod site;
mod snapshot;
mod stream;
mod tls;
mod treatment;

pub use coding::{Bounds, CodingError, check_coding, decode};
#[cfg(feature = "in-memory")]
pub use connect::InMemory;
pub use connect::{ConnectError, Connector};
pub(crate) use discovery::{Signs, Surroundings};
pub use driver::Driver;
pub use fetch::{FetchError, Fetched, Forwarding, fetch};
pub use health::{Failure, Health};
pub use metadata::{Metadata, MetadataError};
pub use path::normalise;
pub use publication::Publication;
pub use refresh::{Background, PrepareError, Tasks};
pub use refresher::{IssuerStatus, Refresher, Wanted};
pub use sender::Sender;
pub(crate) use single_write::poll_write_pieces;
pub use site::{Endpoint, Route, Site, discovery_path};
pub(crate) use snapshot::signs_of;
pub use snapshot::{PublishedDiscovery, PublishedKeys, Snapshot, SnapshotError};
pub use tls::TlsError;
pub use treatment::{Treatment, Treatments};
