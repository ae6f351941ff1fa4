//! A disk that is full: what is refused, what goes on, and what is there afterwards.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use rusqlite::Connection;
use tempfile::TempDir;
use workmanager_adapters_embedded::{Config, Store};
use workmanager_core_domain::{
    Topic,
    event::DataKind,
    ports::{
        Blobs, Bus as _, BusError, Collection, Delivery, Expect, Key, Put, Records, Removal, SettleError, Settlement,
        StoreError,
    },
};
use workmanager_tests_contracts::sample::{event, key, take, topic, with_data};

use crate::support::{HOUR, KIB, config, eventually, open};

const MIB: usize = 1 << 20;

/// A file system of a few megabytes, gone when dropped.
struct Disk(TempDir);

impl Disk {
    /// `None` where none can be mounted; the test has nothing to do then, and says so loudly.
    fn mount(size: usize) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        if command.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Some(Self(directory));
        }
        // Not by `eprintln!`, which the test harness keeps to itself.
        std::io::stderr().write_all(b"SKIPPED: needs mount: a tmpfs cannot be mounted\n").unwrap();
        None
    }

    fn config(&self, reserve: usize) -> Config {
        let mut config = config(&self.data());
        config.reserve = reserve as u64;
        config
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    /// Takes so much away, until the file is removed.
    fn ballast(&self, size: usize) -> std::path::PathBuf {
        let path = self.0.path().join("ballast");
        fs::write(&path, vec![0; size]).unwrap();
        path
    }

    fn length(&self, name: &str) -> u64 {
        fs::metadata(self.data().join(name)).unwrap().len()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it.
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

async fn publish(store: &Store, topic: &Topic, id: usize, size: usize) -> Result<(), BusError> {
    store.publish(topic, &[with_data(id, DataKind::Binary, vec![7; size].into())]).await
}

/// Publishes until even the smallest event is refused, for as long as that may change by itself.
/// Returns the ids that were accepted.
async fn fill(store: &Store, topic: &Topic) -> Vec<usize> {
    let (mut accepted, mut next, mut refused) = (Vec::new(), 0, 0);
    while refused < 100 {
        // At last what is as small as can be.
        let size = if refused == 0 { 64 * KIB } else { 1 };
        match publish(store, topic, next, size).await {
            Ok(()) => {
                accepted.push(next);
                refused = 0;
            }
            Err(error) => {
                assert!(matches!(error, BusError::Full), "{error}");
                refused += 1;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
        next += 1;
        assert!(next < 20_000, "the disk does not fill");
    }
    accepted
}

/// The outcome of a delivery: a reply, a record, a record that goes.
fn outcome(delivery: &Delivery) -> Settlement {
    let id = delivery.event.id();
    let put = Put { key: Key::new(Collection::Event, id), value: vec![1; KIB].into(), expect: Expect::Absent };
    Settlement {
        replies: vec![(topic("replies"), with_data(id, DataKind::Binary, vec![8; KIB].into()))],
        puts: vec![put],
        removals: vec![Removal { key: key(format!("parked{id}")), expect: Expect::Any }],
        ack: Some(delivery.token),
        ..Settlement::default()
    }
}

fn check_integrity(directory: &Path) {
    let connection = Connection::open(directory.join("workmanager.db")).unwrap();
    let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
    let counted = "SELECT pending = (SELECT count(*) FROM pending WHERE pending.topic = subscriptions.topic)
                   FROM subscriptions";
    let mut statement = connection.prepare(counted).unwrap();
    assert!(statement.query_map([], |row| row.get::<_, bool>(0)).unwrap().all(Result::unwrap), "counted right");
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_nothing_new_finishes_what_it_has_and_heals_by_itself() {
    let Some(disk) = Disk::mount(64 * MIB) else { return };
    let (store, clock) = open(disk.config(64 * MIB));
    let orders = topic("orders");
    let mut subscription = store.subscribe(&orders).await.unwrap();
    let revision =
        Records::put(&store, &Key::new(Collection::Worker, "known"), vec![1].into(), Expect::Absent).await.unwrap();
    let accepted = fill(&store, &orders).await;
    assert!(accepted.len() > 300, "{} events", accepted.len());

    for collection in [Collection::Worker, Collection::Version, Collection::Claim] {
        let put = Records::put(&store, &Key::new(collection, "new"), vec![1].into(), Expect::Absent).await;
        assert!(matches!(put, Err(StoreError::Full)), "{collection:?}: {put:?}");
    }
    let blob = Blobs::put(&store, vec![1; 12 * MIB].into()).await;
    assert!(matches!(blob, Err(StoreError::Full)), "{blob:?}");
    // What is there can be changed, and taken away.
    let worker = Key::new(Collection::Worker, "known");
    Records::put(&store, &worker, vec![2].into(), Expect::Revision(revision)).await.unwrap();
    store.delete(&worker, Expect::Any).await.unwrap();

    for id in &accepted {
        let delivery = take(&mut subscription).await;
        assert_eq!(delivery.event.id(), id.to_string());
        store.settle(outcome(&delivery)).await.unwrap();
    }
    assert!(matches!(publish(&store, &orders, 0, 1).await, Err(BusError::Full)), "nothing is past its time yet");

    clock.advance(2 * HOUR);
    eventually("there is room again", || async { publish(&store, &orders, 9_999_999, 64 * KIB).await.ok() }).await;
    assert_eq!(take(&mut subscription).await.event.id(), "9999999");
    store.close().await;
    check_integrity(&disk.data());
}

/// Fills a disk of `size` to its last byte, frees `ballast` of it, and goes on.
async fn use_up(size: usize, ballast: usize, when_full: impl FnOnce(&Disk)) {
    let Some(disk) = Disk::mount(size) else { return };
    let ballast = disk.ballast(ballast);
    let (store, _) = open(disk.config(0));
    let orders = topic("orders");
    let mut subscription = store.subscribe(&orders).await.unwrap();
    let mut accepted = fill(&store, &orders).await;
    when_full(&disk);
    let delivery = take(&mut subscription).await;
    let settled = store.settle(outcome(&delivery)).await;
    assert!(matches!(settled, Err(SettleError::Publish(BusError::Full))), "{settled:?}");
    let settled = store.settle(Settlement { replies: Vec::new(), ..outcome(&delivery) }).await;
    assert!(matches!(settled, Err(SettleError::Record(StoreError::Full))), "{settled:?}");
    let blob = Blobs::put(&store, vec![1; MIB].into()).await;
    assert!(matches!(blob, Err(StoreError::Full)), "{blob:?}");
    drop(subscription);
    store.close().await;
    drop(store);
    let (store, _) = open(disk.config(0));
    let mut subscription = store.subscribe(&orders).await.unwrap();
    let delivery = take(&mut subscription).await;
    assert_eq!(store.backlog(&orders).await.unwrap(), Some(accepted.len() as u64), "a full disk stops no start");
    assert_eq!(fs::read_dir(disk.data().join("blobs")).unwrap().count(), 0, "nothing of it is left");

    fs::remove_file(ballast).unwrap();
    publish(&store, &orders, 9_999_999, 64 * KIB).await.unwrap();
    store.settle(outcome(&delivery)).await.unwrap();
    Blobs::put(&store, vec![1; MIB].into()).await.unwrap();
    assert_eq!(accepted.remove(0).to_string(), delivery.event.id());
    accepted.push(9_999_999);
    store.close().await;
    drop((store, subscription));

    check_integrity(&disk.data());
    let (store, _) = open(disk.config(0));
    assert_eq!(store.backlog(&orders).await.unwrap(), Some(accepted.len() as u64));
    let mut subscription = store.subscribe(&orders).await.unwrap();
    for id in accepted {
        assert_eq!(take(&mut subscription).await.event.id(), id.to_string());
    }
    assert!(Records::get(&store, &Key::new(Collection::Event, delivery.event.id())).await.unwrap().is_some());
}

#[tokio::test]
async fn a_write_ahead_log_that_cannot_grow_changes_nothing_and_goes_on_once_it_can() {
    use_up(16 * MIB, 4 * MIB, |disk| {
        assert!(disk.length("workmanager.db") < MIB as u64, "the log was not yet brought into the file");
        assert!(disk.length("workmanager.db-wal") > 8 * MIB as u64);
    })
    .await;
}

#[tokio::test]
async fn a_checkpoint_that_finds_no_room_loses_nothing_and_goes_on_once_it_does() {
    use_up(56 * MIB, 8 * MIB, |disk| {
        let file = disk.length("workmanager.db");
        assert!(file > 8 * MIB as u64, "the log was brought into the file before: {file}");
        let reader = Connection::open(disk.data().join("workmanager.db")).unwrap();
        let pages: u64 = reader.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        assert!(file < pages * 4_096, "and could not be brought there now: {file}");
    })
    .await;
}

#[tokio::test]
async fn the_file_grows_no_more_once_what_comes_goes() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.log.bytes = 4 * MIB as u64;
    let (store, _) = open(config);
    for id in 0..1_000 {
        publish(&store, &topic("orders"), id, 64 * KIB).await.unwrap();
    }
    let size = fs::metadata(directory.path().join("workmanager.db")).unwrap().len();
    assert!(size < 24 * MIB as u64, "{size} bytes for 4 MiB that are kept of 64");
}

#[tokio::test]
async fn many_free_pages_go_back_to_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (store, clock) = open(config(directory.path()));
    let orders = topic("orders");
    for id in 0..112 {
        publish(&store, &orders, id, MIB - KIB).await.unwrap();
    }
    store.publish(&orders, &[event("last")]).await.unwrap();
    let size = || fs::metadata(directory.path().join("workmanager.db")).unwrap().len();
    assert!(size() > 90 * MIB as u64, "{}", size());
    clock.advance(2 * HOUR);
    store.publish(&orders, &[event("young")]).await.unwrap();
    eventually("the file shrinks", || async { (size() < 70 * MIB as u64).then_some(()) }).await;
    store.close().await;
    check_integrity(directory.path());
}
