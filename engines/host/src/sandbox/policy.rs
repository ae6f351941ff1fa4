//! What a process is told to do to itself.

use std::{fmt, path::Path, str::FromStr};

use rustix::process::{Resource, getrlimit};
use serde::{Serialize, Serializer};
use workmanager_core_domain::engine::Mechanism;

use super::{filter, landlock::Landlock, probe};

/// How much must hold a worker's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// All that this system has.
    #[default]
    Standard,
    /// All that there is; nothing runs where something is missing.
    Strict,
    /// Limits of resources only: for code that is trusted and starts programs of its own.
    Off,
}

/// Whether the process that is confined becomes another program afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NextProgram {
    /// It stays what it is.
    #[default]
    Refused,
    /// It does: a filter cannot count, so the worker may do so too, and stays confined.
    Allowed,
}

/// No such level.
#[derive(Debug, thiserror::Error)]
#[error("is none of standard, strict and off")]
pub struct UnknownLevel;

/// The mechanisms of this system, found once.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox {
    level: Level,
    filters: bool,
    landlock: Option<Landlock>,
    next: NextProgram,
}

/// Limits of resources, in the kernel's units.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Memory on top of what the runtime has already.
    pub memory: Memory,
    /// Open descriptors.
    pub descriptors: u64,
    /// The length of a file that is written.
    pub file: u64,
}

/// Which memory is counted, in bytes.
#[derive(Debug, Clone, Copy)]
pub enum Memory {
    /// All address space.
    Mapped(u64),
    /// Memory of its own that can be written: for runtimes that reserve more address space than they use.
    Writable(u64),
}

/// What one process does to itself before it runs a worker's code, in this order. Numbers and bytes go to
/// the kernel as they are. A part that is there and cannot be applied is a failed load.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy<'a> {
    pub(super) limits: Resources,
    /// Where the process makes a folder of its own, named by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) folders: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) landlock: Option<Landlock>,
    /// What is passed to `capset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<Filter>,
}

#[derive(Debug, Serialize)]
pub(super) struct Resources {
    /// `prlimit64`
    call: libc::c_long,
    /// Resource and limit.
    pub(super) values: [(i64, u64); 3],
    /// The resource whose limit is on top of what is in use, and the most that it may be.
    pub(super) memory: (i64, u64, Option<u64>),
}

#[derive(Debug, Serialize)]
pub(super) struct Capabilities {
    pub(super) call: libc::c_long,
    #[serde(serialize_with = "hex")]
    pub(super) header: [u8; 8],
    #[serde(serialize_with = "hex")]
    pub(super) data: [u8; 24],
}

#[derive(Debug, Serialize)]
pub(super) struct Filter {
    /// `seccomp`
    pub(super) call: libc::c_long,
    pub(super) flags: libc::c_ulong,
    #[serde(serialize_with = "hex")]
    pub(super) program: Vec<u8>,
}

/// Version 3 of the interface, for the calling process.
const CAPABILITIES: u32 = 0x2008_0522;

impl Sandbox {
    /// Asks the kernel what it has.
    #[must_use]
    pub fn probe(level: Level) -> Self {
        Self {
            level,
            filters: probe::seccomp() && filter::program(1, NextProgram::Refused).is_ok(),
            landlock: probe::landlock().map(Landlock::of),
            next: NextProgram::Refused,
        }
    }

    /// The same for a process that may become another program.
    #[must_use]
    pub const fn for_next_program(self, next: NextProgram) -> Self {
        Self { next, ..self }
    }

    /// Why nothing may run here.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let missing: Vec<_> = self.mechanisms().into_iter().filter(|mechanism| !mechanism.active).collect();
        if self.level != Level::Strict || missing.is_empty() {
            return None;
        }
        let names: Vec<_> = missing.iter().map(|mechanism| mechanism.name.as_str()).collect();
        Some(format!("the sandbox is strict, and this system is without {}", names.join(" and ")))
    }

    /// What the process `pid` does to itself. `folders` is where its own folder will be.
    #[must_use]
    pub fn policy<'a>(&self, limits: Limits, pid: u32, folders: Option<&'a Path>) -> Policy<'a> {
        let on = self.level != Level::Off;
        // Whether there is a program was found out by the probe.
        let program = (on && self.filters).then(|| filter::program(pid, self.next).ok()).flatten();
        Policy {
            limits: Resources::of(limits),
            folders,
            landlock: self.landlock.filter(|_| on),
            capabilities: on.then(Capabilities::none),
            filter: program.map(|program| Filter {
                call: libc::SYS_seccomp,
                flags: libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                program,
            }),
        }
    }

    /// What [`Sandbox::policy`] applies, and what it cannot.
    #[must_use]
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        let on = self.level != Level::Off;
        let scoped = self.landlock.is_some_and(|landlock| landlock.is_scoped());
        let folder = if scoped {
            "only a folder of its own can be written; signals and abstract sockets stay inside"
        } else {
            "only a folder of its own can be written"
        };
        [
            ("resource-limits", true, "memory, descriptors, length of files, core dumps"),
            ("oom-preference", true, "ended before the function when memory runs out"),
            ("no-capabilities", true, "also where the function runs as root"),
            (
                "seccomp",
                self.filters,
                "no new processes, no signals to others, no sockets but the network's, no calls into the machine",
            ),
            ("landlock", self.landlock.is_some(), folder),
        ]
        .into_iter()
        .enumerate()
        .map(|(place, (name, there, how))| {
            let limits = place < 2;
            let (active, note) = match (there, limits || on) {
                (true, true) => (true, how),
                (true, false) => (false, "switched off by `--sandbox off`"),
                (false, _) => (false, "this kernel does not have it"),
            };
            Mechanism { name: name.to_owned(), active, note: Some(note.to_owned()) }
        })
        .collect()
    }
}

impl Resources {
    fn of(limits: Limits) -> Self {
        let Limits { memory, descriptors, file } = limits;
        // What this process has is inherited, and may not be exceeded.
        let least = |kind, limit: u64| getrlimit(kind).maximum.map_or(limit, |most| limit.min(most));
        let values = [
            (libc::RLIMIT_NOFILE.into(), least(Resource::Nofile, descriptors)),
            (libc::RLIMIT_FSIZE.into(), least(Resource::Fsize, file)),
            (libc::RLIMIT_CORE.into(), 0),
        ];
        let memory = match memory {
            Memory::Mapped(bytes) => (libc::RLIMIT_AS.into(), bytes, getrlimit(Resource::As).maximum),
            Memory::Writable(bytes) => (libc::RLIMIT_DATA.into(), bytes, getrlimit(Resource::Data).maximum),
        };
        Self { call: libc::SYS_prlimit64, values, memory }
    }
}

impl Capabilities {
    /// None at all.
    fn none() -> Self {
        let mut header = [0; 8];
        header[..4].copy_from_slice(&CAPABILITIES.to_ne_bytes());
        Self { call: libc::SYS_capset, header, data: [0; 24] }
    }
}

/// Bytes as they are read with the fewest modules.
pub(super) fn hex<S: Serializer>(bytes: &(impl AsRef<[u8]> + ?Sized), serializer: S) -> Result<S::Ok, S::Error> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let text: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
    serializer.serialize_str(&text)
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        [Self::Standard, Self::Strict, Self::Off]
            .into_iter()
            .find(|level| level.to_string() == text)
            .ok_or(UnknownLevel)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
            Self::Off => "off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox(level: Level) -> Sandbox {
        Sandbox { level, filters: true, landlock: None, next: NextProgram::Refused }
    }

    fn policy(level: Level) -> serde_json::Value {
        let limits = Limits { memory: Memory::Mapped(1 << 20), descriptors: 64, file: 1 << 10 };
        serde_json::to_value(sandbox(level).policy(limits, 7, None)).unwrap()
    }

    #[test]
    fn what_is_missing_is_said_and_strict_runs_nothing_without_it() {
        assert_eq!(sandbox(Level::Standard).refusal(), None);
        assert_eq!(sandbox(Level::Off).refusal(), None);
        let refusal = sandbox(Level::Strict).refusal().unwrap();
        assert_eq!(refusal, "the sandbox is strict, and this system is without landlock");
        let mechanisms = sandbox(Level::Standard).mechanisms();
        let landlock = mechanisms.iter().find(|mechanism| mechanism.name == "landlock").unwrap();
        assert_eq!((landlock.active, landlock.note.as_deref()), (false, Some("this kernel does not have it")));
    }

    #[test]
    fn a_policy_has_what_the_system_has_and_no_more() {
        let standard = policy(Level::Standard);
        let parts: Vec<_> = standard.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(parts, ["capabilities", "filter", "limits"]);
        let off = policy(Level::Off);
        assert_eq!(off.as_object().unwrap().keys().collect::<Vec<_>>(), ["limits"]);
    }

    #[test]
    fn levels_are_read_as_they_are_written() {
        for level in [Level::Standard, Level::Strict, Level::Off] {
            assert_eq!(level.to_string().parse::<Level>().unwrap(), level);
        }
        assert!("none".parse::<Level>().is_err());
    }
}
