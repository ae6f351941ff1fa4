//! What holds a process from before its first instruction.

use std::{
    io,
    os::{
        fd::{AsRawFd, FromRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::Command,
};

use rustix::{
    io::FdFlags,
    process::{Resource, Rlimit, setrlimit},
    thread::set_no_new_privs,
};

/// The descriptor on which a process speaks to its host.
const CHANNEL: i32 = 3;

/// Makes `channel` the command's descriptor 3, gives it a process group of its own, no core dumps, and
/// no way to gain privileges. The environment stays as the command has it.
pub fn confine(command: &mut Command, channel: OwnedFd) {
    command.process_group(0);
    let prepare = move || -> io::Result<()> {
        if channel.as_raw_fd() == CHANNEL {
            rustix::io::fcntl_setfd(&channel, FdFlags::empty())?;
        } else {
            // SAFETY: the child owns its copies of all descriptors; 3 is replaced here and given up to
            // the program that is executed next, so nothing closes it twice.
            let mut three = unsafe { OwnedFd::from_raw_fd(CHANNEL) };
            let moved = rustix::io::dup2(&channel, &mut three);
            std::mem::forget(three);
            moved?;
        }
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        set_no_new_privs(true)?;
        Ok(())
    };
    // SAFETY: the closure makes system calls only and does not allocate; the error path of `rustix`
    // is an integer.
    unsafe { command.pre_exec(prepare) };
}
