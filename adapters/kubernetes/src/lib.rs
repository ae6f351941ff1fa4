//! Knative Services of single workers, made through the Kubernetes API.
//!
//! A worker's service is like the shared service of its kind of code, with the worker's limits in place of the
//! pool's, and its name is made of the worker's id. Ours are those that carry our label with this deployment's
//! name; what has the name and not the label is left alone. Everything is written by server-side apply, so that
//! the API server knows which fields are ours, and nothing is written that is there already.

mod access;
mod error;
mod function;
mod object;
mod quantity;
mod services;

pub use access::{NoCluster, in_cluster};
pub use function::{InvalidFunction, SharedFunction};
pub use services::Knative;
