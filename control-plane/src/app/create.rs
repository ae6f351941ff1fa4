//! A new worker.

use std::{sync::Arc, time::Duration};

use tracing::info;
use workmanager_core_delivery::Member;
use workmanager_core_domain::{
    Digest, Version, Worker, WorkerId,
    ports::{Expect, Revision, StoreError},
    version::VersionStatus,
    worker::{Desired, Isolation},
};
use workmanager_core_kit::field::WORKER_NAME;

use super::{
    App, Definition, Error, Problems, View,
    store::{self, Stored, is_conflict},
    version::{self, Prepared, WAITS, manifest_of},
};

impl App {
    /// Creates a worker once its code has loaded. With the id of an earlier try, whatever that try
    /// left is taken up, so that there is one worker in the end.
    ///
    /// # Errors
    /// `Rejected`, `Target`, `NameTaken`, or the store's; nothing is there then.
    pub async fn create(
        &self,
        definition: Definition,
        id: Option<WorkerId>,
        wait: Option<Duration>,
    ) -> Result<View, Error> {
        let wait = self.wait(wait)?;
        if definition.isolation == Isolation::Dedicated && self.parts.dedicated.is_none() {
            let reason = "`dedicated` is not available here, only `shared`";
            return Err(Error::Invalid(Problems::one("/isolation", reason)));
        }
        let app = self.clone();
        self.to_the_end(async move {
            let member = match id {
                Some(id) => match app.made_before(id).await? {
                    Some(member) => member,
                    None => app.make(id, definition, wait).await?,
                },
                None => app.make(WorkerId::new(app.parts.ids.next()), definition, wait).await?,
            };
            // Whether its topics are taken already is shown by its state.
            app.settle(&member.worker).await.ok();
            Ok(app.view(&member).await)
        })
        .await
    }

    /// How long the caller waits for a verdict.
    pub(super) fn wait(&self, wait: Option<Duration>) -> Result<Duration, Error> {
        match wait {
            None => Ok(self.parts.settings.wait),
            Some(wait) if WAITS.contains(&wait) => Ok(wait),
            Some(_) => Err(Error::wait("?wait", &WAITS)),
        }
    }

    async fn made_before(&self, id: WorkerId) -> Result<Option<Arc<Member>>, Error> {
        let stored = self.read::<Worker>(&id.to_string()).await?;
        Ok(stored.and_then(|Stored { value, revision }| self.known(value, revision)))
    }

    fn known(&self, worker: Worker, revision: Revision) -> Option<Arc<Member>> {
        let id = worker.id;
        self.parts.roster.put(worker, revision);
        self.parts.roster.snapshot().get(id).cloned()
    }

    async fn make(&self, id: WorkerId, definition: Definition, wait: Duration) -> Result<Arc<Member>, Error> {
        if let Some(name) = &definition.name
            && self.parts.roster.snapshot().named(name.as_str()).is_some()
        {
            return Err(Error::NameTaken { name: name.to_string() });
        }
        let name = Self::likely_name(definition.name.as_ref(), id).ok_or(Error::Cut)?;
        let (code, wanted) = (definition.code.clone(), definition.name.clone());
        let source = version::digest(&code).await;
        let mut worker = self.draw_up(id, name, source, definition);
        let prepared = self.prepare((id, &worker.name), manifest_of(&worker, source), code, wait).await?;
        self.keep_first(&mut worker, prepared).await?;
        worker.name = match self.claim_some_name(wanted.as_ref(), id).await {
            Ok(name) => name,
            Err(error) => {
                if matches!(error, Error::NameTaken { .. }) {
                    self.remove_version(id, 1).await;
                }
                return Err(error);
            }
        };
        self.enter(worker).await
    }

    /// The record, with its first version still to come.
    fn draw_up(
        &self,
        id: WorkerId,
        name: workmanager_core_domain::WorkerName,
        source: Digest,
        definition: Definition,
    ) -> Worker {
        let Definition { mime_type, topics, filter, group, reply_topic, config, tags, .. } = definition;
        let Definition { engine, isolation, ordering, limits, start, .. } = definition;
        let now = self.parts.clock.now();
        Worker {
            id,
            name,
            mime_type,
            topics,
            filter,
            group,
            reply_topic,
            config,
            tags,
            engine,
            isolation,
            ordering,
            limits,
            desired: if start { Desired::Running } else { Desired::Stopped },
            started_once: start,
            version: 1,
            latest_version: 1,
            digest: source,
            source,
            created_at: now,
            updated_at: now,
        }
    }

    /// Version 1. What an earlier try left there belongs to no worker yet and is replaced.
    async fn keep_first(&self, worker: &mut Worker, Prepared { digest, manifest }: Prepared) -> Result<(), Error> {
        worker.digest = digest;
        let (number, created_at, status) = (1, worker.created_at, VersionStatus::Validated);
        let version = Version { worker: worker.id, number, created_at, status, digest, manifest };
        let key = Version::key(worker.id, number);
        store::put_twice(&*self.parts.records, &key, &version, Expect::Any).await.map(|_| ())
    }

    async fn enter(&self, worker: Worker) -> Result<Arc<Member>, Error> {
        let (id, name) = (worker.id, worker.name.clone());
        let _writing = self.lock(id).await;
        let revision = match store::put_twice(&*self.parts.records, &id.to_string(), &worker, Expect::Absent).await {
            Ok(revision) => revision,
            // The same request, tried twice at once: the other one has won.
            Err(error) if is_conflict(&error) => return self.made_before(id).await?.ok_or(error),
            // It may be there: its name stays claimed, and is given free later if it is not.
            Err(error @ Error::Store(StoreError::Timeout)) => return Err(error),
            Err(error) => {
                self.release_name(&name, id).await;
                return Err(error);
            }
        };
        info!({ WORKER_NAME } = %name, "worker `{name}` created");
        self.known(worker, revision).ok_or(Error::NoWorker { reference: id.to_string() })
    }
}
