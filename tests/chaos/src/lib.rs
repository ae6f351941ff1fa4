//! A lab that breaks a running product on purpose, and a judge that was not there.
//!
//! Numbered events are published while processes are killed and stopped at random, by a plan that a seed
//! repeats. Four witnesses tell what happened, none of them the product's word alone: who published what
//! and was answered, what each execution told a sink outside the product, what the reply topic holds, and
//! which process was hit when. With the event records that the store holds after the stop they are one
//! [`History`], which the [`oracle`] judges.

#![expect(clippy::panic, clippy::expect_used, reason = "a test that cannot go on fails there")]

mod client;
mod family;
mod fault;
mod history;
mod injector;
mod lab;
mod ledger;
mod leftovers;
mod options;
pub mod oracle;
mod plan;
mod plane;
mod publishers;
mod replies;
mod sink;
mod summary;
mod tmpfs;
mod workload;

pub use client::{Answer, Client};
pub use fault::{Fault, FaultLog, Kind, Target};
pub use history::{Death, Descriptors, Execution, Expected, History, Publication, Reply};
pub use lab::{Lab, Outcome, Settings, run};
pub use options::Options;
pub use plan::{Mix, Plan, Step};
pub use plane::{Place, Plane};
pub use summary::Summary;
pub use tmpfs::Tmpfs;
