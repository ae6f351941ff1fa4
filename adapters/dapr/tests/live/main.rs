//! The adapter on a real sidecar, with a real Redis.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failed test")]

mod answers;
mod bus;
mod checkup;
mod formats;
mod insight;
mod kills;
mod machine;
mod rabbit;
mod rabbit_kills;
mod replicas;
mod settlement;
mod state;
mod streams;
mod together;
