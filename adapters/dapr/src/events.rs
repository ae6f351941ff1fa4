//! Event records. There are too many for a list: those of one event id stand together on a shelf, and are found by
//! it alone.

use bytes::Bytes;
use workmanager_core_domain::{
    EventRecord, Timestamp, document,
    ports::{Collection, Expect, Key, Page, Record, Revision, StoreError},
};

use crate::{Dapr, cell::Kind, cells::Found, index, shelf::Shelf, sidecar::Life};

/// How many bytes of a record's id are the event id's: those that `EventRecord::key_prefix` makes.
const PREFIX: usize = 32;
/// How often a write is tried against those of other sources' records.
const TRIES: usize = 200;

/// A shelf as it was read.
struct Read {
    /// The cell that it is in.
    found: Found,
    /// What is on it; or bytes that are no shelf, and stand for every record that should be on it.
    shelf: Result<Shelf, Bytes>,
}

impl Read {
    fn revision(&self) -> Revision {
        Revision(self.found.cell.revision)
    }

    fn record(&self, key: &Key) -> Option<Record> {
        let (value, revision) = match &self.shelf {
            Ok(shelf) => shelf.get(split(&key.id).1).map(|entry| (entry.value.clone(), entry.revision))?,
            Err(bytes) => (bytes.clone(), self.revision()),
        };
        Some(Record { id: key.id.clone(), value, revision })
    }

    fn into_shelf(self) -> Shelf {
        self.shelf.unwrap_or_default()
    }
}

impl Dapr {
    pub(crate) async fn event(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.shelf(&key.id).await?.and_then(|read| read.record(key)))
    }

    pub(crate) async fn put_event(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Revision, StoreError> {
        let (name, rest) = (name(&key.id), split(&key.id).1);
        // The first record of an event needs no look: it is refused where something is.
        let mut is_blind = expect == Expect::Absent;
        for _ in 0..TRIES {
            let read = if is_blind { None } else { self.shelf(&key.id).await? };
            check(key, read.as_ref(), expect)?;
            let as_read = read.as_ref().map_or(Expect::Absent, |read| Expect::Revision(read.revision()));
            let mut shelf = read.map(Read::into_shelf).unwrap_or_default();
            self.clear(&mut shelf);
            shelf.put(rest, value.clone());
            match self.cells().write_value(self.life_of(&shelf), &name, shelf.encode(rest), as_read).await {
                Ok(written) => return Ok(written.revision),
                Err(StoreError::Conflict { .. }) => is_blind = false,
                Err(error) => return Err(error),
            }
        }
        Err(contended(key))
    }

    pub(crate) async fn delete_event(&self, key: &Key, expect: Expect) -> Result<(), StoreError> {
        let (name, rest) = (name(&key.id), split(&key.id).1);
        for _ in 0..TRIES {
            let read = self.shelf(&key.id).await?;
            check(key, read.as_ref(), expect)?;
            let Some(read) = read else { return Ok(()) };
            let as_read = Expect::Revision(read.revision());
            let mut shelf = read.into_shelf();
            shelf.remove(rest);
            let written = if shelf.is_empty() {
                let life = Life::For(index::KEEP);
                let written = self.cells().write_for(life, &name, Kind::Tombstone, Bytes::new(), as_read).await;
                if let Ok(written) = &written {
                    self.cells().drop_chunks_of(written.before.as_ref()).await;
                }
                written
            } else {
                self.cells().write_value(self.life_of(&shelf), &name, shelf.encode(""), as_read).await
            };
            match written {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(contended(key))
    }

    /// The records whose ids begin with `prefix`, which holds an event id's part at least.
    pub(crate) async fn page_of_events(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let Some(read) = self.shelf(prefix).await? else { return Ok(Page { records: Vec::new(), next: None }) };
        let front = split(prefix).0;
        let mut records = match &read.shelf {
            Ok(shelf) => {
                let record = |(rest, entry): (&str, &crate::shelf::Entry)| Record {
                    id: format!("{front}{rest}").into(),
                    value: entry.value.clone(),
                    revision: entry.revision,
                };
                let wanted =
                    |record: &Record| record.id.starts_with(prefix) && after.is_none_or(|after| *record.id > *after);
                shelf.entries().map(record).filter(wanted).collect()
            }
            Err(_) => Vec::from_iter(read.record(&Key::new(Collection::Event, prefix))),
        };
        let next = (records.len() > limit).then(|| records[limit - 1].id.clone());
        records.truncate(limit);
        Ok(Page { records, next })
    }

    /// The shelf on which the record with this id is, or would be.
    async fn shelf(&self, id: &str) -> Result<Option<Read>, StoreError> {
        let name = name(id);
        let Some(found) = self.cells().read_gathered(&name).await? else { return Ok(None) };
        let Some((found, value)) = self.cells().value(&name, found).await? else { return Ok(None) };
        let shelf = Shelf::decode(value.clone(), Revision(found.cell.revision)).ok_or(value);
        Ok(Some(Read { found, shelf }))
    }

    /// Takes out what has come to its end, while others keep the shelf.
    fn clear(&self, shelf: &mut Shelf) {
        let (now, retention) = (self.shared().clock.now(), self.shared().retention.events);
        shelf.retain(|value| finished_at(value).is_none_or(|at| at.plus(retention) > now));
    }

    /// How long a shelf stays: one that holds a record that is not finished, or cannot be read, until somebody has
    /// looked after that.
    fn life_of(&self, shelf: &Shelf) -> Life {
        if shelf.entries().all(|(_, entry)| finished_at(&entry.value).is_some()) {
            Life::For(self.shared().retention.events)
        } else {
            Life::LastingAgain
        }
    }
}

/// When every worker was done with the event, if that is so.
fn finished_at(value: &[u8]) -> Option<Timestamp> {
    let record = document::decode::<EventRecord>(value).ok()?;
    record.finished_at.filter(|_| record.is_finished())
}

/// The key of the cell in which the record with this id is.
fn name(id: &str) -> String {
    format!("record/event/{}", split(id).0)
}

/// The event id's part of a record's id, and what tells it from others on the shelf.
fn split(id: &str) -> (&str, &str) {
    id.split_at_checked(PREFIX).unwrap_or((id, ""))
}

fn check(key: &Key, read: Option<&Read>, expect: Expect) -> Result<(), StoreError> {
    if holds(expect, read.and_then(|read| read.record(key)).as_ref()) {
        Ok(())
    } else {
        Err(StoreError::Conflict { key: key.to_string() })
    }
}

/// Whether a record is as expected.
pub(crate) fn holds(expect: Expect, record: Option<&Record>) -> bool {
    match expect {
        Expect::Any => true,
        Expect::Absent => record.is_none(),
        Expect::Revision(revision) => record.is_some_and(|record| record.revision == revision),
    }
}

fn contended(key: &Key) -> StoreError {
    StoreError::Unavailable { reason: format!("`{key}` is written by too many at once") }
}
