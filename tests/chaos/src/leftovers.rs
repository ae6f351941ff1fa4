//! What is left of a product that has stopped.

use std::{path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use workmanager_tests_e2e::{command_line, is_alive};

/// How long a process may take to go after its control plane.
const GOING: Duration = Duration::from_secs(5);

/// Processes that work for the product in `directory`, and what it left among the temporary files, in
/// words. The processes are killed, so that a failed run leaves nobody.
pub(crate) fn find(directory: &Path, temporary: &Path) -> Vec<String> {
    let name = directory.to_string_lossy();
    let start = std::time::Instant::now();
    let mut processes = ours(&name);
    while !processes.is_empty() && start.elapsed() < GOING {
        std::thread::park_timeout(Duration::from_millis(20));
        processes = ours(&name);
    }
    let mut found: Vec<_> =
        processes.iter().map(|pid| format!("process {pid}: {}", command_line(*pid).trim())).collect();
    for pid in processes.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // One may end another.
        let _ = kill_process(pid, Signal::KILL);
    }
    let files = std::fs::read_dir(temporary).expect("the temporary folder can be listed").flatten();
    found.extend(files.map(|file| format!("temporary file {}", file.path().display())));
    found
}

/// Everybody who has the directory in the command line: control planes, functions and interpreters.
fn ours(directory: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_alive(*pid) && command_line(*pid).contains(directory)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_and_a_file_that_are_left_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let temporary = directory.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        assert_eq!(find(directory.path(), &temporary), Vec::<String>::new());
        std::fs::write(temporary.join("forgotten"), "").unwrap();
        let file = temporary.join("forgotten");
        let mut child = Command::new("tail").arg("-f").arg(&file).spawn().unwrap();
        let found = find(directory.path(), &temporary);
        assert!(!child.wait().unwrap().success(), "it is ended");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains(&format!("process {}", child.id())), "{found:?}");
    }
}
