//! Does this code load?

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use workmanager_core_domain::{Digest, Manifest, MimeType, WorkerId, outcome::Failure};
use workmanager_core_frames::{ErrorHead, FailedWith, Frame, FrameError, Kind, Limits, LoadedHead, ValidateHead};
use workmanager_engines_host::{Compiled, Source};

use crate::{Code, Dispatcher, Error, Exchange, Step, dispatcher::load_frame, exchange::Plan};

impl Dispatcher {
    /// Loads a candidate in a process of its own and says how that went: a `Loaded` frame, with the artefact if
    /// its engine compiles, or an `Error` frame. The process is kept, so the version's first event finds it warm.
    ///
    /// # Errors
    /// Nothing was loaded, see [`Error`].
    pub async fn validate(&self, head: ValidateHead, source: Bytes) -> Result<Frame, Error> {
        let ValidateHead { worker, worker_name, manifest, toolchain, timeout_ms } = head;
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        let source = verified(manifest, source).await?;
        let is_made = source.manifest.artefact.is_some();
        let here = self.toolchain(source.manifest.mime_type).await?;
        if is_made && here != toolchain {
            let text = |toolchain: Option<String>| toolchain.unwrap_or_else(|| "nothing that compiles".to_owned());
            return Err(Error::OtherToolchain { made_by: text(toolchain), here: text(here) });
        }
        let code = if is_made { Ok(source) } else { self.compiled(&worker_name, source, deadline).await? };
        let code = match code {
            Ok(code) => code,
            Err(failure) => {
                let head = ErrorHead { attempt: None, error: FailedWith::Failed(failure) };
                return Ok(Frame::new(Kind::Error, &head, Bytes::new())?);
            }
        };
        let digest = code.digest;
        let answer = self.load(worker, &worker_name, code.clone(), deadline, timeout_ms).await?;
        if answer.kind != Kind::Loaded {
            return Ok(answer);
        }
        self.workers.loaded(worker, digest);
        let blobs = self.blobs.clone();
        let (manifest, bytes) = (code.manifest.clone(), code.bytes.clone());
        drop(tokio::task::spawn_blocking(move || {
            blobs.put(&manifest.artefact.unwrap_or(manifest.source), &bytes);
            if let Ok(canonical) = manifest.canonical() {
                blobs.put(&digest, &canonical);
            }
        }));
        if is_made || code.manifest.artefact.is_none() {
            return Ok(answer);
        }
        let head = LoadedHead { artefact: true, toolchain: here, ..answer.head()? };
        Ok(Frame::new(Kind::Loaded, &head, code.bytes)?)
    }

    /// What compiles this kind of code here, if it is compiled.
    async fn toolchain(&self, mime_type: MimeType) -> Result<Option<String>, Error> {
        if !mime_type.is_compiled() {
            return Ok(None);
        }
        self.engine(mime_type)?.toolchain(mime_type).await.map_err(Error::Engine)
    }

    /// What processes load of `code`: under the digest that it has once its artefact is kept, so that the first
    /// event finds the process that is loaded now. Or why it does not compile.
    async fn compiled(&self, name: &str, code: Code, deadline: Instant) -> Result<Result<Code, Failure>, Error> {
        let engine = self.engine(code.manifest.mime_type)?;
        let file_name = engine.file_name(name);
        let source = Source { manifest: &code.manifest, file_name: &file_name, bytes: &code.bytes, deadline };
        let artefact = match engine.compile(source).await.map_err(Error::Engine)? {
            Compiled::AsItIs => return Ok(Ok(code)),
            Compiled::Rejected(failure) => return Ok(Err(failure)),
            Compiled::Artefact(artefact) => artefact,
        };
        let manifest = Manifest { artefact: Some(Digest::of(&artefact)), ..code.manifest };
        let digest = Digest::of(&manifest.canonical().map_err(malformed)?);
        Ok(Ok(Code { digest, manifest, bytes: artefact }))
    }

    /// Loads a worker that this function is started with. It is never forgotten.
    ///
    /// # Errors
    /// Nothing was loaded, see [`Error`].
    pub async fn preload(&self, head: ValidateHead, source: Bytes) -> Result<Frame, Error> {
        let worker = head.worker;
        let answer = self.validate(head, source).await?;
        self.workers.pin(worker);
        Ok(answer)
    }

    async fn load(
        &self,
        worker: WorkerId,
        name: &str,
        code: Code,
        deadline: Instant,
        timeout_ms: u64,
    ) -> Result<Frame, Error> {
        let (pool, _) = self.workers.pool(worker, name, code.digest, None);
        let slot = pool.enter(None, deadline).await?;
        let code = pool.code(|| std::future::ready(Ok(code))).await?;
        let (mut lease, engine) = self.process(slot, &code, deadline).await?;
        lease.process.begin(deadline, 0, Limits::CODE);
        let load = load_frame(engine.as_ref(), &lease.process, &pool, &code)?;
        let plan = Plan { attempt: None, load: Some(load), run: None, timeout_ms };
        let mut exchange = Exchange::new(lease, plan, self.clock.clone(), self.halt.clone());
        loop {
            if let Step::Final(frame) = exchange.next().await.map_err(Error::Frame)? {
                return Ok(frame);
            }
        }
    }
}

/// The candidate, if the bytes are those that its manifest names.
async fn verified(manifest: Manifest, source: Bytes) -> Result<Code, Error> {
    let digest = Digest::of(&manifest.canonical().map_err(malformed)?);
    let found = crate::fetch::digest_of(source.clone()).await;
    let expected = manifest.artefact.unwrap_or(manifest.source);
    if found == Some(expected) {
        return Ok(Code { digest, manifest, bytes: source });
    }
    let found = found.map_or_else(String::new, |found| found.to_string());
    Err(Error::WrongSource { found, expected: expected.to_string() })
}

fn malformed(source: serde_json::Error) -> Error {
    Error::Frame(FrameError::Malformed { kind: Kind::Validate, source })
}
