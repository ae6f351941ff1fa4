//! How a damaged record comes back.

use bytes::Bytes;
use tracing::info;
use workmanager_core_domain::{
    EventRecord, Timestamp, Version, Worker,
    dead_letter::DeadLetter,
    document::{self, Damage, Document},
    lease::Lease,
    parked::Parked,
    ports::{Collection, Expect, Key},
    quarantine::Quarantined,
};

use super::{Repaired, copy, copy_of};
use crate::app::{App, Error, claim::ClaimRecord, store};

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
            let nothing = "nothing tells what it was; drop the entry, and make anew what it was";
            let Restored { bytes, from, as_of } = self.restored(&entry).await?.ok_or_else(|| not(nothing))?;
            let expect = there.map_or(Expect::Absent, |record| Expect::Revision(record.revision));
            self.parts.records.put(&key, bytes.clone(), expect).await?;
            if matches!(entry.collection, Collection::Worker | Collection::Version) {
                copy(&*self.parts.records, &key, bytes).await;
            }
            (from, as_of)
        };
        if entry.collection != Collection::Quarantine {
            store::delete::<Quarantined>(&*self.parts.records, id, Expect::Any).await?;
        }
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
            Collection::Worker => self.worker(entry).await,
            Collection::Version => {
                let fits = |version: &Version| Version::key(version.worker, version.number) == entry.record;
                let copied = self.copied(entry, fits, |version| version.created_at).await?;
                Ok(copied.or_else(|| salvaged(entry, fits)))
            }
            Collection::Event => Ok(salvaged::<EventRecord>(entry, |_| true)),
            Collection::Parked => Ok(salvaged::<Parked>(entry, |_| true)),
            Collection::DeadLetter => Ok(salvaged::<DeadLetter>(entry, |letter| letter.id.to_string() == entry.record)),
            Collection::Lease => Ok(salvaged::<Lease>(entry, |_| true)),
            Collection::Claim => Ok(salvaged::<ClaimRecord>(entry, |_| true)),
            Collection::Quarantine => Ok(salvaged::<Quarantined>(entry, |_| true)),
            // They are made anew by whoever needs them.
            Collection::Name | Collection::Copy | Collection::Replica | Collection::Recent | Collection::Artefact => {
                Ok(None)
            }
        }
    }

    async fn worker(&self, entry: &Quarantined) -> Result<Option<Restored>, Error> {
        let fits = |worker: &Worker| worker.id.to_string() == entry.record;
        if let Some(copied) = self.copied(entry, fits, |worker| worker.updated_at).await? {
            return Ok(Some(copied));
        }
        let snapshot = self.parts.roster.snapshot();
        let known = entry.record.parse().ok().and_then(|id| snapshot.get(id)).filter(|known| !known.is_quarantined());
        let restored = |bytes, worker: &Worker| Restored {
            bytes,
            from: "what this program has in memory",
            as_of: Some(worker.updated_at),
        };
        let known = known.and_then(|known| Some(restored(document::encode(&*known.worker).ok()?, &known.worker)));
        Ok(known.or_else(|| salvaged(entry, fits)))
    }

    /// What the second copy tells, if there is one that can be read.
    async fn copied<T: Document>(
        &self,
        entry: &Quarantined,
        fits: impl Fn(&T) -> bool,
        as_of: impl Fn(&T) -> Timestamp,
    ) -> Result<Option<Restored>, Error> {
        let key = copy_of(&Key::new(entry.collection, entry.record.as_str()));
        let Some(record) = self.parts.records.get(&key).await? else { return Ok(None) };
        let copy = document::decode::<T>(&record.value).ok().filter(|copy| fits(copy));
        Ok(copy.map(|copy| Restored { bytes: record.value, from: "its second copy", as_of: Some(as_of(&copy)) }))
    }
}

/// What the record's own bytes still tell. Where not the checksum alone is wrong, that is nothing: a
/// newer program's record is not made an older one.
fn salvaged<T: Document>(entry: &Quarantined, fits: impl Fn(&T) -> bool) -> Option<Restored> {
    let (document, from) = match document::decode::<T>(&entry.bytes) {
        Ok(document) => (document, "its own bytes, which can be read"),
        Err(Damage::Checksum { .. }) => {
            (document::salvage::<T>(&entry.bytes)?, "its own bytes, of which only the checksum was wrong")
        }
        Err(Damage::Envelope(_) | Damage::Schema { .. } | Damage::Body { .. }) => return None,
    };
    let bytes = document::encode(&document).ok().filter(|_| fits(&document))?;
    Some(Restored { bytes, from, as_of: None })
}
