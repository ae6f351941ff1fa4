//! A .NET for tests: the server's, and that of somebody who builds a worker.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{tools, workmanager};

/// Where it is.
#[derive(Debug, Clone)]
pub struct Dotnet {
    root: PathBuf,
    roslyn: PathBuf,
}

impl Dotnet {
    /// The .NET for tests. If there is none, says so loudly: the test then has nothing to do.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "tests have no command line")]
    pub fn found() -> Option<Self> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let found = variable("WORKMANAGER_TEST_DOTNET_ROOT").zip(variable("WORKMANAGER_TEST_ROSLYN"));
        if found.is_none() {
            tools::skip("dotnet", "`cargo xtask test` installs one, `cargo xtask tools` says how it is found");
        }
        let (root, roslyn) = found?;
        Some(Self { root, roslyn })
    }

    /// Beside the binaries: what is compiled for one test is there for the next.
    fn cache() -> PathBuf {
        workmanager().with_file_name("dotnet-cache")
    }

    /// How a server is told.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, OsString); 3] {
        [
            ("DOTNET_ROOT", self.root.clone().into()),
            ("WORKMANAGER_CSHARP_COMPILER", self.roslyn.clone().into()),
            ("XDG_CACHE_HOME", Self::cache().into()),
        ]
    }

    /// Compiles source files to the library `output`, against the framework, the type of events and these. A
    /// server has run before, and has made that type.
    #[track_caller]
    pub fn compile(&self, output: &Path, sources: &[PathBuf], references: &[PathBuf]) {
        self.compile_against(&Self::events(), output, sources, references);
    }

    /// The same against this copy of the type of events.
    #[track_caller]
    pub fn compile_against(&self, events: &Path, output: &Path, sources: &[PathBuf], references: &[PathBuf]) {
        let frameworks = fs::read_dir(self.root.join("shared/Microsoft.NETCore.App")).expect("a framework");
        let framework = frameworks.flatten().map(|entry| entry.path()).max().expect("a framework");
        let own = fs::read_dir(framework).expect("a framework").flatten().map(|entry| entry.path());
        let own = own.filter(|path| path.extension().is_some_and(|extension| extension == "dll"));
        let mut csc = Command::new(self.root.join("dotnet"));
        csc.arg("exec").arg(self.roslyn.join("csc.dll")).args(["-nologo", "-target:library", "-optimize+"]);
        let references = own.chain(references.iter().cloned()).chain([events.to_owned()]);
        csc.args(references.map(|path| format!("-reference:{}", path.display())));
        csc.arg(format!("-out:{}", output.display())).args(sources);
        let done = csc.output().expect("the compiler runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }

    /// The newest copy of the type of events.
    fn events() -> PathBuf {
        let made = fs::read_dir(Self::cache().join("workmanager/function/dotnet")).expect("a server has run").flatten();
        let copies = made.map(|made| made.path().join("host/CloudNative.CloudEvents.dll"));
        let time = |copy: &PathBuf| copy.metadata().and_then(|copy| copy.modified()).ok();
        copies.filter(|copy| copy.is_file()).max_by_key(time).expect("a server has made its programs")
    }
}

/// Packs everything in `folder`.
#[track_caller]
pub fn pack(folder: &Path, archive: &Path) {
    let mut python = Command::new("python3");
    python.args(["-m", "zipfile", "-c"]).arg(archive);
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        python.arg(entry.path());
    }
    assert!(python.status().expect("python3 runs").success(), "{} is packed", folder.display());
}
