//! What was acknowledged is there after the process is killed, whatever it was doing.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use tokio::task::JoinSet;
use workmanager_adapters_embedded::Store;
use workmanager_core_domain::ports::{
    Bus as _, Collection, Delivery, Expect, Key, Put, Records as _, Removal, Revision, Settlement,
};
use workmanager_tests_contracts::sample::{event, take, topic};

use crate::support::{config, eventually, open};

/// Where the child writes down what it was told is durable.
const PUBLISHED: &str = "published";
const SETTLED: &str = "settled";

/// Says that a directory is meant for the child.
const STAGE: &str = "stage";

/// How many publish, and how many settle.
const EACH: usize = 8;

fn parked(id: &str) -> Key {
    Key::new(Collection::Parked, id)
}

fn outcome(id: &str) -> Key {
    Key::new(Collection::Event, id)
}

fn lease() -> Key {
    Key::new(Collection::Lease, "group")
}

/// The child: publishes and settles in its current directory until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a process of its own, which the test below starts and kills"]
async fn work_for_ever() {
    let directory = std::env::current_dir().unwrap();
    if !directory.join(STAGE).exists() {
        return;
    }
    let (store, _) = open(config(&directory));
    let book = |name| OpenOptions::new().append(true).create(true).open(directory.join(name)).unwrap();
    let (published, settled) = (book(PUBLISHED), book(SETTLED));
    let guard = store.put(&lease(), vec![1].into(), Expect::Absent).await.unwrap();
    drop(store.subscribe(&topic("orders")).await.unwrap());
    let mut tasks = JoinSet::new();
    for number in 0..EACH {
        tasks.spawn(publish(store.clone(), number, published.try_clone().unwrap()));
        tasks.spawn(settle(store.clone(), guard, settled.try_clone().unwrap()));
    }
    tasks.join_all().await;
}

async fn publish(store: Store, publisher: usize, mut promised: File) {
    for i in 0.. {
        let id = format!("{publisher}-{i}");
        store.put(&parked(&id), vec![7; 100].into(), Expect::Absent).await.unwrap();
        store.publish(&topic("orders"), &[event(&id)]).await.unwrap();
        promised.write_all(format!("{id}\n").as_bytes()).unwrap();
    }
}

async fn settle(store: Store, guard: Revision, mut promised: File) {
    let mut subscription = store.subscribe(&topic("orders")).await.unwrap();
    loop {
        let Delivery { event, token, .. } = take(&mut subscription).await;
        let settlement = Settlement {
            guards: vec![(lease(), guard)],
            replies: vec![(topic("replies"), event.clone())],
            puts: vec![Put { key: outcome(event.id()), value: vec![8; 100].into(), expect: Expect::Absent }],
            removals: vec![Removal { key: parked(event.id()), expect: Expect::Any }],
            ack: Some(token),
            seen_at: None,
        };
        store.settle(settlement).await.unwrap();
        promised.write_all(format!("{}\n", event.id()).as_bytes()).unwrap();
    }
}

fn promised(directory: &Path, name: &str) -> HashSet<String> {
    let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

/// The ids of all records of a collection.
async fn ids(store: &Store, collection: Collection) -> HashSet<String> {
    let (mut ids, mut after) = (HashSet::new(), None::<Box<str>>);
    loop {
        let page = store.page(collection, "", after.as_deref(), 1_000).await.unwrap();
        ids.extend(page.records.into_iter().map(|record| record.id.into_string()));
        match page.next {
            Some(next) => after = Some(next),
            None => return ids,
        }
    }
}

/// The ids of all that waits.
async fn waiting(store: &Store) -> HashSet<String> {
    let waiting = store.backlog(&topic("orders")).await.unwrap().unwrap();
    let mut subscription = store.subscribe(&topic("orders")).await.unwrap();
    let mut found = HashSet::new();
    for _ in 0..waiting {
        let delivery = take(&mut subscription).await;
        assert!(delivery.redelivered);
        assert!(found.insert(delivery.event.id().to_owned()), "{} came twice", delivery.event.id());
    }
    found
}

#[tokio::test]
async fn whatever_was_promised_survives_a_kill_and_no_settlement_is_there_in_part() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(STAGE), "").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::work_for_ever", "--ignored"])
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the child has done enough", || async {
        (promised(directory.path(), SETTLED).len() > 2_000).then_some(())
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();

    let (published, settled) = (promised(directory.path(), PUBLISHED), promised(directory.path(), SETTLED));
    let (store, _) = open(config(directory.path()));
    let (waiting, outcomes) = (waiting(&store).await, ids(&store, Collection::Event).await);
    let parked = ids(&store, Collection::Parked).await;
    let there = &waiting | &outcomes;
    let lost: Vec<_> = settled.difference(&outcomes).chain(published.difference(&there)).collect();
    assert!(lost.is_empty(), "promised and lost: {lost:?}");
    let open = &waiting | &parked;
    let in_part: Vec<_> = outcomes.intersection(&open).collect();
    assert!(in_part.is_empty(), "an outcome without its acknowledgement or removal: {in_part:?}");
    let in_part: Vec<_> = waiting.difference(&parked).collect();
    assert!(in_part.is_empty(), "a removal without its outcome: {in_part:?}");
    assert!(outcomes.len() <= settled.len() + EACH, "each has at most one settlement without an answer");
    assert!(there.len() <= published.len() + EACH, "and one event");
}
