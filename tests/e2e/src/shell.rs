//! A reader who types what a document says.

use std::process::Command;

use tempfile::TempDir;

use crate::{Server, doc_blocks::Block, workmanager};

/// A reader's shell: one folder, the binary on the `PATH`, the server in the environment.
pub struct Shell {
    /// Whom it speaks to.
    pub server: Server,
    /// Where its files are.
    pub folder: TempDir,
}

impl Shell {
    /// A shell in an empty folder.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self { server, folder: tempfile::tempdir().expect("a temporary directory") }
    }

    /// Types a block, every command of which succeeds. What it wrote is the answer.
    #[track_caller]
    pub fn types(&self, block: &Block) -> String {
        let binaries = workmanager().parent().expect("a folder").display().to_string();
        let script = format!("PATH={binaries}:$PATH\n{}", block.script());
        let mut shell = Command::new("timeout");
        shell.args(["60", "bash", "-euo", "pipefail", "-c", &script]).current_dir(self.folder.path());
        let output = shell.env("WORKMANAGER_SERVER", self.server.url()).output().expect("bash runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} of {}:{}\n{out}{err}", output.status, block.file, block.line);
        out.into_owned()
    }

    /// Types a block whose output has these parts.
    #[track_caller]
    pub fn shows(&self, block: &Block, parts: &[&str]) {
        let out = self.types(block);
        for part in parts {
            assert!(out.contains(part), "{}:{} does not show `{part}`:\n{out}", block.file, block.line);
        }
    }
}
