//! Records.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use workmanager_core_domain::ports::{Collection, Expect, Key, Page, Record, Records, Revision, StoreError};

use crate::{Dapr, cell::Kind, cells, events, index, sidecar::Life};

/// How many records are read ahead for a page.
const AHEAD: usize = 64;

#[async_trait]
impl Records for Dapr {
    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        if key.collection == Collection::Event {
            return self.event(key).await;
        }
        let name = index::record(key);
        let Some(found) = self.cells().read(&name).await? else { return Ok(None) };
        let Some((found, value)) = self.cells().value(&name, found).await? else { return Ok(None) };
        Ok(Some(Record { id: key.id.clone(), value, revision: Revision(found.cell.revision) }))
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Revision, StoreError> {
        if key.collection == Collection::Event {
            return self.put_event(key, value, expect).await;
        }
        let name = index::record(key);
        let may_create = match expect {
            Expect::Absent => true,
            Expect::Revision(_) => false,
            Expect::Any => !self.cells().read(&name).await?.is_some_and(|found| found.cell.is_live()),
        };
        if may_create {
            self.index().enter(key).await?;
        }
        let written = self.cells().write_value(self.life(key), &name, value, expect).await;
        let written = written.map_err(|error| named(key, error))?;
        // Its id may be marked as gone by whoever deleted what was there.
        if written.before.is_some_and(|cell| !cell.is_live()) {
            self.index().enter(key).await?;
        }
        Ok(written.revision)
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<(), StoreError> {
        if key.collection == Collection::Event {
            return self.delete_event(key, expect).await;
        }
        let name = index::record(key);
        let written = self.cells().write_for(ends(key), &name, Kind::Tombstone, Bytes::new(), expect).await;
        let written = written.map_err(|error| named(key, error))?;
        if let Some(before) = written.before.filter(|cell| cell.is_live()) {
            self.cells().drop_chunks_of(Some(&before)).await;
            // It is deleted, whatever becomes of its place in the index.
            if let Err(error) = self.index().mark(key).await {
                tracing::debug!("`{key}` is deleted and still in the index: {error}");
            }
        }
        Ok(())
    }

    async fn page(
        &self,
        collection: Collection,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        if collection == Collection::Event {
            return self.page_of_events(prefix, after, limit).await;
        }
        let ids: Vec<_> = self.index().ids(collection, prefix, after).await?.into_iter().collect();
        let (mut records, mut idle, mut next) = (Vec::new(), Vec::new(), 0);
        while next < ids.len() && records.len() < limit {
            let some = &ids[next..ids.len().min(next + AHEAD.min(limit - records.len()))];
            next += some.len();
            let names: Vec<_> = some.iter().map(|id| index::record(&Key::new(collection, id.clone()))).collect();
            let mut found: HashMap<_, _> = self.cells().read_many(&names).await?.into_iter().collect();
            for (id, name) in some.iter().zip(names) {
                let value = match found.remove(&name) {
                    Some(found) => self.cells().value(&name, found).await?,
                    None => None,
                };
                match value {
                    Some((found, value)) => {
                        records.push(Record { id: id.clone(), value, revision: Revision(found.cell.revision) });
                    }
                    None => idle.push(id.clone()),
                }
            }
        }
        self.index().sweep(collection, idle).await;
        let next = if next < ids.len() { records.last().map(|record| record.id.clone()) } else { None };
        Ok(Page { records, next })
    }
}

impl Dapr {
    /// How long a record stays.
    fn life(&self, key: &Key) -> Life {
        match key.collection {
            Collection::DeadLetter => Life::For(self.shared().retention.dead_letters),
            _ => Life::Lasting,
        }
    }

    /// Whether a record is as expected.
    pub(crate) async fn is_as(&self, key: &Key, expect: Expect) -> Result<bool, StoreError> {
        match (expect, key.collection) {
            (Expect::Any, _) => Ok(true),
            (_, Collection::Event) => Ok(events::holds(expect, self.event(key).await?.as_ref())),
            _ => Ok(cells::holds(expect, self.cells().read(&index::record(key)).await?.as_ref())),
        }
    }
}

/// The life of what lasts, where records of the collection may have an end.
const fn ends(key: &Key) -> Life {
    match key.collection {
        Collection::DeadLetter => Life::LastingAgain,
        _ => Life::Lasting,
    }
}

/// A conflict names the record as its caller knows it.
fn named(key: &Key, error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict { .. } => StoreError::Conflict { key: key.to_string() },
        other => other,
    }
}
