//! Start, stop, recovery, and what can run here.

use std::collections::BTreeSet;

use tracing::{info, warn};
use workmanager_core_domain::{
    EngineInfo, MimeType, Topic, Worker, WorkerId, document::Document as _, ports::Key, worker::Desired,
};
use workmanager_core_kit::chain;

use super::{
    App, Condition, Error, View, load,
    store::{self},
};

impl App {
    /// Starts a worker. An event that is published after this is not missed.
    ///
    /// # Errors
    /// `NotSettled` when its topics cannot be taken in time: it is started then, and will get them.
    pub async fn start(&self, reference: &str, condition: Condition) -> Result<View, Error> {
        let id = self.get(reference).await?.worker.id;
        let app = self.clone();
        self.to_the_end(async move {
            let member = app.update(id, &condition, started).await?;
            app.settle(&member.worker).await?;
            Ok(app.view(&member).await)
        })
        .await
    }

    /// Stops a worker: no attempt begins from now on. The backlog of its topics is kept.
    ///
    /// # Errors
    /// `Revision`, or the store's.
    pub async fn stop(&self, reference: &str, condition: Condition) -> Result<View, Error> {
        let id = self.get(reference).await?.worker.id;
        let app = self.clone();
        self.to_the_end(async move {
            let member = app.update(id, &condition, stopped).await?;
            Ok(app.view(&member).await)
        })
        .await
    }

    /// Waits until a running worker's topics are taken.
    pub(super) async fn settle(&self, worker: &Worker) -> Result<(), Error> {
        if worker.desired == Desired::Stopped {
            return Ok(());
        }
        let settled = self.parts.router.settled(&worker.topics, self.parts.settings.settle).await;
        settled.map_err(Error::NotSettled)
    }

    /// Reads all workers again, as at a start, and says how many of them run. Their topics are taken
    /// when this returns, or their workers say why not.
    ///
    /// # Errors
    /// The store's.
    pub async fn recover(&self) -> Result<usize, Error> {
        let parts = &self.parts;
        let known = self.reread_all().await?;
        let roster = parts.roster.snapshot();
        let running = || roster.members().filter(|member| member.is_running());
        let topics: BTreeSet<&Topic> = running().flat_map(|member| &member.worker.topics).collect();
        if let Err(late) = parts.router.settled(topics, parts.settings.settle).await {
            warn!("{}", chain(&late));
        }
        let count = running().count();
        info!("recovered: {count} of {known} workers run");
        Ok(count)
    }

    /// Reads all workers again, and says how many can be used.
    ///
    /// # Errors
    /// The store's.
    pub async fn reread_all(&self) -> Result<usize, Error> {
        let parts = &self.parts;
        let loaded = load(&*parts.records, &parts.roster, &*parts.clock).await?;
        for id in self.ids() {
            if loaded.ids.contains(&id) {
                continue;
            }
            let _writing = self.lock(id).await;
            if store::get::<Worker>(&*parts.records, &id.to_string()).await.is_ok_and(|stored| stored.is_none()) {
                parts.roster.remove(id);
            }
        }
        Ok(loaded.ids.len())
    }

    /// Reads one worker again, which somebody else has changed.
    ///
    /// # Errors
    /// The store's, or `Damaged`; what was known of it stays.
    pub async fn reread(&self, id: WorkerId) -> Result<(), Error> {
        let _writing = self.lock(id).await;
        self.know(id, store::get(&*self.parts.records, &id.to_string()).await?);
        Ok(())
    }

    /// Whether the store has something under this id, whatever is known of it here.
    ///
    /// # Errors
    /// The store's.
    pub async fn has_record(&self, id: WorkerId) -> Result<bool, Error> {
        let key = Key::new(Worker::COLLECTION, id.to_string());
        Ok(self.parts.records.get(&key).await?.is_some())
    }

    fn ids(&self) -> Vec<WorkerId> {
        self.parts.roster.snapshot().members().map(|member| member.worker.id).collect()
    }

    /// What can run here, one entry for each kind of code.
    pub async fn engines(&self) -> Vec<EngineInfo> {
        let mut engines = self.parts.target.engines().await;
        for mime_type in MimeType::ALL {
            if engines.iter().any(|engine| engine.mime_type == mime_type) {
                continue;
            }
            engines.push(EngineInfo {
                mime_type,
                language: mime_type.language().to_owned(),
                runtime: None,
                available: false,
                reason: Some("no engine for it is part of this function".to_owned()),
                sandbox: Vec::new(),
            });
        }
        engines.sort_by_key(|engine| engine.mime_type);
        engines
    }
}

fn started(worker: &Worker) -> Result<Worker, Error> {
    Ok(Worker { desired: Desired::Running, started_once: true, ..worker.clone() })
}

fn stopped(worker: &Worker) -> Result<Worker, Error> {
    Ok(Worker { desired: Desired::Stopped, ..worker.clone() })
}
