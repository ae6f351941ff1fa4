//! The engine's own programs: C# like what they serve, compiled once on each machine by the compiler that is there.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Command,
    slice,
    time::Duration,
};

use tracing::{info, warn};
use workmanager_core_domain::Digest;
use workmanager_engines_host::{Errand, SpawnError};

use crate::{
    command::command,
    launch::{Launch, Launcher},
    rehearsal::{self, rehearse},
    runtime::Runtime,
    toolchain::Toolchain,
};

/// Names and texts of source files.
type Sources = &'static [(&'static str, &'static str)];

macro_rules! sources {
    ($($path:literal),+ $(,)?) => { &[$(($path, include_str!(concat!("../", $path)))),+] };
}

const WIRE: Sources = sources!["wire/Channel.cs", "wire/HeadWriter.cs", "wire/Heads.cs"];
const CLOUD_EVENTS: Sources = sources![
    "cloudevents/CloudEvent.cs",
    "cloudevents/CloudEventAttribute.cs",
    "cloudevents/CloudEventAttributeType.cs",
    "cloudevents/CloudEventsSpecVersion.cs",
    "cloudevents/Texts.cs",
    "cloudevents/Timestamps.cs",
];
const HOST: Sources = sources![
    "host/Answer.cs",
    "host/Archived.cs",
    "host/AttemptHead.cs",
    "host/Call.cs",
    "host/Deadline.cs",
    "host/Dependencies.cs",
    "host/DepsFile.cs",
    "host/Entry.cs",
    "host/Failures.cs",
    "host/ForeignJson.cs",
    "host/Frameworks.cs",
    "host/Layout.cs",
    "host/LoadHead.cs",
    "host/Package.cs",
    "host/Portable.cs",
    "host/Prewarm.cs",
    "host/Program.cs",
    "host/Rehearsal.cs",
    "host/Worker.cs",
];
const COMPILER: Sources = sources![
    "compiler/Diagnostics.cs",
    "compiler/Program.cs",
    "compiler/References.cs",
    "compiler/Request.cs",
    "compiler/SourceCompiler.cs",
    "compiler/Sources.cs",
];
const REHEARSAL: Sources = sources!["rehearsal/Worker.cs"];

const CLOUD_EVENTS_NAME: &str = "CloudNative.CloudEvents.dll";
const HOST_NAME: &str = "workmanager-host.dll";
const COMPILER_NAME: &str = "workmanager-compiler.dll";

/// Bytes between two collections of what makes them, in hexadecimal: it does not live long.
const YOUNG: &str = "4000000";
/// How long a program of ours may be compiled; it takes seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// The public key of the CloudEvents SDK: assemblies that were built against it name it.
const CLOUD_EVENTS_KEY: &[u8] = include_bytes!("../cloudevents/key.snk");

/// The file that says which programs are all that is needed.
const SEAL: &str = "sealed";

/// The compiled programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// Compiler, framework, references and the engine's own part, by one name.
    toolchain: String,
    /// Whose type of events workers are given.
    events: String,
}

impl Programs {
    /// Below `cache`, compiled if nobody has done so before. Takes seconds then.
    ///
    /// # Errors
    /// `System` if the cache cannot be written, `Died` with what the compiler says.
    pub(crate) fn make(
        cache: &Path,
        launcher: &Launcher,
        runtime: &Runtime,
        toolchain: &Toolchain,
    ) -> Result<Self, SpawnError> {
        let parent = cache.join("dotnet");
        let identity = identity(runtime, toolchain).map_err(SpawnError::system("read the C# compiler"))?.hex();
        let name = &identity[..16];
        let programs = Self::named(parent.join(name), name, runtime, toolchain.whose_events());
        if programs.folder.is_dir() {
            return Ok(programs);
        }
        let cache_error = SpawnError::system("cache of the engine's programs");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&parent).map_err(cache_error)?;
        // Whoever else needs them waits instead of compiling them too.
        let lock = File::create(parent.join("lock")).map_err(SpawnError::system("lock of the cache"))?;
        lock.lock().map_err(SpawnError::system("lock of the cache"))?;
        if !programs.folder.is_dir() {
            info!("compiling the .NET engine's programs for .NET {}, once", runtime.version);
            let build = Build { launcher, runtime, toolchain };
            let fresh = tempfile::tempdir_in(&parent).map_err(SpawnError::system("temporary directory"))?;
            build.all(fresh.path())?;
            fs::rename(fresh.keep(), &programs.folder).map_err(SpawnError::system("cache of the engine's programs"))?;
        }
        Ok(programs)
    }

    /// Those that [`Self::seal`] has named, if they are of these sources and this runtime. Asks for no compiler.
    pub(crate) fn sealed(cache: &Path, runtime: &Runtime) -> Option<Self> {
        let parent = cache.join("dotnet");
        let text = fs::read_to_string(parent.join(SEAL)).ok()?;
        let (name, made_for) = text.split_once('\n')?;
        let folder = parent.join(name);
        (made_for == sources(runtime) && folder.is_dir())
            .then(|| Self::named(folder, name, runtime, "CloudEvents as the image has it".to_owned()))
    }

    /// Leaves word that these are the ones.
    ///
    /// # Errors
    /// `System` if the cache cannot be written.
    pub(crate) fn seal(&self, runtime: &Runtime) -> Result<(), SpawnError> {
        let name = self.folder.file_name().unwrap_or_default();
        let text = format!("{}\n{}", name.display(), sources(runtime));
        fs::write(self.folder.with_file_name(SEAL), text).map_err(SpawnError::system("cache of the engine's programs"))
    }

    fn named(folder: PathBuf, name: &str, runtime: &Runtime, events: String) -> Self {
        Self { folder, toolchain: format!(".NET {}, {name}", runtime.version), events }
    }

    /// Whose type of events workers are given.
    pub(crate) fn events(&self) -> &str {
        &self.events
    }

    /// What runs workers.
    pub(crate) fn host(&self) -> PathBuf {
        self.folder.join("host").join(HOST_NAME)
    }

    /// The type of the events that workers are given.
    pub(crate) fn cloud_events(&self) -> PathBuf {
        self.folder.join("host").join(CLOUD_EVENTS_NAME)
    }

    /// Names what compiles: two of one name make the same bytes of the same source.
    pub(crate) fn toolchain(&self) -> &str {
        &self.toolchain
    }

    /// What compiles workers.
    pub(crate) fn compiler(&self) -> PathBuf {
        self.folder.join("compiler").join(COMPILER_NAME)
    }
}

/// Names what is made of these sources by this compiler for this runtime, wherever they are.
fn identity(runtime: &Runtime, toolchain: &Toolchain) -> io::Result<Digest> {
    let mut all = vec![sources(runtime)];
    for library in toolchain.libraries() {
        all.push(Digest::of(&fs::read(library)?).hex());
    }
    if let Some(events) = &toolchain.events {
        all.push(Digest::of(&fs::read(events)?).hex());
    }
    Ok(Digest::of(all.join("\0").as_bytes()))
}

/// Names the sources and the runtime that they are compiled for.
fn sources(runtime: &Runtime) -> String {
    let core = runtime.framework.join("System.Private.CoreLib.dll").metadata().map_or(0, |core| core.len());
    let sources = [WIRE, CLOUD_EVENTS, HOST, COMPILER, REHEARSAL].into_iter().flatten();
    let texts = sources.map(|(name, text)| format!("{name}\n{text}"));
    let all: Vec<_> = std::iter::once(format!("{} {core}", runtime.version)).chain(texts).collect();
    Digest::of(all.join("\0").as_bytes()).hex()
}

struct Build<'a> {
    launcher: &'a Launcher,
    runtime: &'a Runtime,
    toolchain: &'a Toolchain,
}

impl Build<'_> {
    fn all(&self, folder: &Path) -> Result<(), SpawnError> {
        let failed = SpawnError::system("files of the engine's programs");
        let (host, compiler) = (folder.join("host"), folder.join("compiler"));
        let cloud_events = host.join(CLOUD_EVENTS_NAME);
        let key = folder.join("key.snk");
        let written = [&host, &compiler].into_iter().try_for_each(fs::create_dir).and_then(|()| {
            for (name, text) in [WIRE, CLOUD_EVENTS, HOST, COMPILER, REHEARSAL].into_iter().flatten() {
                let path = folder.join("source").join(name);
                fs::create_dir_all(path.parent().unwrap_or(folder))?;
                fs::write(path, text)?;
            }
            for (program, name) in [(&host, HOST_NAME), (&compiler, COMPILER_NAME)] {
                fs::write(program.join(name).with_extension("runtimeconfig.json"), self.runtime_config())?;
            }
            for library in self.toolchain.assemblies()? {
                // A copy: what it is may be there when the folder is not any more.
                fs::copy(&library, compiler.join(library.file_name().unwrap_or_default()))?;
            }
            fs::write(&key, CLOUD_EVENTS_KEY)
        });
        written.map_err(failed)?;
        match &self.toolchain.events {
            Some(package) => {
                fs::copy(package, &cloud_events).map_err(SpawnError::system("the CloudEvents package"))?;
            }
            None => {
                let signed =
                    ["-target:library".to_owned(), "-publicsign+".to_owned(), format!("-keyfile:{}", key.display())];
                self.compile(folder, &cloud_events, &[CLOUD_EVENTS], signed.into(), &[])?;
            }
        }
        let program = || vec!["-target:exe".to_owned()];
        self.compile(folder, &host.join(HOST_NAME), &[WIRE, HOST], program(), slice::from_ref(&cloud_events))?;
        let libraries = self.toolchain.libraries();
        self.compile(folder, &compiler.join(COMPILER_NAME), &[WIRE, COMPILER], program(), &libraries)?;
        let (worker, library) = (folder.join("rehearsal.dll"), vec!["-target:library".to_owned()]);
        self.compile(folder, &worker, &[REHEARSAL], library, &[cloud_events])?;
        // What it has in common with those that serve.
        let (argument, property) = (vec![rehearsal::ARGUMENT.to_owned()], ("System.GC.Concurrent", "false"));
        let host = self.command(host.join(HOST_NAME), argument, property);
        let rehearsed = fs::read(worker).and_then(|worker| rehearse(host?, worker));
        if let Err(error) = rehearsed {
            warn!("processes of .NET workers will start a little slower: {error}");
        }
        Ok(())
    }

    /// Runs a program of our own, which is held by nothing, with one property of the runtime.
    fn command(&self, application: PathBuf, arguments: Vec<String>, (key, value): (&str, &str)) -> io::Result<Command> {
        let launch = Launch {
            framework: self.runtime.framework.clone(),
            application,
            muxer: self.runtime.muxer.clone(),
            arguments,
            properties: vec![(key.to_owned(), value.to_owned())],
            parent: std::process::id(),
            confinement: None,
        };
        command(self.launcher, &launch, YOUNG)
    }

    /// What the `dotnet` program reads beside a program.
    fn runtime_config(&self) -> String {
        let framework = format!("{{\"name\":\"Microsoft.NETCore.App\",\"version\":\"{}\"}}", self.runtime.version);
        format!("{{\"runtimeOptions\":{{\"framework\":{framework},\"rollForward\":\"LatestMajor\"}}}}\n")
    }

    fn compile(
        &self,
        folder: &Path,
        output: &Path,
        sources: &[Sources],
        mut arguments: Vec<String>,
        references: &[PathBuf],
    ) -> Result<(), SpawnError> {
        let framework = assemblies(&self.runtime.framework).map_err(SpawnError::system("read the framework"))?;
        let own = ["-nologo", "-optimize+", "-deterministic+", "-nostdlib+"];
        arguments.extend(own.map(str::to_owned));
        arguments.push(format!("-out:{}", output.display()));
        arguments.extend(framework.iter().chain(references).map(|path| format!("-reference:{}", path.display())));
        let files = sources.iter().copied().flatten();
        arguments.extend(files.map(|(name, _)| folder.join("source").join(name).display().to_string()));
        let command = self.command(self.toolchain.csc(), arguments, ("System.Globalization.Invariant", "true"));
        let run = command.and_then(|command| Errand::run(command, LIMIT));
        let run = run.map_err(SpawnError::system("run the C# compiler"))?;
        if run.status.success() {
            return Ok(());
        }
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        Err(SpawnError::Died(format!("the C# compiler ({}): {}", run.status, said.trim())))
    }
}

/// The assemblies of a folder.
fn assemblies(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "dll")).collect())
}
