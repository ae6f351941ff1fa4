//! What the launcher is told, and by what it is recognised.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::{Deserialize, Serialize};
use workmanager_engines_host::{Level, Memory, NextProgram, ResourceLimits, Sandbox};

use crate::launcher;

/// The hidden verb of a program that can launch the runtime.
const VERB: &str = "dotnet-launch";
/// Open descriptors of a worker.
const DESCRIPTORS: u64 = 1024;
/// The longest file that a worker can write.
const FILE: u64 = 256 << 20;
/// What the runtime itself writes to beside the worker's objects: code, its own tables, stacks of its threads.
const OVERHEAD: u64 = 256 << 20;

/// What starts the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// This program, where the runtime is a library; else its `dotnet`.
    #[default]
    Own,
    /// The `dotnet` program, as for workers that ask where plug-ins have their dependencies
    /// (`AssemblyDependencyResolver`).
    Exec,
}

/// A program whose `main` begins with [`launched`].
#[derive(Debug, Clone)]
pub struct Launcher(pub PathBuf);

/// Runs the runtime if `arguments` ask for it, and says how that ended. `None` means that the program has been
/// started for something else. To be called first: the process must have one thread.
pub fn launched(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let (_, verb, launch) = (arguments.next(), arguments.next()?, arguments.next()?);
    if verb != VERB {
        return None;
    }
    let launch = serde_json::from_slice(launch.as_encoded_bytes()).map_err(std::io::Error::from);
    Some(launch.and_then(|launch| launcher::run(&launch)).unwrap_or_else(|error| {
        eprintln!("the .NET runtime cannot be started: {error}");
        ExitCode::FAILURE
    }))
}

/// One start of the runtime.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The folder of the shared framework.
    pub(crate) framework: PathBuf,
    /// The assembly that runs.
    pub(crate) application: PathBuf,
    /// The `dotnet` program that starts the runtime, where this one does not.
    #[serde(default)]
    pub(crate) muxer: Option<PathBuf>,
    /// For the program's `Main`.
    pub(crate) arguments: Vec<String>,
    /// Properties of the runtime.
    pub(crate) properties: Vec<(String, String)>,
    /// The process that this one dies with.
    pub(crate) parent: u32,
    /// What holds the process; a program of our own that writes files is not held.
    pub(crate) confinement: Option<Confinement>,
}

/// What holds a process from before its runtime starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// As written on a command line.
    sandbox: String,
    /// Bytes of the worker's own.
    memory: u64,
    /// Where the process makes a folder of its own.
    folders: Option<PathBuf>,
}

impl Launch {
    /// The launcher's arguments.
    pub(crate) fn arguments(&self) -> std::io::Result<[String; 2]> {
        Ok([VERB.to_owned(), serde_json::to_string(self)?])
    }
}

impl Confinement {
    pub(crate) fn new(sandbox: Level, memory: u64, folders: Option<&Path>) -> Self {
        Self { sandbox: sandbox.to_string(), memory, folders: folders.map(Path::to_owned) }
    }

    /// Applies it to this process.
    pub(crate) fn enter(&self, programs: NextProgram) -> std::io::Result<Option<PathBuf>> {
        let level: Level = self.sandbox.parse().map_err(std::io::Error::other)?;
        let memory = Memory::Writable(self.memory.saturating_add(OVERHEAD));
        let limits = ResourceLimits { memory, descriptors: DESCRIPTORS, file: FILE };
        let sandbox = Sandbox::probe(level).for_next_program(programs);
        sandbox.policy(limits, std::process::id(), self.folders.as_deref()).enter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_verb_launches() {
        let launched = |arguments: &[&str]| launched(arguments.iter().map(OsString::from));
        assert!(launched(&["program", "serve", "{}"]).is_none());
        assert!(launched(&["program"]).is_none());
        assert_eq!(launched(&["program", VERB, "{}"]), Some(ExitCode::FAILURE));
    }
}
