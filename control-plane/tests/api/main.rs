//! The API as its callers see it: every operation, over the embedded store and a fake target.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod harness;

mod artefacts;
mod causes;
mod change;
mod code;
mod create;
mod damage;
mod dedicated;
mod documents;
mod faults;
mod gate;
mod idempotency;
mod internal;
mod invoke;
mod lifecycle;
mod list;
mod operations;
mod publish;
mod quarantined;
mod recovery;
mod replicas;
mod shapes;
mod stories;
mod tags;
mod tail;
