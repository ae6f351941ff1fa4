//! What every program of WorkManager needs: telemetry, named tasks, an ordered stop, an HTTP listener,
//! the real clock, and where programs are.

mod chain;
pub mod clock;
pub mod field;
pub mod http;
mod search;
pub mod secret;
pub mod tasks;
pub mod telemetry;

pub use chain::chain;
pub use clock::{SystemClock, UuidV7};
pub use search::on_path;
pub use secret::Secret;
pub use tasks::{OnError, Tasks};
