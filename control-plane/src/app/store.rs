//! Records as what they are.

use futures_util::{Stream, stream};
use workmanager_core_domain::{
    document::{self, Document},
    ports::{Collection, Expect, Key, Record, Records, Revision, StoreError},
};

use super::{Error, quarantine};

/// Records read at once.
const PAGE: usize = 500;

/// A record and its revision.
#[derive(Debug, Clone)]
pub(super) struct Stored<T> {
    pub(super) value: T,
    pub(super) revision: Revision,
}

/// Reads a record.
pub(super) async fn get<T: Document>(records: &dyn Records, id: &str) -> Result<Option<Stored<T>>, Error> {
    let key = Key::new(T::COLLECTION, id);
    let Some(record) = records.get(&key).await? else { return Ok(None) };
    let value = document::decode(&record.value).map_err(|source| Error::Damaged { key: key.to_string(), source })?;
    Ok(Some(Stored { value, revision: record.revision }))
}

/// Every page of a collection after the id `after`, in the order of ids. Each is read when it is asked for.
pub(super) fn pages(
    records: &dyn Records,
    collection: Collection,
    after: Option<Box<str>>,
) -> impl Stream<Item = Result<Vec<Record>, Error>> {
    stream::try_unfold((after, More::Yes), move |(after, more)| async move {
        if more == More::No {
            return Ok(None);
        }
        let page = records.page(collection, "", after.as_deref(), PAGE).await?;
        let more = if page.next.is_some() { More::Yes } else { More::No };
        Ok(Some((page.records, (page.next, more))))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

/// Writes a record. When the store does not say in time whether it did, the record is read back.
pub(super) async fn put<T: Document>(
    records: &dyn Records,
    id: &str,
    value: &T,
    expect: Expect,
) -> Result<Revision, Error> {
    let key = Key::new(T::COLLECTION, id);
    let bytes = document::encode(value).map_err(|source| Error::Encode { key: key.to_string(), source })?;
    match records.put(&key, bytes.clone(), expect).await {
        Err(StoreError::Timeout) => match records.get(&key).await? {
            Some(record) if record.value == bytes => Ok(record.revision),
            _ => Err(StoreError::Timeout.into()),
        },
        answer => Ok(answer?),
    }
}

/// [`put`], and a second copy of it, from which it can be repaired.
pub(super) async fn put_twice<T: Document>(
    records: &dyn Records,
    id: &str,
    value: &T,
    expect: Expect,
) -> Result<Revision, Error> {
    let revision = put(records, id, value, expect).await?;
    let key = Key::new(T::COLLECTION, id);
    let bytes = document::encode(value).map_err(|source| Error::Encode { key: key.to_string(), source })?;
    quarantine::copy(records, &key, bytes).await;
    Ok(revision)
}

/// Deletes a record.
pub(super) async fn delete<T: Document>(records: &dyn Records, id: &str, expect: Expect) -> Result<(), Error> {
    Ok(records.delete(&Key::new(T::COLLECTION, id), expect).await?)
}

/// Whether it failed because the record is not as it was expected.
pub(super) const fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Conflict { .. }))
}
