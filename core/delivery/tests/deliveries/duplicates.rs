//! Copies of an event, and events that come again.

use std::time::Duration;

use workmanager_core_delivery::Ending;
use workmanager_core_domain::{
    EventRecord,
    event_record::{Track, TrackState},
};

use crate::{
    fakes::Fault,
    scene::{Scene, boom, event, reply, topic, worker_id},
};

#[tokio::test]
async fn a_copy_of_an_event_that_is_done_is_not_run() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert_eq!(scene.run(event("1")).await, Ending::Duplicate);
    assert_eq!((scene.target.seen().len(), scene.backlog().await), (1, 0));
}

#[tokio::test]
async fn a_copy_waits_for_the_one_in_flight() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.limits.concurrency = 8.try_into().unwrap());
    scene.target.hold();
    let (first, second) = (scene.take(event("1")).await, scene.take(event("1")).await);
    let other = scene.take(event("2")).await;
    let (first, second, other, ()) =
        tokio::join!(scene.deliver(first), scene.deliver(second), scene.deliver(other), async {
            scene.target.begun(2).await;
            scene.target.release();
        });
    assert_eq!([first, second, other], [Ending::Acknowledged, Ending::Duplicate, Ending::Acknowledged]);
    assert_eq!((scene.target.seen().len(), scene.backlog().await), (2, 0));
}

#[tokio::test]
async fn an_event_that_comes_again_runs_only_what_is_not_done() {
    let scene = Scene::open().await;
    scene.worker("done", |_| {});
    scene.worker("open", |_| {});
    scene.target.script("open", [boom()]);
    scene.target.hold_only(&["open"]);
    let delivery = scene.take(event("1")).await;
    tokio::select! {
        _ = scene.deliver(delivery) => panic!("it must not end"),
        () = scene.bus.settled(1) => {}
    }
    // The delivery was dropped with an attempt in flight, as in a crash.
    scene.target.release();
    scene.reopen().await;
    let again = scene.next().await;
    assert!(again.redelivered);
    assert_eq!(scene.deliver(again).await, Ending::Acknowledged);
    assert_eq!(scene.target.workers().iter().filter(|worker| *worker == "done").count(), 1);
    assert_eq!(scene.record("1").await.workers.len(), 2);
}

#[tokio::test]
async fn attempts_go_on_being_counted_after_a_crash() {
    let hour = Duration::from_secs(3_600);
    let scene = Scene::with(hour).await;
    scene.worker("a", |worker| worker.limits.max_attempts = 2.try_into().unwrap());
    scene.target.script("a", [boom(), boom()]);
    let delivery = scene.take(event("1")).await;
    tokio::select! {
        biased;
        () = scene.bus.settled(1) => {}
        _ = scene.deliver(delivery) => panic!("it must not end"),
    }
    scene.clock.advance(hour);
    scene.reopen().await;
    assert_eq!(scene.deliver(scene.next().await).await, Ending::Acknowledged);
    assert_eq!(scene.dead_letters().await[0].attempts.len(), 2);
}

#[tokio::test]
async fn an_outcome_that_is_durable_first_stands_and_the_later_reply_is_discarded() {
    let scene = Scene::open().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [reply("late")]);
    scene.target.hold();
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery.clone()), async {
        scene.target.begun(1).await;
        let record = EventRecord::new(&delivery.event, delivery.topic.clone(), delivery.accepted_at);
        scene.overwrite(&done_elsewhere(record, "a")).await;
        scene.target.release();
    });
    assert_eq!(ending, Ending::Acknowledged);
    assert_eq!(scene.state("1", "a").await, TrackState::Done { reply: None });
    assert_eq!((scene.published("replies").await.len(), scene.backlog().await), (0, 0));
    assert!(!scene.diary.entries().iter().any(|entry| entry.contains("replied to")));
}

#[tokio::test]
async fn an_outcome_whose_answer_was_lost_is_recognised_as_our_own() {
    let scene = Scene::open().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [reply("r")]);
    scene.bus.fail([Fault::AnswerLost]);
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert_eq!(scene.published("replies").await.len(), 1);
    assert_eq!(scene.diary.entries().last().unwrap(), "a replied to replies");
    assert_eq!(scene.backlog().await, 0);
}

#[tokio::test]
async fn an_attempt_that_fails_after_another_outcome_was_seen_is_not_made_again() {
    let scene = Scene::open().await;
    scene.listen("replies").await;
    for name in ["first", "second", "late"] {
        scene.worker(name, |worker| worker.reply_topic = Some(topic("replies")));
    }
    scene.target.script("late", [boom(), reply("late")]);
    scene.target.hold_only(&["second", "late"]);
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.bus.settled(1).await;
        let record = scene.record("1").await;
        scene.overwrite(&done_elsewhere(record, "late")).await;
        // What the second worker has done makes the record be read again.
        scene.target.hold_only(&["late"]);
        scene.eventually_done("1", "second").await;
        scene.target.release();
    });
    assert_eq!(ending, Ending::Acknowledged);
    assert_eq!(scene.published("replies").await.len(), 0);
    assert_eq!(scene.target.workers().iter().filter(|worker| *worker == "late").count(), 1);
    assert_eq!(scene.backlog().await, 0);
}

/// The record as a process would write it in which `worker` was done first.
fn done_elsewhere(mut record: EventRecord, worker: &str) -> EventRecord {
    let state = TrackState::Done { reply: None };
    record
        .workers
        .insert(worker_id(worker), Track { worker: worker.to_owned(), attempts: Vec::new(), redriven_at: None, state });
    record
}
