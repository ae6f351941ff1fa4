//! Runs .NET workers on CoreCLR 8 and later: C# source, which is compiled once, and assemblies. The runtime is
//! started by this program itself, ahead of time, and each worker version has processes of its own.

mod command;
mod compiler;
mod engine;
mod launch;
#[expect(unsafe_code, reason = "a runtime that is loaded into this process is spoken to by its C interface")]
mod launcher;
mod nursery;
mod programs;
mod rehearsal;
mod runtime;
mod toolchain;

pub use engine::{Dotnet, Options};
pub use launch::{Launcher, Way, launched};
pub use toolchain::events_of;
