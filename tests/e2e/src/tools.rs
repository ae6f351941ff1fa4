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
        // Not by `eprintln!`, which the test harness keeps to itself.
        let skip = format!("SKIPPED: needs {tool}: it is not on the PATH\n");
        std::io::stderr().write_all(skip.as_bytes()).expect("standard error");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_by_name() {
        assert!(has("sh"));
    }
}
