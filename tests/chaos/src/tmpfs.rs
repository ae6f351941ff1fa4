//! A file system of a few megabytes, to be filled.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A mounted tmpfs, gone when dropped.
#[derive(Debug)]
pub struct Tmpfs {
    directory: TempDir,
}

impl Tmpfs {
    /// Mounts one of `size`, as in `32m`; `None` where that is not allowed.
    ///
    /// # Panics
    /// There is no temporary directory to mount it on.
    #[must_use]
    pub fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        let status = command.stdin(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(Self { directory })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: whatever still has a file open there keeps it, and nobody else sees it.
        drop(Command::new("umount").arg("--lazy").arg(self.directory.path()).status());
    }
}
