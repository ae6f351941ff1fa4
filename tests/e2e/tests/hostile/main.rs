//! Workers that mean harm, or are broken as if they did: each one's event has an outcome that says what
//! happened, its neighbour does not notice, its own next event succeeds, and nothing is left of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod ends;
mod escapes;
mod loads;
mod output;
mod replies;
mod resources;
mod scene;
mod store;
mod stories;
