//! What is the embedded store's own: its directory, its end, its limits, its retention.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

mod disk;
mod kill;
mod life;
mod limits;
mod support;
