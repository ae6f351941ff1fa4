//! What was done to whom, and the log of it.

use std::{
    fmt,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::Serialize;
use workmanager_core_domain::Timestamp;

/// Who is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The control plane.
    ControlPlane,
    /// The function process.
    Function,
    /// The interpreter that forks workers' processes.
    Zygote,
    /// A worker's process.
    Child,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and SIGCONT so much later.
    Pause {
        /// In milliseconds.
        millis: u64,
    },
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Just before the signal was sent.
    pub at: Timestamp,
    /// Who was hit.
    pub target: Target,
    /// The process.
    pub pid: u32,
    /// What was done.
    #[serde(flatten)]
    pub kind: Kind,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ControlPlane, Self::Function, Self::Zygote, Self::Child];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ControlPlane => "control plane",
            Self::Function => "function",
            Self::Zygote => "zygote",
            Self::Child => "child",
        })
    }
}

/// Every fault, in memory and as lines of JSON in a file.
#[derive(Debug)]
pub struct FaultLog {
    inner: Mutex<(Vec<Fault>, File)>,
}

impl FaultLog {
    /// An empty log that is written to `path`.
    ///
    /// # Panics
    /// The file cannot be made.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        let file = File::create(path).expect("the fault log can be made");
        Self { inner: Mutex::new((Vec::new(), file)) }
    }

    /// Adds one.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn record(&self, fault: Fault) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_vec(&fault).expect("a fault is JSON");
        line.push(b'\n');
        inner.1.write_all(&line).expect("the fault log can be written");
        inner.0.push(fault);
    }

    /// All so far.
    #[must_use]
    pub fn all(&self) -> Vec<Fault> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_lines_of_json() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("faults.jsonl");
        let log = FaultLog::create(&path);
        let at = Timestamp::from_micros(1_000_000).unwrap();
        log.record(Fault { at, target: Target::ControlPlane, pid: 7, kind: Kind::Kill });
        log.record(Fault { at, target: Target::Child, pid: 8, kind: Kind::Pause { millis: 120 } });
        let expected = concat!(
            "{\"at\":\"1970-01-01T00:00:01Z\",\"target\":\"control-plane\",\"pid\":7,\"kind\":\"kill\"}\n",
            "{\"at\":\"1970-01-01T00:00:01Z\",\"target\":\"child\",\"pid\":8,\"kind\":\"pause\",\"millis\":120}\n",
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
        assert_eq!(log.all().len(), 2);
    }
}
