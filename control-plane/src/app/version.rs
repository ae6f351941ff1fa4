//! Versions: code that has loaded once, numbered, and never changed.

use std::{ops::RangeInclusive, time::Duration};

use bytes::Bytes;
use tracing::debug;
use workmanager_core_delivery::{Artefact, Candidate, Verdict};
use workmanager_core_domain::{
    Digest, Manifest, Version, Worker, WorkerId, WorkerName,
    ports::{Collection, Expect, Key},
    units::Size,
    version::VersionStatus,
};

use super::{
    App, Error, quarantine,
    store::{self, is_conflict},
};

/// How long a caller may wait for a verdict. Less than the least would blame slow machines on the code.
pub(super) const WAITS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);
/// From this size on, hashing is done where it holds up nobody.
const LARGE: usize = 256 << 10;

/// A worker's new memory limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory(pub(super) Size);

/// A manifest that is stored, and whose code has loaded.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) digest: Digest,
    pub(super) manifest: Manifest,
}

/// A version that can be made active.
#[derive(Debug, Clone)]
pub(super) struct Numbered(pub(super) Version);

impl Numbered {
    /// Makes it the active one of `worker`.
    pub(super) fn activate(&self, worker: &mut Worker) {
        let Version { number, digest, manifest, .. } = &self.0;
        worker.version = *number;
        worker.latest_version = worker.latest_version.max(*number);
        worker.digest = *digest;
        worker.source = manifest.source;
        worker.engine = manifest.engine.clone();
        worker.config.clone_from(&manifest.config);
        worker.limits.memory = manifest.memory;
    }
}

/// The digest of code.
pub(super) async fn digest(code: &Bytes) -> Digest {
    if code.len() < LARGE {
        return Digest::of(code);
    }
    let shared = code.clone();
    let hashed = tokio::task::spawn_blocking(move || Digest::of(&shared)).await;
    hashed.unwrap_or_else(|_| Digest::of(code))
}

impl App {
    /// Asks a function whether the code loads; only if it does, everything is stored.
    pub(super) async fn prepare(
        &self,
        (worker, name): (WorkerId, &WorkerName),
        mut manifest: Manifest,
        source: Bytes,
        wait: Duration,
    ) -> Result<Prepared, Error> {
        let made = self.made(&manifest, name).await?;
        let given = made.as_ref().map(|made| Digest::of(&made.bytes));
        let candidate = Candidate {
            worker,
            name: name.clone(),
            manifest: manifest.clone(),
            source: source.clone(),
            made,
            timeout: wait,
        };
        let verdict = self.parts.target.validate(&candidate).await?;
        let artefact = match verdict {
            Verdict::Rejected(failure) => return Err(Error::rejected(failure)),
            Verdict::Loaded { entry, artefact } => {
                debug!("code of worker `{name}` loads, entry `{entry}`");
                artefact
            }
        };
        let blobs = &self.parts.blobs;
        blobs.put(source).await?;
        manifest.artefact = match artefact {
            Artefact::None => None,
            Artefact::AsGiven => given,
            Artefact::Fresh(compiled) => Some(self.keep(&manifest, name, compiled).await?),
        };
        let encode = |source| Error::Encode { key: format!("manifest of {worker}"), source };
        let canonical = manifest.canonical().map_err(encode)?;
        let digest = blobs.put(canonical.into()).await?;
        Ok(Prepared { digest, manifest })
    }

    /// Keeps a version under the first free number from `number` on.
    pub(super) async fn number(
        &self,
        worker: WorkerId,
        mut number: u32,
        Prepared { digest, manifest }: Prepared,
    ) -> Result<Numbered, Error> {
        let (created_at, status) = (self.parts.clock.now(), VersionStatus::Validated);
        let mut version = Version { worker, number, created_at, status, digest, manifest };
        loop {
            version.number = number;
            let key = Version::key(worker, number);
            match store::put_twice(&*self.parts.records, &key, &version, Expect::Absent).await {
                Ok(_) => return Ok(Numbered(version)),
                // Taken by another load of the same worker.
                Err(error) if is_conflict(&error) && number < u32::MAX => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes a version that was refused to become the active one, if it is sure that it is not.
    pub(super) async fn discard(&self, Numbered(version): &Numbered, error: &Error) {
        if matches!(error, Error::Revision { .. } | Error::Busy { .. }) {
            self.remove_version(version.worker, version.number).await;
        }
    }

    /// Removes a version that nobody needs. Left there, it is one like any other that is not active.
    pub(super) async fn remove_version(&self, worker: WorkerId, number: u32) {
        let key = Version::key(worker, number);
        if store::delete::<Version>(&*self.parts.records, &key, Expect::Any).await.is_ok() {
            quarantine::forget(&*self.parts.records, &Key::new(Collection::Version, key)).await;
        }
    }

    /// The active version of `worker` with another memory limit, as a new version.
    pub(super) async fn with_memory(
        &self,
        worker: &Worker,
        Memory(memory): Memory,
        wait: Duration,
    ) -> Result<Numbered, Error> {
        let source = self.parts.blobs.get(&worker.source).await?;
        let source = source.ok_or(Error::CodeMissing { number: worker.version })?;
        let manifest = Manifest { memory, ..manifest_of(worker, worker.source) };
        let prepared = self.prepare((worker.id, &worker.name), manifest, source, wait).await?;
        self.number(worker.id, worker.latest_version.saturating_add(1), prepared).await
    }
}

/// What a function shall see of `source` as code of `worker`.
pub(super) fn manifest_of(worker: &Worker, source: Digest) -> Manifest {
    Manifest {
        format: Manifest::FORMAT,
        mime_type: worker.mime_type,
        source,
        artefact: None,
        engine: worker.engine.clone(),
        memory: worker.limits.memory,
        config: worker.config.clone(),
    }
}
