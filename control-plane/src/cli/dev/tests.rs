//! A session against a real control plane whose function is a fake, with real files.

use std::{fs, path::Path, time::Duration};

use super::*;
use crate::{
    cli::tests::{
        fake::{Buffer, Fake, problem},
        plane::Plane,
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
    fn start(plane: &Plane, files: &[&Path]) -> Self {
        let screen = Buffer::default();
        let files: Vec<_> = files.iter().map(|path| path.to_path_buf()).collect();
        let session = Session::open(&files, None, Screen::to(screen.clone())).unwrap();
        let (feed, ready, stop) = (Feed::default(), CancellationToken::new(), CancellationToken::new());
        let ground = Ground { http: plane.address(), feed: feed.clone() };
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

#[tokio::test]
async fn a_file_is_a_worker_that_follows_it() {
    let plane = Plane::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.py");
    fs::write(&file, "good").unwrap();
    let running = Running::start(&plane, &[&file]);
    running.shows("running   orders  takes orders\n").await;
    running.ready.cancelled().await;
    running.shows("/v1/topics/orders/events -H 'content-type: application/json'").await;
    assert_eq!(plane.worker("orders").await["status"], "Running");

    fs::write(&file, "syntax error").unwrap();
    running.shows("orders.py; version 1 serves on\n").await;
    running.shows("SyntaxError: invalid syntax (line 1)\n").await;
    running.shows("File \"orders.py\", line 1\n").await;
    assert_eq!(plane.code("orders").await, "good", "a bad version changes nothing");

    let better = "# workmanager: topic=returns filter=true\nbetter";
    fs::write(&file, better).unwrap();
    running.shows("running   orders  takes returns  (new code, filter, topics)\n").await;
    assert_eq!(plane.code("orders").await, better);
    assert_eq!(plane.worker("orders").await["filter"], "true");

    fs::write(&file, "# workmanager: topci=returns\nbetter").unwrap();
    running.shows("line 1: `topci` is not a setting").await;
    fs::remove_file(&file).unwrap();
    running.shows("is gone; orders serves on (workmanager delete orders)\n").await;
    assert_eq!(plane.worker("orders").await["status"], "Running");
    assert!(running.stop().await.ends_with("stopping; Ctrl-C again does not wait\n"));
}

#[tokio::test]
async fn a_second_session_finds_its_workers_by_name() {
    let plane = Plane::start().await;
    let directory = tempfile::tempdir().unwrap();
    let files = ["a.py", "b.py"].map(|name| directory.path().join(name));
    files.iter().for_each(|file| fs::write(file, "good").unwrap());
    for again in ["", "  (as before)"] {
        let running = Running::start(&plane, &[&files[0], &files[1]]);
        running.ready.cancelled().await;
        running.shows(&format!("running   a  takes a{again}\n")).await;
        running.shows(&format!("running   b  takes b{again}\n")).await;
        running.stop().await;
    }
    assert_eq!(plane.names(), ["a", "b"]);
    plane.run(&["stop", "a"]).await;
    let running = Running::start(&plane, &[&files[0]]);
    running.shows("running   a  takes a  (new status)\n").await;
    running.shows("running   b too, from before").await;
    running.stop().await;
    assert_eq!(plane.worker("a").await["status"], "Running", "a file is a running worker");
}

#[tokio::test]
async fn a_file_that_does_not_load_is_said_and_dev_is_ready_all_the_same() {
    let plane = Plane::start().await;
    let directory = tempfile::tempdir().unwrap();
    let files = ["bad.py", "good.py"].map(|name| directory.path().join(name));
    fs::write(&files[0], "# workmanager: nonsense\n").unwrap();
    fs::write(&files[1], "good").unwrap();
    let running = Running::start(&plane, &[&files[0], &files[1]]);
    running.ready.cancelled().await;
    running.shows("bad.py; nothing runs for it\n").await;
    running.shows("running   good  takes good\n").await;
    running.stop().await;
    assert_eq!(plane.names(), ["good"]);
}

#[tokio::test]
async fn without_a_file_there_is_one_that_greets_and_two_lines_to_copy() {
    let plane = Plane::start().await;
    let running = Running::start(&plane, &[]);
    running.ready.cancelled().await;
    running.shows(&format!("curl -X POST {}/v1/topics/hello/events ", plane.url())).await;
    running.shows(&format!("curl -N '{}/v1/topics/greetings/events?follow=true&since=0'\n", plane.url())).await;
    assert_eq!(plane.worker("welcome").await["topic"], "hello");
    running.feed.tell(Happening::FunctionStarted { pid: 7 });
    running.shows("function  process 7 started\n").await;
    running.stop().await;
}

#[tokio::test]
async fn a_session_shows_its_token() {
    let fake = Fake::start(|_| problem(401, "unauthenticated", "A token is needed")).await;
    let session = Session::open(&[], Some(Secret::new("wm_x".to_owned())), Screen::to(Buffer::default())).unwrap();
    let (ready, stop) = (CancellationToken::new(), CancellationToken::new());
    let ground = Ground { http: fake.url()["http://".len()..].parse().unwrap(), feed: Feed::default() };
    let called = ready.clone();
    tokio::select! {
        ended = session.run(ground, move || called.cancel(), stop) => ended.unwrap_err(),
        () = ready.cancelled() => panic!("a control plane that lets nobody in is not ready"),
    };
    assert_eq!(fake.asked()[0].headers["authorization"], "Bearer wm_x");
}

#[tokio::test]
async fn a_control_plane_that_is_gone_ends_the_session() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.py");
    fs::write(&file, "good").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let session = Session::open(&[file], None, Screen::to(Buffer::default())).unwrap();
    let ground = Ground { http: gone, feed: Feed::default() };
    let error = session.run(ground, || (), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("no server answers"), "{error}");
}
