//! Records that cannot be read are kept aside as they were found.

use bytes::Bytes;
use workmanager_core_domain::{
    Timestamp, document,
    ports::{Collection, Expect, Key, Records, StoreError},
    quarantine::Quarantined,
};

/// Keeps the bytes of the record `key` until somebody repairs it or gives it up. One that is kept
/// already stays as it was first found.
///
/// # Errors
/// The store's.
pub async fn quarantine(
    records: &dyn Records,
    key: &Key,
    bytes: Bytes,
    reason: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = Quarantined::id(key);
    let entry = Quarantined { collection: key.collection, record: key.id.to_string(), reason, at: now, bytes };
    let value = document::encode(&entry).map_err(|error| StoreError::damaged(key, error))?;
    match records.put(&Key::new(Collection::Quarantine, id), value, Expect::Absent).await {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
