//! One worker in a process of the engine.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use bytes::Bytes;
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;
use uuid::Uuid;
use workmanager_core_domain::{
    AttemptId, Digest, Manifest, MimeType,
    event::DataKind,
    outcome::{Failure, LogStream},
    units::Size,
    version::EngineSettings,
};
use workmanager_core_frames::{
    EngineAttemptHead, ErrorHead, FailedWith, Frame, Kind, Limits, LoadHead, LoadedHead, ReplyHead,
};
use workmanager_core_kit::Tasks;
use workmanager_engines_dotnet::{Dotnet, Launcher, Options};
use workmanager_engines_host::{Compiled, Ended, Engine as _, Level, Process, Source, Step};

/// Longest time that anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Harness {
    pub(crate) engine: Arc<Dotnet>,
    pub(crate) manifest: Manifest,
}

pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) entry: String,
    pub(crate) loading: Answer,
    pub(crate) timeout: Duration,
    pub(crate) log_bytes: usize,
    attempts: u128,
}

/// How an exchange ended, and what was written during it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ended: Ended,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) truncated: bool,
}

/// The .NET of this machine; says loudly that there is none, and the test has nothing to do then.
pub(crate) fn dotnet() -> Option<Options> {
    let (root, roslyn) = (variable("WORKMANAGER_TEST_DOTNET_ROOT"), variable("WORKMANAGER_TEST_ROSLYN"));
    if root.is_none() {
        // Not by `eprintln!`, which the test harness keeps to itself.
        let line =
            b"SKIPPED: needs dotnet: `cargo xtask test` installs one, `cargo xtask tools` says how it is found\n";
        std::io::stderr().write_all(line).unwrap();
        return None;
    }
    let cloud_events = variable("WORKMANAGER_TEST_CLOUDEVENTS");
    Some(Options { root, roslyn, cloud_events, cache: Some(cache()), launcher: Some(launcher()), ..Options::default() })
}

/// The example is built with the tests: …/deps/engine-… and …/examples/launcher.
fn launcher() -> Launcher {
    let me = std::env::current_exe().unwrap();
    let path = me.ancestors().nth(2).unwrap().join("examples/launcher");
    assert!(path.is_file(), "`cargo test` without a target builds {}", path.display());
    Launcher(path)
}

#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// The engine's compiled programs are kept between tests, like in real life.
pub(crate) fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// Compiles one file to a library, as a developer does.
pub(crate) fn csc(output: &Path, source: &Path, references: impl Iterator<Item = PathBuf>) {
    let Some(Options { root: Some(root), roslyn: Some(roslyn), .. }) = dotnet() else { panic!("there is no .NET") };
    let frameworks = std::fs::read_dir(root.join("shared/Microsoft.NETCore.App")).unwrap();
    let framework = frameworks.flatten().map(|entry| entry.path()).max().unwrap();
    let own = std::fs::read_dir(framework).unwrap().flatten().map(|entry| entry.path());
    let references: Vec<_> = references.collect();
    let is_replaced = |path: &PathBuf| references.iter().any(|reference| reference.file_name() == path.file_name());
    let is_library = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "dll");
    let own = own.filter(|path| is_library(path) && !is_replaced(path));
    let mut csc = std::process::Command::new(root.join("dotnet"));
    csc.arg("exec").arg(roslyn.join("csc.dll")).args(["-nologo", "-target:library"]);
    csc.args(own.chain(references.clone()).map(|path| format!("-reference:{}", path.display())));
    let done = csc.arg(format!("-out:{}", output.display())).arg(source).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// An archive of files that are stored as they are.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Bytes {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    let short = |n: usize| u16::try_from(n).unwrap().to_le_bytes();
    let long = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    for (name, bytes) in files {
        let sums = [crc32fast::hash(bytes).to_le_bytes(), long(bytes.len()), long(bytes.len())].concat();
        let common = [&[20, 0, 0, 8, 0, 0, 0, 0, 0, 0][..], &sums, &short(name.len()), &[0, 0]].concat();
        directory.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &long(out.len()), name.as_bytes()].concat());
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
    }
    let end = [b"PK\x05\x06", &[0; 4][..], &short(files.len()), &short(files.len()), &long(directory.len())].concat();
    let start = long(out.len());
    out.extend([&directory[..], &end, &start, &[0, 0]].concat());
    out.into()
}

/// An archive whose directory says of each file that it has this many bytes.
pub(crate) fn zip_claiming(files: &[(&str, &[u8])], bytes: u64) -> Bytes {
    let honest = zip(files);
    let (start, end) = (honest.windows(4).position(|four| four == b"PK\x01\x02").unwrap(), honest.len() - 22);
    let (mut out, mut at) = (honest[..start].to_vec(), start);
    while at < end {
        let name = 46 + usize::from(honest[at + 28]);
        let mut entry = honest[at..at + name].to_vec();
        // Said in the extra field of large files.
        entry[24..28].fill(0xff);
        entry[30] = 12;
        out.extend([&entry[..], &[1, 0, 8, 0], &bytes.to_le_bytes()].concat());
        at += name;
    }
    let mut last = honest[end..].to_vec();
    last[12..16].copy_from_slice(&u32::try_from(out.len() - start).unwrap().to_le_bytes());
    out.extend(last);
    out.into()
}

impl Harness {
    pub(crate) fn new() -> Option<Self> {
        dotnet().map(Self::with)
    }

    /// For workers that start programs and write files.
    pub(crate) fn trusted() -> Option<Self> {
        dotnet().map(|options| Self::with(Options { sandbox: Level::Off, ..options }))
    }

    pub(crate) fn with(options: Options) -> Self {
        let manifest = Manifest {
            format: Manifest::FORMAT,
            mime_type: MimeType::CSharp,
            source: Digest::of(b""),
            artefact: None,
            engine: EngineSettings::default(),
            memory: Size(256 << 20),
            config: BTreeMap::new(),
        };
        Self { engine: Arc::new(Dotnet::new(options, Tasks::new())), manifest }
    }

    /// What a source is compiled to.
    pub(crate) async fn compile(&self, source: &str) -> Result<Bytes, Failure> {
        self.compile_bytes(source.as_bytes()).await
    }

    /// The same of a file, or of an archive of files.
    pub(crate) async fn compile_bytes(&self, source: &[u8]) -> Result<Bytes, Failure> {
        let (file_name, bytes) = (self.engine.file_name("orders"), Bytes::copy_from_slice(source));
        let deadline = Instant::now() + LONG;
        let source = Source { manifest: &self.manifest, file_name: &file_name, bytes: &bytes, deadline };
        match self.engine.compile(source).await.unwrap() {
            Compiled::Artefact(artefact) => Ok(artefact),
            Compiled::Rejected(failure) => Err(failure),
            Compiled::AsItIs => panic!("source is not loaded as it is"),
        }
    }

    pub(crate) async fn try_load(&self, source: &str) -> Result<Worker, Failure> {
        let assembly = self.compile(source).await?;
        self.load_assembly(assembly).await
    }

    pub(crate) async fn load_assembly(&self, assembly: Bytes) -> Result<Worker, Failure> {
        let mut process = self.engine.spawn(&self.manifest).await.unwrap();
        process.begin(Instant::now() + LONG, 64 << 10, Limits::CODE);
        let head = LoadHead {
            digest: Digest::of(&assembly),
            manifest: self.manifest.clone(),
            file_name: self.engine.file_name("orders"),
            policy: self.engine.policy(&self.manifest, &process),
        };
        process.send(&Frame::new(Kind::Load, &head, assembly).unwrap()).await.unwrap();
        let loading = exchange(&mut process).await;
        let Ended::Answered(frame) = &loading.ended else { panic!("{loading:?}") };
        if frame.kind != Kind::Loaded {
            return Err(failure(frame));
        }
        let entry = frame.head::<LoadedHead>().unwrap().entry;
        Ok(Worker { process, entry, loading, timeout: LONG, log_bytes: 64 << 10, attempts: 0 })
    }

    pub(crate) async fn load(&self, source: &str) -> Worker {
        self.try_load(source).await.unwrap_or_else(|failure| panic!("{failure:?}"))
    }
}

/// A worker in the usual harness, if there is a .NET.
pub(crate) async fn load(source: &str) -> Option<Worker> {
    Some(Harness::new()?.load(source).await)
}

async fn exchange(process: &mut Process) -> Answer {
    let (mut stdout, mut stderr, mut truncated) = (Vec::new(), Vec::new(), false);
    loop {
        match process.next().await {
            Step::Output(piece) => {
                truncated |= piece.truncated;
                match piece.stream {
                    LogStream::Stdout => stdout.extend_from_slice(&piece.bytes),
                    LogStream::Stderr => stderr.extend_from_slice(&piece.bytes),
                }
            }
            Step::Ended(ended) => {
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return Answer { ended, stdout: text(stdout), stderr: text(stderr), truncated };
            }
        }
    }
}

fn failure(frame: &Frame) -> Failure {
    match frame.head::<ErrorHead>().unwrap().error {
        FailedWith::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

impl Worker {
    /// Hands an event with JSON data to the worker.
    pub(crate) async fn json(&mut self, data: &str) -> Answer {
        self.event("{}", DataKind::Json, data.as_bytes()).await
    }

    /// Hands an event to the worker; `extra` is a JSON object of attributes.
    pub(crate) async fn event(&mut self, extra: &str, data: DataKind, body: &[u8]) -> Answer {
        self.attempts += 1;
        let mut attributes: BTreeMap<String, Value> = serde_json::from_str(extra).unwrap();
        for (name, value) in [("specversion", "1.0"), ("id", "e1"), ("source", "/test"), ("type", "test.happened")] {
            attributes.entry(name.to_owned()).or_insert_with(|| value.into());
        }
        let attributes = RawValue::from_string(serde_json::to_string(&attributes).unwrap()).unwrap();
        let attempt = AttemptId::new(Uuid::from_u128(self.attempts));
        let left_ms = u64::try_from(self.timeout.as_millis()).unwrap();
        let head = EngineAttemptHead { attempt, event: &attributes, data, left_ms };
        let frame = Frame::new(Kind::Attempt, &head, Bytes::copy_from_slice(body)).unwrap();
        self.process.begin(Instant::now() + self.timeout, self.log_bytes, Limits::EVENTS);
        if let Err(ended) = self.process.send(&frame).await {
            return Answer { ended, stdout: String::new(), stderr: String::new(), truncated: false };
        }
        exchange(&mut self.process).await
    }
}

impl Answer {
    /// The reply's attributes and data.
    pub(crate) fn reply(&self) -> (BTreeMap<String, Value>, DataKind, Bytes) {
        let Ended::Answered(frame) = &self.ended else { panic!("{self:?}") };
        assert_eq!(frame.kind, Kind::Result, "{}", String::from_utf8_lossy(&frame.head));
        let head: ReplyHead = frame.head().unwrap();
        (head.reply.unwrap(), head.data, frame.body.clone())
    }

    /// The reply's data as text.
    pub(crate) fn data(&self) -> String {
        String::from_utf8(self.reply().2.to_vec()).unwrap()
    }

    pub(crate) fn is_no_reply(&self) -> bool {
        let Ended::Answered(frame) = &self.ended else { panic!("{self:?}") };
        frame.kind == Kind::Result && frame.head::<ReplyHead>().unwrap().reply.is_none() && frame.body.is_empty()
    }

    pub(crate) fn failure(&self) -> Failure {
        let Ended::Answered(frame) = &self.ended else { panic!("{self:?}") };
        assert_eq!(frame.kind, Kind::Error, "{}", String::from_utf8_lossy(&frame.head));
        failure(frame)
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Moment::now() + LONG;
    while !condition() {
        assert!(Moment::now() < until, "{what}: it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process is there and not dead.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
