//! Records by key.

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _};
use workmanager_core_domain::ports::{Collection, Expect, Key, Page, Put, Record, Records, Revision, StoreError};

use crate::{
    Store,
    writer::{Batch, Refusal, Work},
};

/// A page ends early when its values have this many bytes.
const PAGE_BYTES: usize = 8 << 20;

#[async_trait]
impl Records for Store {
    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        // A look-up by key takes some microseconds, less than to wake another thread for it.
        if let Some(reader) = self.readers().try_acquire() {
            return Ok(reader.with(|connection| get(connection, key))?);
        }
        let key = key.clone();
        Ok(self.readers().run(move |connection| get(connection, &key)).await?)
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Revision, StoreError> {
        let put = Put { key: key.clone(), value, expect };
        Ok(self.writer().run(WriteRecord(put)).await?)
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<(), StoreError> {
        Ok(self.writer().run(DeleteRecord { key: key.clone(), expect }).await?)
    }

    async fn page(
        &self,
        collection: Collection,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.unwrap_or_default().to_owned());
        let read = move |connection: &Connection| page(connection, collection, &prefix, &after, limit);
        Ok(self.readers().run(read).await?)
    }
}

struct WriteRecord(Put);

impl Work for WriteRecord {
    type Output = Revision;

    fn run(&self, batch: &mut Batch<'_>) -> Result<Revision, Refusal> {
        check(&self.0.key, self.0.expect, current(batch, &self.0.key)?)?;
        Ok(write(batch, &self.0)?)
    }

    fn size(&self) -> usize {
        self.0.value.len()
    }

    fn is_intake(&self) -> bool {
        // What a delivery writes is its outcome, or what it waits for.
        let is_definition =
            matches!(self.0.key.collection, Collection::Worker | Collection::Version | Collection::Claim);
        is_definition && self.0.expect == Expect::Absent
    }
}

struct DeleteRecord {
    key: Key,
    expect: Expect,
}

impl Work for DeleteRecord {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        check(&self.key, self.expect, current(batch, &self.key)?)?;
        Ok(remove(batch, &self.key)?)
    }
}

/// Deletes without looking.
pub(crate) fn remove(batch: &mut Batch<'_>, key: &Key) -> rusqlite::Result<()> {
    let freed = counted(batch, key)?;
    let sql = "DELETE FROM records WHERE collection = ?1 AND id = ?2";
    batch.execute(sql, (key.collection.as_str(), &*key.id))?;
    batch.counters.record_bytes = batch.counters.record_bytes.saturating_sub(freed);
    Ok(())
}

/// The revision of a record as the transaction sees it.
pub(crate) fn current(batch: &Batch<'_>, key: &Key) -> rusqlite::Result<Option<Revision>> {
    let sql = "SELECT revision FROM records WHERE collection = ?1 AND id = ?2";
    Ok(batch.value(sql, (key.collection.as_str(), &*key.id))?.map(Revision))
}

/// Bytes of a record among those that are counted, which are event records.
fn counted(batch: &Batch<'_>, key: &Key) -> rusqlite::Result<u64> {
    if key.collection != Collection::Event {
        return Ok(0);
    }
    let sql = "SELECT length(value) FROM records WHERE collection = ?1 AND id = ?2";
    Ok(batch.value(sql, (key.collection.as_str(), &*key.id))?.unwrap_or(0))
}

/// Whether `expect` holds.
pub(crate) fn check(key: &Key, expect: Expect, current: Option<Revision>) -> Result<(), Refusal> {
    let holds = match expect {
        Expect::Any => true,
        Expect::Absent => current.is_none(),
        Expect::Revision(revision) => current == Some(revision),
    };
    if holds { Ok(()) } else { Err(Refusal::Conflict(key.to_string())) }
}

/// Writes without looking.
pub(crate) fn write(batch: &mut Batch<'_>, put: &Put) -> rusqlite::Result<Revision> {
    let revision = batch.counters.revision + 1;
    if put.key.collection == Collection::Event {
        let freed = counted(batch, &put.key)?;
        batch.counters.record_bytes = batch.counters.record_bytes.saturating_sub(freed) + put.value.len() as u64;
    }
    let sql = "INSERT INTO records (collection, id, revision, value) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (collection, id) DO UPDATE SET revision = excluded.revision, value = excluded.value";
    batch.execute(sql, (put.key.collection.as_str(), &*put.key.id, revision, &*put.value))?;
    batch.counters.revision = revision;
    Ok(Revision(revision))
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        id: row.get(0)?,
        revision: Revision(row.get(1)?),
        value: Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?),
    })
}

fn get(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Record>> {
    let sql = "SELECT id, revision, value FROM records WHERE collection = ?1 AND id = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row((key.collection.as_str(), &*key.id), record).optional()
}

fn page(
    connection: &Connection,
    collection: Collection,
    prefix: &str,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Page> {
    // Ids are printable ASCII, which ends before 0x7f.
    let end = format!("{prefix}\u{7f}");
    let sql = "SELECT id, revision, value FROM records
               WHERE collection = ?1 AND id >= ?2 AND id < ?3 AND id > ?4 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((collection.as_str(), prefix, &end, after))?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if records.len() == limit || bytes >= PAGE_BYTES {
            let next = records.last().map(|record: &Record| record.id.clone());
            return Ok(Page { records, next });
        }
        let record = record(row)?;
        bytes += record.value.len();
        records.push(record);
    }
    Ok(Page { records, next: None })
}
