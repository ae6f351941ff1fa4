//! What the end-to-end tests share: the real binary, a real HTTP client, and a look at what is left
//! running.

#![expect(clippy::panic, clippy::expect_used, reason = "a test that cannot go on fails there")]

mod binaries;
pub mod doc_blocks;
mod dotnet;
mod processes;
mod server;
mod shell;
mod sidecar;
mod tools;
mod wait;

pub use binaries::{function, workmanager};
pub use dotnet::{Dotnet, pack};
pub use processes::{command_line, descendants, is_alive};
pub use server::{Answer, Server, Tail, base64, free_ports};
pub use shell::Shell;
pub use sidecar::{Redis, Sidecar, tool};
pub use tools::{has, skip};
pub use wait::{eventually, within};

/// As users have it in their notes; not one byte may change.
pub const QUICK_START: &str = r#"curl -X POST http://localhost:5001/v1/workers \
-H "Content-Type: application/json" \
-d '{
"codeSource": {"Content": "ZGVmIFByb2Nlc3MoZXZlbnQpOgogICAgcmV0dXJuIHsiVHlwZSI6ICJjb20uZXhhbXBsZS5vdXRwdXQiLCAiU291cmNlIjogInB5dGhvbi13b3JrZXIiLCAiRGF0YSI6IGV2ZW50WydkYXRhJ119"}
}'"#;
