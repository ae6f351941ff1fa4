//! Who is who among the processes below a control plane, and how to signal exactly that one.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use workmanager_tests_e2e::{command_line, descendants, is_alive};

use crate::fault::Target;

/// A process that is held, so that no other can be hit in its place.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) pid: u32,
    handle: OwnedFd,
}

impl Victim {
    /// Holds the process `pick` (modulo their number) among those that are `target` now.
    pub(crate) fn hold(control_plane: u32, target: Target, pick: usize) -> Option<Self> {
        let found = find(control_plane, target);
        let pid = *found.get(pick % found.len().max(1))?;
        let handle = pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()?;
        // Looked at again now that the number cannot pass to another process.
        let is_same = is_alive(pid) && find(control_plane, target).contains(&pid);
        is_same.then_some(Self { pid, handle })
    }

    /// Says whether it was there to be signalled.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.handle, signal).is_ok()
    }
}

/// The processes that are `target` now, in a stable order.
pub(crate) fn find(control_plane: u32, target: Target) -> Vec<u32> {
    let mut found = match target {
        Target::ControlPlane => vec![control_plane],
        _ => descendants(control_plane).into_iter().filter(|pid| role(*pid) == Some(target)).collect(),
    };
    found.sort_unstable();
    found
}

/// What a process below a control plane is. The zygote's output goes nowhere, a child's to its parent.
fn role(pid: u32) -> Option<Target> {
    if !is_alive(pid) {
        return None;
    }
    let line = command_line(pid);
    if line.contains(" function --listen ") {
        return Some(Target::Function);
    }
    let output = std::fs::read_link(format!("/proc/{pid}/fd/1")).ok()?;
    let is_interpreter = line.contains(" -I -S -c ");
    is_interpreter.then(|| if output.as_os_str() == "/dev/null" { Target::Zygote } else { Target::Child })
}

/// Whether a process has a child; quicker to say than who it is.
pub(crate) fn has_child(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.into_iter().any(|thread| {
        std::fs::read_to_string(thread.path().join("children")).is_ok_and(|children| !children.trim().is_empty())
    })
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(pid: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}
