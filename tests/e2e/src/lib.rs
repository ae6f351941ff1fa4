//! What the end-to-end tests share: the real binary, a real HTTP client, and a look at what is left
//! running.

#![expect(clippy::panic, clippy::expect_used, reason = "a test that cannot go on fails there")]

mod binaries;
pub mod doc_blocks;
mod processes;
mod server;
mod shell;
mod sidecar;
mod tools;
mod wait;

pub use binaries::{function, workmanager};
pub use processes::{command_line, descendants, is_alive};
pub use server::{Answer, Server, Tail, base64, free_ports};
pub use shell::Shell;
pub use sidecar::{Redis, Sidecar, tool};
pub use tools::{has, skip};
pub use wait::{eventually, within};
