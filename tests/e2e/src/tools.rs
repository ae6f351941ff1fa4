//! Tools that a test needs and a machine may lack.

use std::{
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_by_name() {
        assert!(has("sh"));
    }
}
