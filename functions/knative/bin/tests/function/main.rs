//! The function process as its callers see it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod attempts;
mod csharp;
mod events;
mod life;
mod operations;
mod support;
