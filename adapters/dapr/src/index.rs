//! Which ids a collection has. Dapr cannot list keys, so the ids stand in documents of our own, spread over
//! buckets by a hash, each changed by compare-and-swap.
//!
//! An id is entered before its record is first written and marked as gone after its record is deleted; it stays
//! marked as long as the record's tombstone. Both sides look again: who marks it reads the record once more, who
//! writes over a tombstone enters the id once more. So in every order of the two the id ends up entered. What a
//! crash leaves wrong is repaired by whoever sweeps: an id that is marked and has a record is entered again, one
//! that is long without a record is taken out.

mod bucket;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::Mutex;
use workmanager_core_domain::ports::{Collection, Expect, Key, Revision, StoreError};

use self::bucket::{Bucket, Entry};
use crate::{
    cell::Kind,
    cells::{Cells, Found},
};

/// How long a tombstone and an id without a record stay. Longer than any call that still holds an etag from
/// before takes, and than clocks differ.
pub(crate) const KEEP: Duration = Duration::from_secs(10 * 60);
/// How many ids one change of a bucket sweeps on the way.
const SWEPT: usize = 8;
/// How many locks keep writers of this process from getting into each other's way.
const LOCKS: usize = 64;
/// The ids of all collections.
#[derive(Clone)]
pub(crate) struct Index {
    cells: Cells,
    locks: Arc<[Mutex<()>; LOCKS]>,
}

impl Index {
    pub(crate) fn new(cells: Cells) -> Self {
        Self { cells, locks: Arc::new(std::array::from_fn(|_| Mutex::new(()))) }
    }

    /// Enters an id, if it is not entered already.
    pub(crate) async fn enter(&self, key: &Key) -> Result<(), StoreError> {
        let stale = self.write_entry(key).await?;
        self.sweep(key.collection, stale).await;
        Ok(())
    }

    /// Enters an id, and says which others of its bucket should be looked at: those that are long marked.
    async fn write_entry(&self, key: &Key) -> Result<Vec<Box<str>>, StoreError> {
        let now = self.cells.now();
        let enter = |bucket: &mut Bucket| {
            let stale = bucket.stale(now.saturating_sub(micros(KEEP)), SWEPT);
            match bucket.entry(&key.id) {
                // Entered long ago it might be swept while its record is on its way.
                Some(entry) if !entry.gone && now.saturating_sub(entry.at) < micros(KEEP) / 2 => (false, stale),
                _ => (bucket.set(&key.id, Entry { at: now, gone: false }), stale),
            }
        };
        self.change(&bucket_of(key), enter).await
    }

    /// Marks an id as gone, unless it has a record again.
    pub(crate) async fn mark(&self, key: &Key) -> Result<(), StoreError> {
        let entry = Entry { at: self.cells.now(), gone: true };
        self.change(&bucket_of(key), |bucket| (bucket.set(&key.id, entry), ())).await?;
        if self.cells.read(&record(key)).await?.is_some_and(|found| found.cell.is_live()) {
            self.enter(key).await?;
        }
        Ok(())
    }

    /// The entered ids that begin with `prefix` and are after `after`, in order.
    pub(crate) async fn ids(
        &self,
        collection: Collection,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<BTreeSet<Box<str>>, StoreError> {
        let buckets = self.cells.read_many(&buckets_of(collection)).await?;
        let mut ids = BTreeSet::new();
        for (_, found) in buckets {
            let bucket = Bucket::decode(&found.cell.payload);
            ids.extend(bucket.entered(prefix).filter(|id| after.is_none_or(|after| ***id > *after)).cloned());
        }
        Ok(ids)
    }

    /// Looks after ids that were found without a record, or that are long marked. Nobody waits for its success.
    pub(crate) async fn sweep(&self, collection: Collection, ids: Vec<Box<str>>) {
        for id in ids {
            let key = Key::new(collection, id);
            if let Err(error) = self.sweep_one(&key).await {
                tracing::debug!("the index entry of `{key}` stays: {error}");
                return;
            }
        }
    }

    async fn sweep_one(&self, key: &Key) -> Result<(), StoreError> {
        let now = self.cells.now();
        let is_old = |at: u64| now.saturating_sub(at) > micros(KEEP);
        let name = bucket_of(key);
        let Some(found) = self.cells.read(&name).await? else { return Ok(()) };
        let Some(entry) = Bucket::decode(&found.cell.payload).entry(&key.id) else { return Ok(()) };
        if !is_old(entry.at) {
            return Ok(());
        }
        match self.cells.read(&record(key)).await? {
            Some(Found { cell, .. }) if cell.is_live() => {
                if entry.gone {
                    self.write_entry(key).await?;
                }
                return Ok(());
            }
            Some(found) if !is_old(found.cell.revision) => return Ok(()),
            Some(found) => self.cells.remove(&record(key), &found).await?,
            None => {}
        }
        // Whoever wrote the record meanwhile has entered its id anew before.
        self.change(&name, |bucket| (bucket.remove(&key.id, entry), ())).await
    }

    /// Changes a bucket; the closure says whether there is something to write.
    async fn change<T>(&self, name: &str, mut change: impl FnMut(&mut Bucket) -> (bool, T)) -> Result<T, StoreError> {
        let lock = &self.locks[usize::try_from(hash(name) % LOCKS as u64).unwrap_or(0)];
        let _turn = lock.lock().await;
        loop {
            let found = self.cells.read(name).await?;
            let mut bucket = found.as_ref().map(|found| Bucket::decode(&found.cell.payload)).unwrap_or_default();
            let (changed, result) = change(&mut bucket);
            if !changed {
                return Ok(result);
            }
            let expect = found.map_or(Expect::Absent, |found| Expect::Revision(Revision(found.cell.revision)));
            match self.cells.write(name, Kind::Value, Bytes::from(bucket.encode()), expect).await {
                Ok(_) => return Ok(result),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The key under which a record stands.
pub(crate) fn record(key: &Key) -> String {
    format!("record/{}/{}", key.collection.as_str(), key.id)
}

fn bucket_of(key: &Key) -> String {
    bucket_name(key.collection, hash(&key.id) % buckets(key.collection))
}

fn buckets_of(collection: Collection) -> Vec<String> {
    (0..buckets(collection)).map(|number| bucket_name(collection, number)).collect()
}

fn bucket_name(collection: Collection, number: u64) -> String {
    format!("index/{}/{number}", collection.as_str())
}

/// How many buckets a collection has. Never changed: an id is found in its bucket only.
const fn buckets(collection: Collection) -> u64 {
    match collection {
        Collection::Parked | Collection::DeadLetter => 32,
        _ => 8,
    }
}

/// FNV-1a. Never changed, for the same reason.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_stays_what_it_is() {
        assert_eq!((hash(""), hash("a")), (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c));
    }
}
