//! A real Kubernetes on one machine, from the programs that `cargo xtask` builds out of Go modules.
//!
//! Everything runs in one *node*: namespaces of its own for network, mounts and processes. Nothing listens on
//! the machine's own ports, several nodes can run side by side, and ending a node's first process ends all of
//! it. Two tiers share the code: an API server with Knative's own admission (seconds, in every run), and a
//! whole cluster with kubelet, Knative and Dapr (the lab).

mod api;
mod images;
mod knative;
mod kubectl;
mod kubelet;
pub mod lab;
mod node;
mod programs;

pub use api::{Api, Tier};
pub use images::{Builder, Images};
pub use knative::admission;
pub use kubectl::Kubectl;
pub use node::{Life, Node};
pub use programs::Programs;
