//! What a real API server and Knative's own admission say: nothing acts, everything is checked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod cluster;
mod dedicated;
mod manifests;
