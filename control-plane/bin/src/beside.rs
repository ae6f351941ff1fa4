//! Becomes a program that ends with its parent, however that ends: a shell's `exec` with a promise.

use std::{io, os::unix::process::CommandExt as _, process::Command};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::program::Beside;

/// Does not come back, unless it cannot be done.
pub(crate) fn become_it(Beside { parent, line }: &Beside) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before the promise was made.
    let now = getppid().map(Pid::as_raw_pid).and_then(|pid| u32::try_from(pid).ok());
    match line.split_first() {
        Some((program, arguments)) if now == Some(*parent) => Command::new(program).args(arguments).exec(),
        _ => io::Error::other("its parent has ended"),
    }
}
