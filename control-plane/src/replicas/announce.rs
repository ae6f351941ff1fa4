//! Telling the others which worker has changed.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tracing::debug;
use workmanager_core_domain::{
    WorkerId,
    document::{self, Document as _},
    ports::{Collection, Expect, Key, Page, Record, Records, Revision, StoreError},
    replica::Recent,
};

/// How often it is tried while others tell something too.
const TRIES: usize = 8;

/// A store whose changes of workers are told. What could not be told is found by the others when they
/// compare everything.
pub struct Announcing(Arc<dyn Records>);

impl Announcing {
    /// The same store.
    #[must_use]
    pub fn new(records: Arc<dyn Records>) -> Self {
        Self(records)
    }

    async fn announce(&self, key: &Key) {
        let Ok(worker) = key.id.parse::<WorkerId>() else { return };
        if let Err(error) = self.add(worker).await {
            debug!("the others are not told that worker {worker} has changed: {error}");
        }
    }

    async fn add(&self, worker: WorkerId) -> Result<(), StoreError> {
        let key = Key::new(Recent::COLLECTION, Recent::ID);
        for _ in 0..TRIES {
            let found = self.0.get(&key).await?;
            let expect = found.as_ref().map_or(Expect::Absent, |record| Expect::Revision(record.revision));
            // One that cannot be read is made anew: then the others compare everything.
            let mut recent: Recent = found.and_then(|record| document::decode(&record.value).ok()).unwrap_or_default();
            recent.add(worker);
            let value = document::encode(&recent).map_err(|error| StoreError::damaged(&key, error))?;
            match self.0.put(&key, value, expect).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict { key: key.to_string() })
    }
}

/// Whether something may have changed.
const fn may_have_happened<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Ok(_) | Err(StoreError::Timeout))
}

#[async_trait]
impl Records for Announcing {
    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.0.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Revision, StoreError> {
        let answer = self.0.put(key, value, expect).await;
        if key.collection == Collection::Worker && may_have_happened(&answer) {
            self.announce(key).await;
        }
        answer
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<(), StoreError> {
        let answer = self.0.delete(key, expect).await;
        if key.collection == Collection::Worker && may_have_happened(&answer) {
            self.announce(key).await;
        }
        answer
    }

    async fn page(
        &self,
        collection: Collection,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.page(collection, prefix, after, limit).await
    }
}
