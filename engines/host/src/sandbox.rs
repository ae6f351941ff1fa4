//! What holds a process in its place: some of it from before its first instruction, the rest from before
//! the first instruction of a worker.

mod confine;
mod denied;
mod enter;
mod filter;
mod landlock;
mod policy;
mod probe;

pub use confine::confine;
pub use policy::{Level, Limits, Memory, NextProgram, Policy, Sandbox, UnknownLevel};
