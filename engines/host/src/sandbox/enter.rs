//! Confining this very process: for programs that have one thread until they are confined, and then start a
//! runtime that has more.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::fs::DirBuilderExt as _,
    },
    path::{Path, PathBuf},
};

use libc::{c_int, c_long};

use super::{
    landlock::Landlock,
    policy::{Capabilities, Filter, Policy, Resources},
};

/// `LANDLOCK_RULE_PATH_BENEATH`
const PATH_BENEATH: c_int = 1;
/// `SECCOMP_SET_MODE_FILTER`
const SET_FILTER: c_long = 1;

/// The kernel's `landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    access: u64,
    folder: c_int,
}

impl Policy<'_> {
    /// Applies all of it to the calling process, for ever. Returns the folder that the process has of its own.
    ///
    /// # Errors
    /// A part cannot be applied; no code of a worker may run then. That includes a process with several threads,
    /// which would be confined in one of them only.
    pub fn enter(&self) -> io::Result<Option<PathBuf>> {
        if fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(io::Error::other("only a process with one thread can be confined"));
        }
        self.limits.enter()?;
        let folder = self.folders.map(own_folder).transpose()?;
        if let Some(landlock) = &self.landlock {
            landlock.enter(folder.as_deref())?;
        }
        if let Some(capabilities) = &self.capabilities {
            capabilities.enter()?;
        }
        // The last one: it refuses what the others need.
        if let Some(filter) = &self.filter {
            filter.enter()?;
        }
        Ok(folder)
    }
}

fn own_folder(folders: &Path) -> io::Result<PathBuf> {
    let folder = folders.join(std::process::id().to_string());
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

impl Resources {
    fn enter(&self) -> io::Result<()> {
        for (kind, value) in self.values {
            limit(kind, value)?;
        }
        let (kind, value, most) = self.memory;
        let statm = fs::read_to_string("/proc/self/statm")?;
        // All pages, or those that are data and stack.
        let place = if kind == i64::from(libc::RLIMIT_AS) { 0 } else { 5 };
        let pages = statm.split_ascii_whitespace().nth(place).and_then(|pages| pages.parse::<u64>().ok());
        let used = pages.unwrap_or_default().saturating_mul(rustix::param::page_size() as u64);
        let value = value.saturating_add(used);
        limit(kind, most.map_or(value, |most| value.min(most)))
    }
}

fn limit(kind: i64, value: u64) -> io::Result<()> {
    let both = [value; 2];
    let nothing: *const u64 = std::ptr::null();
    // SAFETY: the call reads the two numbers, which are there, and writes nothing.
    done(unsafe { libc::syscall(libc::SYS_prlimit64, 0 as c_int, kind, both.as_ptr(), nothing) }).map(drop)
}

impl Landlock {
    fn enter(&self, folder: Option<&Path>) -> io::Result<()> {
        let bytes = self.ruleset.bytes();
        // SAFETY: the call reads as many bytes as it is told, which are there.
        let rules =
            unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, bytes.as_ptr(), bytes.len(), 0 as c_int) };
        let rules = c_int::try_from(done(rules)?).map_err(io::Error::other)?;
        // SAFETY: the descriptor is new, and nobody else's.
        let rules = unsafe { OwnedFd::from_raw_fd(rules) };
        for (path, access) in [(folder, self.folder), (Some(Path::new("/dev/null")), self.null)] {
            let Some(path) = path else { continue };
            let file = File::open(path)?;
            let beneath = Beneath { access, folder: file.as_raw_fd() };
            let rule = (rules.as_raw_fd(), PATH_BENEATH, &raw const beneath, 0 as c_int);
            // SAFETY: the call reads one rule, which is there.
            done(unsafe { libc::syscall(libc::SYS_landlock_add_rule, rule.0, rule.1, rule.2, rule.3) })?;
        }
        // SAFETY: the call takes numbers only.
        done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0 as c_int) }).map(drop)
    }
}

impl Capabilities {
    fn enter(&self) -> io::Result<()> {
        // SAFETY: the call reads a header and three sets for its version, which are there.
        done(unsafe { libc::syscall(self.call, self.header.as_ptr(), self.data.as_ptr()) }).map(drop)
    }
}

impl Filter {
    fn enter(&self) -> io::Result<()> {
        let step = |bytes: &[u8; 8]| libc::sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        };
        let mut steps: Vec<_> = self.program.as_chunks().0.iter().map(step).collect();
        let len = u16::try_from(steps.len()).map_err(io::Error::other)?;
        let program = libc::sock_fprog { len, filter: steps.as_mut_ptr() };
        // SAFETY: the call reads the program, all of whose steps are there.
        done(unsafe { libc::syscall(self.call, SET_FILTER, self.flags, &raw const program) }).map(drop)
    }
}

fn done(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
