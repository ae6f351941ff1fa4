//! What is the embedded store's own: its directory, its end, its limits, its retention.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

#[path = "store/kill.rs"]
mod kill;
#[path = "store/life.rs"]
mod life;
#[path = "store/limits.rs"]
mod limits;
#[path = "store/support.rs"]
mod support;
