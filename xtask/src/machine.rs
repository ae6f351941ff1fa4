//! On which machine, and of which commit, a number was measured.

use std::{fs, process::Command};

use crate::root;

/// The machine, in one line.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory: u64 = number_after(&memory, "MemTotal:").unwrap_or_default();
    let kernel = said("uname", &["-sr"]);
    format!("{model}, {cores} cores, {} GiB memory, {kernel}", memory / (1 << 20))
}

/// How busy the machine is: its load over the last minute.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The commit, with `+` if files differ from it.
pub(crate) fn commit() -> String {
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let is_clean = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!("{commit}{}", if is_clean { "" } else { "+" })
}

/// Today.
pub(crate) fn today() -> String {
    said("date", &["-u", "+%F"])
}

fn number_after<T: std::str::FromStr>(text: &str, name: &str) -> Option<T> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
