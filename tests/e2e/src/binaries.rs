//! The binaries under test, built once per test process from the tree as it is.

use std::{path::PathBuf, process::Command, sync::OnceLock};

/// The control plane's binary.
#[must_use]
pub fn workmanager() -> PathBuf {
    directory().join("workmanager")
}

/// The function's binary.
#[must_use]
pub fn function() -> PathBuf {
    directory().join("workmanager-function")
}

/// Cargo builds the binaries of other packages only when it is asked to.
fn directory() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let me = std::env::current_exe().expect("the test binary has a path");
        // …/<profile>/deps/<test binary>
        let directory = me.ancestors().nth(2).expect("it lies in deps").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "workmanager", "--package", "workmanager-function"]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        let target = directory.parent().expect("the profile lies in the target directory");
        let status = build.env("CARGO_TARGET_DIR", target).status().expect("cargo runs");
        assert!(status.success(), "the binaries under test do not build");
        directory
    })
}
