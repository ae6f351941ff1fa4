//! Which workers get an event.

use workmanager_core_delivery::{Ending, Pending};
use workmanager_core_domain::{
    event_record::{MismatchReason, TrackState},
    parked::ParkReason,
};

use crate::scene::{Scene, event, topic};

#[tokio::test]
async fn a_filter_decides_and_the_record_says_why_not() {
    let scene = Scene::open().await;
    let filters = [
        ("yes", "event.data.amount > 10"),
        ("no", "event.data.amount > 100"),
        ("fails", "event.data.tax > 1"),
        ("broken", "event.data. >"),
    ];
    for (name, filter) in filters {
        scene.worker(name, |worker| worker.filter = Some(filter.to_owned()));
    }
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert_eq!(scene.target.workers(), ["yes"]);
    assert_eq!(scene.bus.settlements(), 1);
    let reason = |state| match state {
        TrackState::NotMatched { reason } => reason,
        other => panic!("{other:?}"),
    };
    let no = reason(scene.state("1", "no").await);
    assert_eq!(no, MismatchReason::FilterFalse { filter: "event.data.amount > 100".into() });
    for (name, expected) in [("fails", "`tax` is not there"), ("broken", "does not compile: line 1, column ")] {
        match reason(scene.state("1", name).await) {
            MismatchReason::FilterFailed { message, .. } => assert!(message.contains(expected), "{message}"),
            MismatchReason::FilterFalse { .. } => panic!("{name} must say that it failed"),
        }
    }
}

#[tokio::test]
async fn an_event_for_nobody_is_recorded_and_done() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.filter = Some("false".into()));
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert_eq!((scene.target.seen().len(), scene.backlog().await), (0, 0));
    assert!(scene.record("1").await.finished_at.is_some());
}

#[tokio::test]
async fn workers_of_other_topics_are_left_out_and_stopped_ones_keep_the_event() {
    let scene = Scene::parking().await;
    scene.worker("here", |_| {});
    scene.worker("elsewhere", |worker| worker.topics = vec![topic("invoices")]);
    scene.stop("stopped");
    assert_eq!(scene.run(event("1")).await, Ending::Parked);
    assert_eq!(scene.target.workers(), ["here"]);
    assert_eq!(scene.record("1").await.workers.len(), 2);
    assert_eq!(scene.state("1", "stopped").await, TrackState::Parked { reason: ParkReason::Stopped });
}

#[tokio::test]
async fn while_nobody_runs_the_bus_keeps_the_event() {
    let scene = Scene::open().await;
    scene.stop("a");
    assert_eq!(scene.run(event("1")).await, Ending::Pending(Pending::NobodyRuns));
    assert_eq!((scene.bus.settlements(), scene.backlog().await), (0, 1));
}

#[tokio::test]
async fn an_event_that_others_know_from_another_topic_still_waits_for_its_own_workers() {
    let scene = Scene::open().await;
    scene.worker("elsewhere", |worker| worker.topics = vec![topic("invoices")]);
    scene.worker("here", |_| {});
    let mut delivery = scene.take(event("1")).await;
    delivery.topic = topic("invoices");
    scene.stop("here");
    assert_eq!(scene.run(event("1")).await, Ending::Pending(Pending::NobodyRuns));
    assert_eq!(scene.deliver(delivery).await, Ending::Acknowledged);
    scene.reopen().await;
    assert_eq!(scene.deliver(scene.next().await).await, Ending::Pending(Pending::NobodyRuns));
    scene.worker("here", |_| {});
    scene.reopen().await;
    assert_eq!(scene.deliver(scene.next().await).await, Ending::Acknowledged);
    assert_eq!(scene.target.workers(), ["elsewhere", "here"]);
}
