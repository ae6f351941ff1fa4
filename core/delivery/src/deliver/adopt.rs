//! Parked deliveries of a replica that is gone.

use workmanager_core_domain::{
    document,
    parked::Parked,
    ports::{Collection, Expect, Key, Record, StoreError},
};

use super::Deliveries;

/// Parked deliveries moved at once.
const PAGE: usize = 200;

impl Deliveries {
    /// Makes the parked deliveries of `partition`, whose writer is gone, our own, and says how many there
    /// were. If that writer lives after all, its writes fail from now on, and nothing is lost.
    ///
    /// # Errors
    /// The store's; what was moved until then is ours, and doing it again is fine.
    pub async fn adopt(&self, partition: &str) -> Result<usize, StoreError> {
        if partition == &*self.settings().parking.partition {
            return Ok(0);
        }
        let prefix = format!("{partition}.");
        let mut count = 0;
        loop {
            let page = self.ports.records.page(Collection::Parked, &prefix, None, PAGE).await?;
            for record in &page.records {
                self.move_here(record, &prefix).await?;
            }
            count += page.records.len();
            // What was moved is not there any more: the rest is on the first page.
            if page.next.is_none() {
                break;
            }
        }
        self.restore().await?;
        Ok(count)
    }

    /// A copy here first, then it goes there: whoever dies in between leaves both, and the event's record
    /// tells what is done.
    async fn move_here(&self, record: &Record, prefix: &str) -> Result<(), StoreError> {
        let records = &self.ports.records;
        let name = record.id.strip_prefix(prefix).unwrap_or(&record.id);
        let ours = Key::new(Collection::Parked, format!("{}{name}", self.lot.prefix()));
        let theirs = Key::new(Collection::Parked, record.id.clone());
        match records.put(&ours, record.value.clone(), Expect::Absent).await {
            Ok(_) => {}
            Err(StoreError::Conflict { .. }) => self.unite(&ours, &theirs, record).await?,
            Err(error) => return Err(error),
        }
        match records.delete(&theirs, Expect::Revision(record.revision)).await {
            // Its writer was not gone yet, and has changed it: it is moved again.
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The same event is parked here too: for workers of whom nothing is known here it is as it was there.
    async fn unite(&self, ours: &Key, theirs: &Key, record: &Record) -> Result<(), StoreError> {
        let parked = match document::decode::<Parked>(&record.value) {
            Ok(parked) => parked,
            Err(damage) => return self.keep_aside(theirs, record, &damage).await,
        };
        // It is tried again by whoever called.
        let changed = || Err(StoreError::Conflict { key: ours.to_string() });
        let Some(found) = self.ports.records.get(ours).await? else { return changed() };
        let mut united = match document::decode::<Parked>(&found.value) {
            Ok(united) => united,
            Err(damage) => {
                self.set_aside(ours, &found, &damage).await?;
                return changed();
            }
        };
        for (worker, hold) in parked.workers {
            united.workers.entry(worker).or_insert(hold);
        }
        let value = document::encode(&united).map_err(|error| StoreError::damaged(ours, error))?;
        self.ports.records.put(ours, value, Expect::Revision(found.revision)).await?;
        if self.lot.knows(ours) {
            self.lot.keep(ours, &united, self.clocks());
        }
        Ok(())
    }
}
