//! The system calls that a worker has no use for and that reach beyond its process, or outlive it.

use libc::c_long;
use seccompiler::{
    SeccompCmpArgLen::Dword,
    SeccompCmpOp::{Eq, MaskedEq, Ne},
    SeccompCondition, SeccompRule,
};

/// Refused whatever their arguments are.
pub(super) fn always() -> impl Iterator<Item = c_long> {
    [PROCESSES, NEIGHBOURS, KERNEL, MOUNTS, FILES, OUTLIVE].into_iter().flatten().chain(OF_THIS_MACHINE).copied()
}

/// A process starts no other and stays in its group.
const PROCESSES: &[c_long] = &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_setsid, libc::SYS_setpgid];

/// Other processes of the same user are not looked into, and not bothered.
const NEIGHBOURS: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ioprio_set,
];

/// What changes the machine, or is a wide door into its kernel.
const KERNEL: &[c_long] = &[
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_personality,
];

/// Another view of the file system, or a way around the one there is.
const MOUNTS: &[c_long] = &[
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // open_tree_attr
    467,
];

/// What changes a file that it could not write: Landlock has no word for these. What is written to all disks
/// at once holds up everybody.
const FILES: &[c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    // fchmodat2
    452,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // setxattrat, removexattrat, file_setattr
    463,
    466,
    469,
    libc::SYS_sync,
    libc::SYS_syncfs,
];

/// Memory that no limit counts, and that may stay when its process has ended.
const OUTLIVE: &[c_long] =
    &[libc::SYS_memfd_create, libc::SYS_shmget, libc::SYS_semget, libc::SYS_msgget, libc::SYS_mq_open];

#[cfg(target_arch = "x86_64")]
const OF_THIS_MACHINE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_THIS_MACHINE: &[c_long] = &[];

/// What makes a call one that is refused: the values of its arguments, by their place.
type When = &'static [(u8, Test)];

#[derive(Debug, Clone, Copy)]
enum Test {
    Is(u64),
    IsNot(u64),
    Lacks(u64),
    /// Not the process's own id.
    IsOther,
}

use Test::{Is, IsNot, IsOther, Lacks};

/// Refused with some arguments; several lines for one call are alternatives.
const SOMETIMES: &[(c_long, When)] = &[
    // A thread is no process.
    (libc::SYS_clone, &[(0, Lacks(libc::CLONE_THREAD as u64))]),
    // Signals reach the process itself.
    (libc::SYS_kill, &[(0, IsOther)]),
    (libc::SYS_tkill, &[(0, IsOther)]),
    (libc::SYS_tgkill, &[(0, IsOther)]),
    (libc::SYS_rt_sigqueueinfo, &[(0, IsOther)]),
    (libc::SYS_rt_tgsigqueueinfo, &[(0, IsOther)]),
    // So do those that a descriptor sends: F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP.
    (libc::SYS_fcntl, &[(1, Is(8))]),
    (libc::SYS_fcntl, &[(1, Is(10))]),
    (libc::SYS_fcntl, &[(1, Is(15))]),
    (libc::SYS_ioctl, &[(1, Is(0x8901))]),
    (libc::SYS_ioctl, &[(1, Is(0x8902))]),
    // A file that can be read can be locked, and who writes to it then waits, the store as well: F_SETLK,
    // F_SETLKW, and the same of open files. A lease makes wait whoever opens it: F_SETLEASE.
    (libc::SYS_fcntl, &[(1, Is(6))]),
    (libc::SYS_fcntl, &[(1, Is(7))]),
    (libc::SYS_fcntl, &[(1, Is(37))]),
    (libc::SYS_fcntl, &[(1, Is(38))]),
    (libc::SYS_fcntl, &[(1, Is(1024))]),
    // Flags of a file, and who may decrypt it: FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR.
    (libc::SYS_ioctl, &[(1, Is(0x4008_6602))]),
    (libc::SYS_ioctl, &[(1, Is(0x401c_5820))]),
    // It speaks to the network, and asks the kernel about it. Sockets of this machine are doors that are
    // open to its user; pairs of sockets are made by another call.
    (
        libc::SYS_socket,
        &[(0, IsNot(libc::AF_INET as u64)), (0, IsNot(libc::AF_INET6 as u64)), (0, IsNot(libc::AF_NETLINK as u64))],
    ),
    // Nothing is typed into a terminal: TIOCSTI, TIOCLINUX.
    (libc::SYS_ioctl, &[(1, Is(0x5412))]),
    (libc::SYS_ioctl, &[(1, Is(0x541c))]),
    // It dies with its parent, and nobody debugs it: PR_SET_PDEATHSIG, PR_SET_PTRACER.
    (libc::SYS_prctl, &[(0, Is(1))]),
    (libc::SYS_prctl, &[(0, Is(0x5961_6d61))]),
    // Limits and priorities are its own.
    (libc::SYS_prlimit64, &[(0, IsNot(0))]),
    (libc::SYS_sched_setaffinity, &[(0, IsNot(0))]),
    (libc::SYS_sched_setscheduler, &[(0, IsNot(0))]),
    (libc::SYS_sched_setparam, &[(0, IsNot(0))]),
    (libc::SYS_sched_setattr, &[(0, IsNot(0))]),
    (libc::SYS_setpriority, &[(0, IsNot(0))]),
    (libc::SYS_setpriority, &[(1, IsNot(0))]),
    (libc::SYS_migrate_pages, &[(0, IsNot(0))]),
    (libc::SYS_move_pages, &[(0, IsNot(0))]),
];

/// The rules for calls that are refused with some arguments, to the process `pid`.
pub(super) fn sometimes(pid: u32) -> impl Iterator<Item = (c_long, Result<SeccompRule, seccompiler::BackendError>)> {
    SOMETIMES.iter().map(move |(call, when)| {
        let conditions = when.iter().map(|(place, test)| {
            let (test, value) = match *test {
                Is(value) => (Eq, value),
                IsNot(value) => (Ne, value),
                Lacks(bits) => (MaskedEq(bits), 0),
                IsOther => (Ne, u64::from(pid)),
            };
            SeccompCondition::new(*place, Dword, test, value)
        });
        (*call, conditions.collect::<Result<_, _>>().and_then(SeccompRule::new))
    })
}
