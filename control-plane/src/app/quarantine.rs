//! Records that cannot be read: listed, repaired, given up.
//!
//! Definitions and versions are written twice, the second time under [`Collection::Copy`]; a damaged
//! one is restored from there. Of other records what can still be understood is taken for what was
//! meant, but only when somebody asks for it.

mod inspect;
mod restore;

use std::pin::pin;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use tracing::warn;
use workmanager_core_delivery::quarantine::quarantine;
use workmanager_core_domain::{
    Timestamp, WorkerId,
    document::{self, Document},
    ports::{Collection, Expect, Key, Record, Records},
    quarantine::Quarantined,
};
use workmanager_core_kit::chain;

use super::{
    App, Error,
    name::NameClaim,
    store::{self, Stored},
};

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub id: String,
    /// The record, without its bytes.
    pub quarantined: Quarantined,
    /// How many bytes it has.
    pub size: usize,
    /// Whether a repair has something to restore it from.
    pub repairable: bool,
}

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Which kind of record it is.
    pub collection: Collection,
    /// Its id there.
    pub record: String,
    /// In words: from what it was restored.
    pub from: &'static str,
    /// When what it was restored from was last changed, if that is known.
    pub as_of: Option<Timestamp>,
}

/// The key of a record's second copy.
pub(super) fn copy_of(key: &Key) -> Key {
    Key::new(Collection::Copy, Quarantined::id(key))
}

/// The entry for a worker's record.
pub(super) fn entry_of_worker(worker: WorkerId) -> String {
    Quarantined::id(&Key::new(Collection::Worker, worker.to_string()))
}

/// Writes the second copy. Without it the record stands all the same, and cannot be repaired.
pub(super) async fn copy(records: &dyn Records, key: &Key, bytes: Bytes) {
    if let Err(error) = records.put(&copy_of(key), bytes, Expect::Any).await {
        warn!("the second copy of `{key}` is not written: {error}");
    }
}

/// Removes the second copy: what was deleted is not to come back.
pub(super) async fn forget(records: &dyn Records, key: &Key) {
    if let Err(error) = records.delete(&copy_of(key), Expect::Any).await {
        warn!("the second copy of `{key}` is not removed: {error}");
    }
}

impl App {
    /// The error for a worker that nobody knows: it may be there, and unreadable.
    pub(super) async fn unknown(&self, reference: &str, id: Option<WorkerId>) -> Error {
        let entry = async {
            let entry = entry_of_worker(id?);
            store::get::<Quarantined>(&*self.parts.records, &entry).await.ok()?.map(|_| entry)
        };
        let reference = reference.to_owned();
        match entry.await {
            Some(entry) => Error::WorkerQuarantined { reference, entry },
            None => Error::NoWorker { reference },
        }
    }

    /// The id that is written as `reference`, or of whoever has claimed it as a name.
    pub(super) async fn id_of(&self, reference: &str) -> Option<WorkerId> {
        match reference.parse() {
            Ok(id) => Some(id),
            Err(_) => Some(store::get::<NameClaim>(&*self.parts.records, reference).await.ok()??.value.worker),
        }
    }

    /// Every record that is known to be unreadable, after a look at all that people can ask for.
    ///
    /// # Errors
    /// The store's.
    pub async fn quarantine(&self) -> Result<Vec<Entry>, Error> {
        self.inspect().await?;
        let mut entries = Vec::new();
        let mut pages = pin!(store::pages(&*self.parts.records, Collection::Quarantine, None));
        while let Some(page) = pages.try_next().await? {
            for record in page {
                let id = record.id.to_string();
                let mut quarantined = self.entry_of(record);
                let repairable = self.can_repair(&quarantined).await?;
                let size = std::mem::take(&mut quarantined.bytes).len();
                entries.push(Entry { id, quarantined, size, repairable });
            }
        }
        Ok(entries)
    }

    /// Reads a record that somebody asked for. One that cannot be read is kept aside, and the answer
    /// says which call restores it.
    pub(super) async fn read<T: Document>(&self, id: &str) -> Result<Option<Stored<T>>, Error> {
        match store::get::<T>(&*self.parts.records, id).await {
            Err(Error::Damaged { .. }) => {}
            answer => return answer,
        }
        let key = Key::new(T::COLLECTION, id);
        let Some(record) = self.parts.records.get(&key).await? else { return Ok(None) };
        look::<T>(self, &key, record.value).await?;
        Err(Error::RecordQuarantined { key: key.to_string(), entry: Quarantined::id(&key) })
    }

    async fn entry(&self, id: &str) -> Result<Quarantined, Error> {
        let missing = || Error::NoQuarantine { id: id.to_owned() };
        let key = Key::new(Collection::Quarantine, id);
        Ok(self.entry_of(self.parts.records.get(&key).await?.ok_or_else(missing)?))
    }

    /// What is kept aside. An entry that cannot be read itself is one like all others.
    fn entry_of(&self, Record { id, value, .. }: Record) -> Quarantined {
        document::decode(&value).unwrap_or_else(|damage| Quarantined {
            collection: Collection::Quarantine,
            record: id.into(),
            reason: chain(&damage),
            at: self.parts.clock.now(),
            bytes: value,
        })
    }

    /// Gives a record up: what it was is gone then. A worker's definition and its name go with it.
    ///
    /// # Errors
    /// `NoQuarantine`, or the store's.
    pub async fn drop_quarantined(&self, id: &str) -> Result<(), Error> {
        let entry = self.entry(id).await?;
        let key = Key::new(entry.collection, entry.record.as_str());
        // What was written anew since is no damage any more.
        if let Some(record) = self.parts.records.get(&key).await?
            && record.value == entry.bytes
        {
            self.parts.records.delete(&key, Expect::Revision(record.revision)).await?;
        }
        forget(&*self.parts.records, &key).await;
        store::delete::<Quarantined>(&*self.parts.records, id, Expect::Any).await?;
        self.recover().await.map(|_| ())
    }
}

/// Keeps a record aside if it cannot be read as `T`.
pub(super) async fn look<T: Document>(app: &App, key: &Key, value: Bytes) -> Result<(), Error> {
    if let Err(damage) = document::decode::<T>(&value) {
        let entry = Key::new(Collection::Quarantine, Quarantined::id(key));
        if app.parts.records.get(&entry).await?.is_some() {
            return Ok(());
        }
        warn!("record `{key}` cannot be read and is quarantined: {}", chain(&damage));
        quarantine(&*app.parts.records, key, value, chain(&damage), app.parts.clock.now()).await?;
    }
    Ok(())
}
