//! The default store and bus: one SQLite file in one directory, for one process.
//!
//! Every write goes through one thread, which puts all that waits into one transaction: many writers
//! share one `fsync`. Reads have connections of their own. Blobs are files beside the database, so
//! that large code never holds up an event.
//!
//! What the ports leave open, this adapter does so:
//! - A first subscription does not replay history: it starts with what is published after it.
//! - A settlement is one transaction: all of it happens, or nothing.
//! - A publisher waits, for a second at most, while ten thousand events wait on a topic that is taken from:
//!   those who work come to their turn.
//! - Within one life of the process an event is delivered once, unless its subscription is dropped
//!   first. After a restart everything that was not acknowledged comes again.
//! - Revisions are numbered over the whole store, so they grow over deletions without tombstones.

mod blobs;
mod bus;
mod config;
mod error;
mod failure;
mod hub;
mod lock;
mod log;
mod metrics;
mod prune;
mod publish;
mod queue;
mod readers;
mod records;
mod schema;
mod settle;
mod shrink;
mod space;
mod store;
mod subscription;
mod tail;
mod writer;

pub use config::{Config, Keep, Location};
pub use error::Error;
pub use store::Store;
