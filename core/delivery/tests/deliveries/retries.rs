//! Attempts that are made again.

use std::time::Duration;

use workmanager_core_delivery::Ending;
use workmanager_core_domain::{Outcome, event_record::TrackState, worker::Desired};

use crate::scene::{Scene, boom, event, worker_id};

#[tokio::test]
async fn a_failure_is_tried_again_until_it_succeeds() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [boom(), Outcome::TimedOut { limit: Duration::from_secs(30) }]);
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    let track = scene.track("1", "a").await;
    let attempts: Vec<_> = track.attempts.iter().map(|a| (a.number, a.outcome.as_str(), a.message.as_str())).collect();
    let timed_out = "the worker did not answer within 30s";
    assert_eq!(attempts, [(1, "worker-exception", "boom"), (2, "timed-out", timed_out), (3, "no-reply", "")]);
    assert_eq!(track.state, TrackState::Done { reply: None });
}

#[tokio::test]
async fn what_did_not_begin_is_no_attempt() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.limits.max_attempts = 1.try_into().unwrap());
    let overloaded = || Outcome::Overloaded { message: "no room".into() };
    scene.target.script("a", std::iter::repeat_with(overloaded).take(20));
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    let track = scene.track("1", "a").await;
    assert_eq!((track.attempts.len(), track.attempts[0].number), (1, 1));
    assert_eq!(scene.bus.settlements(), 1, "there is nothing to be saved about it");
}

#[tokio::test]
async fn a_lost_function_does_not_use_attempts_up() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.limits.max_attempts = 1.try_into().unwrap());
    let unknown = || Outcome::Unknown { message: "no final frame".into() };
    scene.target.script("a", [unknown(), unknown()]);
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    let numbers: Vec<_> = scene.track("1", "a").await.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn a_retry_runs_the_version_that_is_active_when_it_begins() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [boom()]);
    scene.target.hold();
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.target.begun(1).await;
        scene.worker("a", |worker| worker.version = 2);
        scene.target.release();
    });
    assert_eq!(ending, Ending::Acknowledged);
    let versions: Vec<_> = scene.target.seen().iter().map(|seen| seen.version).collect();
    assert_eq!(versions, [1, 2]);
    let recorded: Vec<_> = scene.track("1", "a").await.attempts.iter().map(|attempt| attempt.version).collect();
    assert_eq!(recorded, [1, 2]);
}

#[tokio::test]
async fn a_worker_that_is_stopped_keeps_its_delivery_and_goes_on_when_started() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.worker("other", |_| {});
    scene.target.script("a", [boom()]);
    scene.target.hold_only(&["a"]);
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.target.begun(2).await;
        scene.stop("a");
        scene.target.release();
        scene.bus.settled(2).await;
        assert_eq!(scene.state("1", "a").await, TrackState::Open);
        assert_eq!(scene.backlog().await, 1);
        scene.worker("a", |worker| worker.desired = Desired::Running);
    });
    assert_eq!(ending, Ending::Acknowledged);
    assert_eq!(scene.target.workers().iter().filter(|worker| *worker == "a").count(), 2);
}

#[tokio::test]
async fn a_worker_that_is_deleted_ends_its_delivery() {
    let scene = Scene::with(Duration::from_secs(3_600)).await;
    scene.worker("a", |_| {});
    scene.target.script("a", [boom()]);
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.bus.settled(1).await;
        scene.roster.remove(worker_id("a"));
    });
    assert_eq!(ending, Ending::Acknowledged);
    assert_eq!(scene.state("1", "a").await, TrackState::WorkerDeleted);
    assert_eq!(scene.target.seen().len(), 1);
}
