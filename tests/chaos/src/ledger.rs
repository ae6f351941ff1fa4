//! What the store holds after the stop, read without the product's help.

use std::{path::Path, sync::Arc};

use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_domain::{
    EventRecord, document,
    ports::{Collection, Record, Records as _},
};
use workmanager_core_kit::SystemClock;

/// Records of one page.
const PAGE: usize = 500;

/// The event records, and in words what should not be there.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) records: Vec<EventRecord>,
    pub(crate) stuck: Vec<String>,
}

/// Reads the store in `directory`, which nobody uses any more.
///
/// # Panics
/// It cannot be opened or read.
pub(crate) fn read(directory: &Path) -> Ledger {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut ledger = Ledger::default();
    runtime.block_on(async {
        let config = Config::new(Location::Directory(directory.to_owned()));
        let store = Store::open(config, Arc::new(SystemClock::new())).expect("the store opens");
        for record in all(&store, Collection::Event).await {
            match document::decode::<EventRecord>(&record.value) {
                Ok(record) => ledger.records.push(record),
                Err(damage) => ledger.stuck.push(format!("event record {} {damage}", record.id)),
            }
        }
        for collection in [Collection::Parked, Collection::Quarantine, Collection::DeadLetter] {
            for record in all(&store, collection).await {
                let value = String::from_utf8_lossy(&record.value);
                ledger.stuck.push(format!("{} {}: {value}", collection.as_str(), record.id));
            }
        }
        store.close().await;
    });
    ledger
}

async fn all(store: &Store, collection: Collection) -> Vec<Record> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(collection, "", after.as_deref(), PAGE).await.expect("the store can be read");
        records.extend(page.records);
        after = page.next;
        if after.is_none() {
            return records;
        }
    }
}
