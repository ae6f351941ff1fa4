//! New code for a worker, its history, and the way back.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use workmanager_core_domain::{
    Version, Worker, WorkerId, document,
    ports::{Collection, Key},
};

use super::{
    App, CodeDraft, Condition, EngineDraft, Error, Problems, View, check, quarantine,
    store::Stored,
    version::{self, Numbered, manifest_of},
};

/// Entries of a page of history, when the caller does not say.
const PAGE: usize = 100;
/// Bytes of code in one page of history; the page ends with the version that passes it.
const PAGE_BYTES: usize = 32 << 20;

/// New code, as a caller gives it. What is absent stays.
#[derive(Debug, Clone, Default)]
pub struct CodeChange {
    /// The code.
    pub code: Option<CodeDraft>,
    /// How the engine treats it.
    pub engine: EngineDraft,
    /// Attributes for every event.
    pub config: Option<BTreeMap<String, String>>,
}

/// One version, as history shows it.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// The version.
    pub version: Version,
    /// Whether it is the active one.
    pub active: bool,
    /// Its source, if it is in the store.
    pub code: Option<Bytes>,
}

/// A page of history, oldest first.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The versions.
    pub entries: Vec<HistoryEntry>,
    /// The number to go on after; `None` at the end.
    pub next: Option<u32>,
}

impl App {
    /// Gives a worker new code: an immutable version, active once it has loaded. Until then, and if it
    /// does not load, the old one serves on. `at` is where the code stands in the request, for what is
    /// wrong with it.
    ///
    /// # Errors
    /// What is wrong with the request, all of it; `Rejected`; `Target`; `Revision`; the store's.
    pub async fn load_code(
        &self,
        reference: &str,
        (change, at, found): (CodeChange, &str, Problems),
        condition: Condition,
        wait: Option<Duration>,
    ) -> Result<View, Error> {
        let member = self.get(reference).await?;
        condition.check(member.revision)?;
        let mut problems = found;
        let mut worker = Worker::clone(&member.worker);
        worker.engine = check::engine(change.engine, worker.engine, &mut problems);
        worker.config = change.config.unwrap_or(worker.config);
        check::config(&worker.config, &mut problems);
        let code = check::code(change.code, at, &mut problems)?;
        let code = problems.none_or(Some(code))?.ok_or(Error::CodeUrl)?;
        let wait = self.wait(wait)?;
        let app = self.clone();
        let loaded = self.to_the_end(async move { app.reload(worker, code, condition, wait).await }).await;
        loaded.map_err(|error| error.at(&format!("{at}/content")))
    }

    pub(super) async fn reload(
        &self,
        worker: Worker,
        code: Bytes,
        condition: Condition,
        wait: Duration,
    ) -> Result<View, Error> {
        let manifest = manifest_of(&worker, version::digest(&code).await);
        let prepared = self.prepare((worker.id, &worker.name), manifest, code, wait).await?;
        self.parts.router.board().clear(worker.id);
        let member = self.find(&worker.id.to_string())?;
        if prepared.digest == member.worker.digest {
            condition.check(member.revision)?;
            return Ok(self.view(&member).await);
        }
        let next = member.worker.latest_version.saturating_add(1);
        let version = self.number(worker.id, next, prepared).await?;
        let activated = self.activate(worker.id, &version, &condition).await;
        if let Err(error) = &activated {
            self.discard(&version, error).await;
        }
        activated
    }

    /// Makes an earlier version the active one.
    ///
    /// # Errors
    /// `NoVersion`, `Revision`, or the store's.
    pub async fn roll_back(&self, reference: &str, number: u32, condition: Condition) -> Result<View, Error> {
        let member = self.get(reference).await?;
        let id = member.worker.id;
        let stored = self.read::<Version>(&Version::key(id, number)).await?;
        let missing = || Error::NoVersion { worker: member.worker.name.to_string(), number };
        let Stored { value, .. } = stored.ok_or_else(missing)?;
        let app = self.clone();
        self.to_the_end(async move { app.activate(id, &Numbered(value), &condition).await }).await
    }

    async fn activate(&self, id: WorkerId, version: &Numbered, condition: &Condition) -> Result<View, Error> {
        let edit = |worker: &Worker| {
            let mut next = worker.clone();
            version.activate(&mut next);
            Ok(next)
        };
        let member = self.update(id, condition, edit).await?;
        self.parts.router.board().clear(id);
        Ok(self.view(&member).await)
    }

    /// The versions after number `after`, also those of a deleted worker by its id.
    ///
    /// # Errors
    /// `NoWorker`, or the store's.
    pub async fn history(
        &self,
        reference: &str,
        after: Option<u32>,
        limit: Option<usize>,
    ) -> Result<HistoryPage, Error> {
        let member = self.find(reference).ok();
        let id = match (&member, reference.parse()) {
            (Some(member), _) => member.worker.id,
            (None, Ok(id)) => id,
            (None, Err(_)) => return Err(self.unknown(reference, self.id_of(reference).await).await),
        };
        let active = member.map(|member| member.worker.version);
        let (prefix, start) = (format!("{id}/"), after.map(|number| Version::key(id, number)));
        let limit = limit.unwrap_or(PAGE);
        let page = self.parts.records.page(Collection::Version, &prefix, start.as_deref(), limit).await?;
        if page.records.is_empty() && active.is_none() {
            return Err(self.unknown(reference, Some(id)).await);
        }
        let (mut entries, mut size, mut last) = (Vec::with_capacity(page.records.len()), 0, None);
        let count = page.records.len();
        for (at, record) in page.records.into_iter().enumerate() {
            let version: Version = match document::decode(&record.value) {
                Ok(version) => version,
                Err(_) => {
                    // Left out here, and listed there.
                    let key = Key::new(Collection::Version, record.id);
                    quarantine::look::<Version>(self, &key, record.value).await?;
                    continue;
                }
            };
            let code = self.code(&version.manifest.source).await;
            size += code.as_ref().map_or(0, Bytes::len);
            last = Some(version.number);
            entries.push(HistoryEntry { active: active == Some(version.number), version, code });
            if size > PAGE_BYTES && at + 1 < count {
                return Ok(HistoryPage { entries, next: last });
            }
        }
        Ok(HistoryPage { entries, next: page.next.and(last) })
    }
}
