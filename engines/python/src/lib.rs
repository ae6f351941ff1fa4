//! Runs Python workers on CPython 3.9 and later: one interpreter is started ahead of time and forks a
//! process for each worker, so that a new worker costs about a fork.

mod engine;
mod interpreter;
mod nursery;
mod runtime;
mod zygote;

pub use engine::{Options, Python};
