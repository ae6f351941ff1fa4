//! A session against a fake control plane, with real files.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use super::*;
use crate::{
    cli::tests::{
        fake::{Buffer, Fake},
        keeper::{Workers, base64, keeper},
    },
    feed::Happening,
};

/// A session that runs beside the test.
struct Running {
    screen: Buffer,
    feed: Feed,
    ready: CancellationToken,
    stop: CancellationToken,
    session: tokio::task::JoinSet<Result<(), Error>>,
}

impl Running {
    fn start(fake: &Fake, files: &[&Path]) -> Self {
        let screen = Buffer::default();
        let files: Vec<_> = files.iter().map(|path| path.to_path_buf()).collect();
        let session = Session::open(&files, Screen::to(screen.clone())).unwrap();
        let (feed, ready, stop) = (Feed::default(), CancellationToken::new(), CancellationToken::new());
        let ground = Ground { http: fake.address(), token: None, feed: feed.clone() };
        let mut running = Self { screen, feed, ready: ready.clone(), stop: stop.clone(), session: Default::default() };
        running.session.spawn(session.run(ground, move || ready.cancel(), stop));
        running
    }

    /// Waits until the screen shows `text`.
    async fn shows(&self, text: &str) {
        let shown = async {
            while !self.screen.text().contains(text) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), shown).await;
        assert!(in_time.is_ok(), "`{text}` is not shown:\n{}", self.screen.text());
    }

    async fn stop(mut self) -> String {
        self.stop.cancel();
        self.session.join_next().await.unwrap().unwrap().unwrap();
        self.screen.text()
    }
}

fn kept(workers: &Workers, pointer: &str) -> Value {
    json!(*workers.lock().unwrap()).pointer(pointer).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_file_is_a_worker_that_follows_it() {
    let (fake, workers) = keeper().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.py");
    fs::write(&file, "good").unwrap();
    let running = Running::start(&fake, &[&file]);
    running.shows("running   orders  takes orders\n").await;
    running.ready.cancelled().await;
    running.shows("/v1/topics/orders/events -H 'content-type: application/json'").await;
    assert_eq!(kept(&workers, "/orders/status"), "Running");

    fs::write(&file, "syntax error").unwrap();
    running.shows("orders.py; version 1 serves on\n").await;
    running.shows("The code does not load\n").await;
    assert_eq!(kept(&workers, "/orders/codeSource/content"), base64("good"), "a bad version changes nothing");

    let better = "# workmanager: topic=returns filter=true\nbetter";
    fs::write(&file, better).unwrap();
    running.shows("running   orders  takes returns  (new code, filter, topics)\n").await;
    assert_eq!(kept(&workers, "/orders/codeSource/content"), base64(better));
    assert_eq!(kept(&workers, "/orders/filter"), "true");

    fs::write(&file, "# workmanager: topci=returns\nbetter").unwrap();
    running.shows("line 1: `topci` is not a setting").await;
    fs::remove_file(&file).unwrap();
    running.shows("is gone; orders serves on (workmanager delete orders)\n").await;
    assert_eq!(kept(&workers, "/orders/status"), "Running");
    assert!(running.stop().await.ends_with("stopping; Ctrl-C again does not wait\n"));
}

#[tokio::test]
async fn a_second_session_finds_its_workers_by_name() {
    let (fake, workers) = keeper().await;
    let directory = tempfile::tempdir().unwrap();
    let files = ["a.py", "b.py"].map(|name| directory.path().join(name));
    files.iter().for_each(|file| fs::write(file, "good").unwrap());
    for again in ["", "  (as before)"] {
        let running = Running::start(&fake, &[&files[0], &files[1]]);
        running.ready.cancelled().await;
        running.shows(&format!("running   a  takes a{again}\n")).await;
        running.shows(&format!("running   b  takes b{again}\n")).await;
        running.stop().await;
    }
    assert_eq!(workers.lock().unwrap().len(), 2);
    workers.lock().unwrap().get_mut("a").unwrap()["status"] = json!("Stopped");
    let running = Running::start(&fake, &[&files[0]]);
    running.shows("running   a  takes a  (new status)\n").await;
    running.stop().await;
    assert_eq!(kept(&workers, "/a/status"), "Running", "a file is a running worker");
}

#[tokio::test]
async fn a_file_that_does_not_load_is_said_and_dev_is_ready_all_the_same() {
    let (fake, workers) = keeper().await;
    let directory = tempfile::tempdir().unwrap();
    let files = ["bad.py", "good.py"].map(|name| directory.path().join(name));
    fs::write(&files[0], "# workmanager: nonsense\n").unwrap();
    fs::write(&files[1], "good").unwrap();
    let running = Running::start(&fake, &[&files[0], &files[1]]);
    running.ready.cancelled().await;
    running.shows("bad.py; nothing runs for it\n").await;
    running.shows("running   good  takes good\n").await;
    running.stop().await;
    assert_eq!(workers.lock().unwrap().keys().collect::<Vec<_>>(), ["good"]);
}

#[tokio::test]
async fn without_a_file_there_is_one_that_greets_and_two_lines_to_copy() {
    let (fake, workers) = keeper().await;
    let running = Running::start(&fake, &[]);
    running.ready.cancelled().await;
    running.shows(&format!("curl -X POST {}/v1/topics/hello/events ", fake.url())).await;
    running.shows(&format!("curl -N '{}/v1/topics/greetings/events?follow=true&since=0'\n", fake.url())).await;
    assert_eq!(kept(&workers, "/welcome/topics/0"), "hello");
    running.feed.tell(Happening::FunctionStarted { pid: 7 });
    running.shows("function  process 7 started\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_control_plane_that_is_gone_ends_the_session() {
    let (fake, _) = keeper().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.py");
    fs::write(&file, "good").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    drop(fake);
    let session = Session::open(&[file], Screen::to(Buffer::default())).unwrap();
    let ground = Ground { http: gone, token: None, feed: Feed::default() };
    let error = session.run(ground, || (), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("no server answers"), "{error}");
}
