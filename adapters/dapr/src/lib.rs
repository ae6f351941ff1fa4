//! Store and bus on a Dapr sidecar: whatever broker and state store its Component files name.
//!
//! **State.** A record is one key, written by compare-and-swap with first-write concurrency and never in a
//! transaction, because Redis' are not atomic. Each value begins with our own revision and a random mark, so
//! that after any error one read tells whether the write landed. A deleted record leaves a tombstone for a
//! while: some stores do not look at the etag of a key that is not there, and would bring it back.
//! Dapr cannot list keys, so pages come from index documents of our own. They hold an id from before its record
//! is written until after it is deleted; a crash in between leaves an id without a record, which is skipped.
//! Event records are too many for that: those of one event id share a key, and only the id finds them.
//! Finished event records and dead letters end by the store's own time to live. That Redis sets in a second step:
//! where it fails between the two, such a record stays.
//!
//! **Bus.** One raw stream per topic, and one for a private *redo* topic that is the dead-letter topic of all:
//! what the sidecar gives up comes back there. An event is answered only when it is settled, or given back;
//! it is never dropped. The Component and Resiliency files that this needs are in `deploy/dapr`.
//!
//! What the ports leave open, this adapter does so:
//! - A first subscription shows what the broker kept; with Redis that is the whole stream.
//! - Events come at least once, in no order. Every delivery says that it may have been there before, because
//!   another replica, or an earlier life of this one, may have had it.
//! - A batch is published event by event: an error leaves open which of them were accepted.
//! - A settlement goes step by step. Before its replies are published its records' conditions are looked at,
//!   so an outcome that is there already stops a second reply, except in a race between that look and the write.
//! - JSON data keeps its meaning and its digits; the sidecar changes white space and the order of members.
//! - Nobody can say how much waits, and a tail shows only what passes through this process.
//! - Giving a topic up ends its stream. What the broker keeps of it stays there and comes with a later
//!   subscription: no call of Dapr's removes it.

mod blobs;
mod bus;
mod cell;
mod cells;
mod checkup;
mod config;
mod dapr;
mod events;
mod gather;
mod hub;
mod index;
mod intake;
mod line;
mod local;
mod outgoing;
mod posts;
mod reconcile;
mod records;
mod settle;
mod shelf;
mod sidecar;
mod status;
mod stream;
mod subscription;
mod tail;
mod topics;
mod values;

pub use config::{Config, Endpoint, InvalidEndpoint, Options};
pub use dapr::{Dapr, Error};
pub use local::{Local, LocalError, Places};
