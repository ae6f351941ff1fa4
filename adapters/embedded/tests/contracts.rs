//! The embedded store and bus against the contracts of the ports.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made is a failed test")]

use std::{fs, path::Path, sync::Arc};

use async_trait::async_trait;
use tempfile::TempDir;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_domain::Digest;
use workmanager_core_kit::SystemClock;
use workmanager_tests_contracts::{Fixture, blobs, bus, exact, faults, fresh, records, settlement, tail, whole};

/// A store in a directory of its own.
struct Durable {
    directory: TempDir,
    store: Arc<Store>,
}

impl Durable {
    /// It needs no tool.
    async fn fresh() -> Option<Self> {
        Some(Self::open(tempfile::tempdir().unwrap()))
    }

    fn open(directory: TempDir) -> Self {
        let config = Config::new(Location::Directory(directory.path().to_owned()));
        let store = Store::open(config, Arc::new(SystemClock::new())).unwrap();
        Self { directory, store: Arc::new(store) }
    }
}

#[async_trait]
impl Fixture for Durable {
    type Store = Store;

    fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// Opens a copy of the files as they are now, which is what a killed process leaves: the
    /// write-ahead log is not wound up, and nothing is given back.
    async fn restarted(self) -> Self {
        let left = tempfile::tempdir().unwrap();
        copy(self.directory.path(), left.path());
        Self::open(left)
    }

    async fn damage(&self, blob: &Digest) {
        let path = self.directory.path().join("blobs").join(blob.hex());
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(path, bytes).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

mod the_records {
    super::records!(super::Durable::fresh);
}

mod the_blobs {
    super::blobs!(super::Durable::fresh);
}

mod the_bus {
    super::bus!(super::Durable::fresh);
    super::exact!(super::Durable::fresh);
    super::fresh!(super::Durable::fresh);
}

mod the_settlement {
    super::settlement!(super::Durable::fresh);
}

mod the_tail {
    super::tail!(super::Durable::fresh);
}

mod under_faults {
    super::faults!(super::Durable::fresh);
    super::whole!(super::Durable::fresh);
}
