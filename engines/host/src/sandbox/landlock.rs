//! What a process may still write to, for kernels with Landlock.

use serde::{Serialize, Serializer};

const WRITE_FILE: u64 = 1 << 1;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_FIFO: u64 = 1 << 10;
const MAKE_BLOCK: u64 = 1 << 11;
const MAKE_SYM: u64 = 1 << 12;
/// Moving files between folders.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;

/// Everything that changes the file system, as the first version of the interface has it.
const CHANGES: u64 = WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_CHAR
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_BLOCK
    | MAKE_SYM;

/// Abstract sockets and signals stay inside.
const SCOPED: u64 = 1 | 1 << 1;

/// What the process builds its rules from: numbers for the kernel, made to measure for its version.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Landlock {
    /// What is refused where no rule allows it.
    pub(super) ruleset: Ruleset,
    /// What is allowed below the process's own folder.
    pub(super) folder: u64,
    /// What is allowed of `/dev/null`.
    pub(super) null: u64,
}

/// The kernel's `landlock_ruleset_attr`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ruleset {
    changes: u64,
    /// In versions that know it.
    scoped: Option<u64>,
}

impl Landlock {
    /// For version `abi` of the interface.
    pub(super) fn of(abi: u32) -> Self {
        let since = |version, access| if abi >= version { access } else { 0 };
        let changes = CHANGES | since(2, REFER) | since(3, TRUNCATE);
        let ruleset = Ruleset { changes, scoped: (abi >= 6).then_some(SCOPED) };
        let devices = MAKE_CHAR | MAKE_BLOCK;
        Self { ruleset, folder: changes & !devices, null: changes & (WRITE_FILE | TRUNCATE) }
    }

    /// Whether signals and abstract sockets stay inside.
    pub(super) fn is_scoped(&self) -> bool {
        self.ruleset.scoped.is_some()
    }
}

impl Ruleset {
    /// As the kernel reads it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let network = 0_u64;
        let mut bytes = self.changes.to_ne_bytes().to_vec();
        if let Some(scoped) = self.scoped {
            bytes.extend_from_slice(&network.to_ne_bytes());
            bytes.extend_from_slice(&scoped.to_ne_bytes());
        }
        bytes
    }
}

impl Serialize for Ruleset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::policy::hex(&self.bytes(), serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_gets_what_it_knows_and_no_more() {
        let ruleset = |abi| serde_json::to_value(Landlock::of(abi)).unwrap()["ruleset"].as_str().unwrap().to_owned();
        assert_eq!(ruleset(1), "f21f000000000000");
        assert_eq!(ruleset(3), "f27f000000000000");
        assert_eq!(ruleset(6), "f27f00000000000000000000000000000300000000000000");
        assert!(Landlock::of(6).is_scoped() && !Landlock::of(5).is_scoped());
    }
}
