//! What was acknowledged is there after the process is killed, whatever it was doing.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use tokio::task::JoinSet;
use workmanager_core_domain::ports::Bus as _;
use workmanager_tests_contracts::sample::{event, take, topic};

use crate::support::{config, eventually, open};

/// Where the child writes down what it was told is durable.
const PROMISED: &str = "promised";

/// Says that a directory is meant for the child.
const STAGE: &str = "stage";

/// The child: publishes in its current directory until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a process of its own, which the test below starts and kills"]
async fn publish_for_ever() {
    let directory = std::env::current_dir().unwrap();
    if !directory.join(STAGE).exists() {
        return;
    }
    let (store, _) = open(config(&directory));
    let promised = OpenOptions::new().append(true).create(true).open(directory.join(PROMISED)).unwrap();
    drop(store.subscribe(&topic("orders")).await.unwrap());
    let mut publishers = JoinSet::new();
    for publisher in 0..8 {
        let (store, mut promised) = (store.clone(), promised.try_clone().unwrap());
        publishers.spawn(async move {
            for i in 0.. {
                let id = format!("{publisher}-{i}");
                store.publish(&topic("orders"), &[event(&id)]).await.unwrap();
                promised.write_all(format!("{id}\n").as_bytes()).unwrap();
            }
        });
    }
    publishers.join_all().await;
}

fn promised(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join(PROMISED)).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

#[tokio::test]
async fn whatever_was_promised_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(STAGE), "").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::publish_for_ever", "--ignored"])
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the child has published enough", || async { (promised(directory.path()).len() > 2_000).then_some(()) })
        .await;
    child.kill().unwrap();
    child.wait().unwrap();

    let promised: HashSet<_> = promised(directory.path()).into_iter().collect();
    let (store, _) = open(config(directory.path()));
    let waiting = store.backlog(&topic("orders")).await.unwrap().unwrap();
    let mut subscription = store.subscribe(&topic("orders")).await.unwrap();
    let mut found = HashSet::new();
    for _ in 0..waiting {
        let delivery = take(&mut subscription).await;
        assert!(delivery.redelivered);
        assert!(found.insert(delivery.event.id().to_owned()), "{} came twice", delivery.event.id());
    }
    let lost: Vec<_> = promised.difference(&found).collect();
    assert!(lost.is_empty(), "promised and lost: {lost:?}");
    assert!(found.len() <= promised.len() + 8, "each publisher has at most one event without an answer");
}
