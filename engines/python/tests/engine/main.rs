//! The Python engine with a real CPython: what workers can rely on.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod contract;
mod failures;
mod life;
mod loading;
mod output;
mod reach;
mod replies;
mod sandbox;
mod support;
mod syntax;
mod versions;
