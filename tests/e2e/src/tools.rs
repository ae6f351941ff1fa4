//! Tools that a test needs and a machine may lack.

use std::{
    ffi::OsString,
    io::Write as _,
    process::{Command, Stdio},
};

/// Whether `tool` can be run. If not, says so loudly: the test then has nothing to do, and counts as
/// skipped.
#[must_use]
pub fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", tool]).stdout(Stdio::null()).status();
    let found = found.expect("a shell").success();
    if !found {
        skip(tool, "it is not on the PATH");
    }
    found
}

/// Says loudly that a test has nothing to do for want of `what`, and why; it counts as skipped.
pub fn skip(what: &str, why: &str) {
    // Not by `eprintln!`, which the test harness keeps to itself.
    let line = format!("SKIPPED: needs {what}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error");
}

/// The .NET for tests, as the server is told where it is. If there is none, says so loudly.
#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
pub(crate) fn dotnet() -> Option<[(&'static str, OsString); 2]> {
    let (root, compiler) =
        (std::env::var_os("WORKMANAGER_TEST_DOTNET_ROOT"), std::env::var_os("WORKMANAGER_TEST_ROSLYN"));
    let found = root.zip(compiler);
    if found.is_none() {
        skip("dotnet", "`cargo xtask test` installs one, `cargo xtask tools` says how it is found");
    }
    found.map(|(root, compiler)| [("DOTNET_ROOT", root), ("WORKMANAGER_CSHARP_COMPILER", compiler)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_by_name() {
        assert!(has("sh"));
    }
}
