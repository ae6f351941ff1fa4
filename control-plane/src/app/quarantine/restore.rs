//! How a damaged record comes back.

use bytes::Bytes;
use tracing::info;
use workmanager_core_domain::{
    EventRecord, Timestamp, Version, Worker,
    dead_letter::DeadLetter,
    document::{self, Document},
    lease::Lease,
    parked::Parked,
    ports::{Collection, Expect, Key},
    quarantine::Quarantined,
};

use super::{Repaired, copy_of};
use crate::app::{App, Error, store};

/// A record as it is to be.
struct Restored {
    bytes: Bytes,
    from: &'static str,
    as_of: Option<Timestamp>,
}

impl App {
    /// Restores a record, and takes it into use.
    ///
    /// # Errors
    /// `NoQuarantine`; `NotRepairable`, then nothing changed; or the store's, and doing it again is fine.
    pub async fn repair(&self, id: &str) -> Result<Repaired, Error> {
        let entry = self.entry(id).await?;
        let not = |reason: &str| Error::NotRepairable { id: id.to_owned(), reason: reason.to_owned() };
        let key = Key::new(entry.collection, entry.record.as_str());
        let there = self.parts.records.get(&key).await?;
        if there.as_ref().is_some_and(|record| record.value != entry.bytes) && entry.collection != Collection::Name {
            return Err(not("the record was written anew since; drop the entry"));
        }
        let (from, as_of) = if entry.collection == Collection::Name {
            ("the worker of this name", None)
        } else {
            let restored = self.restored(&entry).await?.ok_or_else(|| not("nothing tells what it was"))?;
            let expect = there.map_or(Expect::Absent, |record| Expect::Revision(record.revision));
            self.parts.records.put(&key, restored.bytes, expect).await?;
            (restored.from, restored.as_of)
        };
        store::delete::<Quarantined>(&*self.parts.records, id, Expect::Any).await?;
        info!("record `{key}` is repaired from {from}");
        // Puts workers into the roster, and makes name claims fit them.
        self.recover().await?;
        if entry.collection == Collection::Parked {
            self.parts.router.restore().await?;
        }
        Ok(Repaired { collection: entry.collection, record: entry.record, from, as_of })
    }

    pub(super) async fn can_repair(&self, entry: &Quarantined) -> Result<bool, Error> {
        Ok(entry.collection == Collection::Name || self.restored(entry).await?.is_some())
    }

    async fn restored(&self, entry: &Quarantined) -> Result<Option<Restored>, Error> {
        match entry.collection {
            Collection::Worker => self.copied::<Worker>(entry, |worker| worker.updated_at).await,
            Collection::Version => self.copied::<Version>(entry, |version| version.created_at).await,
            Collection::Event => Ok(salvaged::<EventRecord>(entry)),
            Collection::Parked => Ok(salvaged::<Parked>(entry)),
            Collection::DeadLetter => Ok(salvaged::<DeadLetter>(entry)),
            Collection::Lease => Ok(salvaged::<Lease>(entry)),
            Collection::Name | Collection::Quarantine | Collection::Copy | Collection::Claim => Ok(None),
        }
    }

    async fn copied<T: Document>(
        &self,
        entry: &Quarantined,
        as_of: impl Fn(&T) -> Timestamp,
    ) -> Result<Option<Restored>, Error> {
        let key = copy_of(&Key::new(entry.collection, entry.record.as_str()));
        let Some(record) = self.parts.records.get(&key).await? else { return Ok(salvaged::<T>(entry)) };
        let Ok(copy) = document::decode::<T>(&record.value) else { return Ok(salvaged::<T>(entry)) };
        Ok(Some(Restored { bytes: record.value, from: "its second copy", as_of: Some(as_of(&copy)) }))
    }
}

/// The record as its damaged bytes still tell it, if they do.
fn salvaged<T: Document>(entry: &Quarantined) -> Option<Restored> {
    let document = document::salvage::<T>(&entry.bytes)?;
    let bytes = document::encode(&document).ok()?;
    Some(Restored { bytes, from: "its own bytes, of which only the checksum was wrong", as_of: None })
}
