//! What every program of WorkManager needs: telemetry, named tasks, an ordered stop, an HTTP listener,
//! and the real clock.

mod chain;
pub mod clock;
pub mod field;
pub mod http;
pub mod secret;
pub mod tasks;
pub mod telemetry;

pub use chain::chain;
pub use clock::{SystemClock, UuidV7};
pub use secret::Secret;
pub use tasks::{OnError, Tasks};
