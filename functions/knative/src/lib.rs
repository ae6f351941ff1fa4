//! The function process: attempts and plain events in over HTTP, a worker's answer out. It runs behind
//! Knative, behind the local control plane, or on its own.

mod attempts;
mod config;
mod events;
mod frames;
mod listen;
mod operations;
mod outlet;
mod preload;
mod problem;
mod router;
mod run;
mod validate;

pub use config::{Config, Given, Listen};
pub use run::{Error, run};
