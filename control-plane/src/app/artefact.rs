//! What sources were compiled to: kept under what went into that, used again, and made again when it is lost.

use std::time::Duration;

use tracing::{info, warn};
use workmanager_core_delivery::Compiled;
use workmanager_core_domain::{Digest, Made, Manifest, WorkerId, WorkerName, ports::Expect};
use workmanager_core_kit::chain;

use super::{App, Condition, Error, store};

/// How long making one again may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl App {
    /// What this source was compiled to before, by whatever control plane of this store.
    pub(super) async fn made(&self, manifest: &Manifest, name: &WorkerName) -> Result<Option<Compiled>, Error> {
        if !manifest.mime_type.is_compiled() {
            return Ok(None);
        }
        let key = Made::key(manifest.mime_type, &manifest.source, name.as_str());
        let made = match store::get::<Made>(&*self.parts.records, &key).await {
            Ok(Some(stored)) => stored.value,
            // A damaged one is written anew.
            Ok(None) | Err(Error::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = self.parts.blobs.get(&made.artefact).await?;
        Ok(bytes.map(|bytes| Compiled { toolchain: made.toolchain, bytes }))
    }

    /// Keeps what was compiled now.
    pub(super) async fn keep(
        &self,
        manifest: &Manifest,
        name: &WorkerName,
        Compiled { toolchain, bytes }: Compiled,
    ) -> Result<Digest, Error> {
        let artefact = self.parts.blobs.put(bytes).await?;
        let key = Made::key(manifest.mime_type, &manifest.source, name.as_str());
        store::put(&*self.parts.records, &key, &Made { toolchain, artefact }, Expect::Any).await?;
        Ok(artefact)
    }

    /// Has what is missing made again, until the program stops. What cannot be made now is tried again with the
    /// next event that misses it.
    pub fn keep_artefacts(&self) {
        let (app, stop) = (self.clone(), self.parts.tasks.stopping());
        self.parts.tasks.spawn_infallible(async move {
            let board = app.parts.router.board();
            while let Some(worker) = stop.run_until_cancelled(board.next_missing()).await {
                match app.make_again(worker).await {
                    Ok(()) => info!("what worker {worker} was compiled to was lost, and is made again"),
                    Err(error) => warn!("what worker {worker} was compiled to is lost: {}", chain(&error)),
                }
            }
        });
    }

    /// The same source as a version that has its artefact: the version that is active, or where another compiler
    /// is here now, a new one.
    async fn make_again(&self, worker: WorkerId) -> Result<(), Error> {
        let member = self.find(&worker.to_string())?;
        let source = self.parts.blobs.get(&member.worker.source).await?;
        let source = source.ok_or(Error::CodeMissing { number: member.worker.version })?;
        self.reload((*member.worker).clone(), source, Condition::Any, PATIENCE).await.map(drop)
    }
}
