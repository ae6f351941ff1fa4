//! The dispatcher with a real Python engine and a stub of the control plane's code listener.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod compiling;
mod fetching;
mod loss;
mod pools;
mod support;
mod validating;
