//! What the kernel has.

use libc::{c_int, c_long};

/// `SECCOMP_GET_ACTION_AVAIL`, and the action that is asked for.
const GET_ACTION_AVAIL: c_long = 2;
const ACTION_ERRNO: u32 = 0x0005_0000;
/// `LANDLOCK_CREATE_RULESET_VERSION`
const VERSION: c_int = 1;

/// Whether system calls can be filtered, with an error for what is refused.
pub(super) fn seccomp() -> bool {
    let action: *const u32 = &ACTION_ERRNO;
    // SAFETY: the call reads four bytes, which are there, and changes nothing.
    unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0 as c_long, action) == 0 }
}

/// The version of Landlock's interface; `None` where the kernel has none, or it is switched off.
pub(super) fn landlock() -> Option<u32> {
    let nothing: *const u8 = std::ptr::null();
    // SAFETY: with this flag the call reads and changes nothing.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) };
    u32::try_from(version).ok().filter(|version| *version > 0)
}
