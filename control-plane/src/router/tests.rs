mod parked;
mod scene;

use std::time::Duration;

use scene::{Scene, topic};
use workmanager_core_delivery::Settings;
use workmanager_core_domain::{Outcome, outcome::FailureKind, ports::Bus as _, worker::Desired};

use super::*;
use crate::feed::Happening;

#[tokio::test]
async fn what_is_published_right_after_a_start_is_taken() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.publish("orders", "1").await;
    scene.eventually("the event is done", |topics| topics[0].acknowledged_total == 1).await;
    assert_eq!(scene.target.seen(), ["a:1"]);
    let state = &scene.router.topics()[0];
    assert_eq!((state.state, state.accepted_total, state.in_flight), (IntakeState::Open, 1, 0));
}

#[tokio::test]
async fn a_topic_is_subscribed_once_whoever_takes_it() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.worker("b", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.publish("orders", "1").await;
    scene.eventually("both are done", |topics| topics[0].acknowledged_total == 1).await;
    let mut seen = scene.target.seen();
    seen.sort();
    assert_eq!((seen, scene.bus.subscriptions()), (vec!["a:1".to_owned(), "b:1".to_owned()], 1));
}

#[tokio::test]
async fn while_every_worker_is_stopped_the_bus_keeps_the_events() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.worker("a", "orders", Desired::Stopped);
    scene.eventually("the topic is closed", |topics| topics[0].state == IntakeState::Closed).await;
    scene.publish("orders", "1").await;
    assert_eq!(scene.bus.backlog(&topic("orders")).await.unwrap(), Some(1));
    assert!(scene.target.seen().is_empty());

    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.eventually("the event is done", |topics| topics[0].acknowledged_total == 1).await;
    assert_eq!(scene.target.seen(), ["a:1"]);
}

#[tokio::test]
async fn an_attempt_that_runs_while_its_worker_is_stopped_and_started_is_made_once() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.target.hold();
    scene.publish("orders", "1").await;
    scene.target.begun(1).await;
    scene.worker("a", "orders", Desired::Stopped);
    scene.eventually("the topic is closed", |topics| topics[0].state == IntakeState::Closed).await;
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    // The bus delivers it again, because the first subscription is gone.
    scene.eventually("both copies are here", |topics| topics[0].accepted_total == 2).await;
    scene.target.release();
    scene.eventually("both copies are done", |topics| topics[0].acknowledged_total == 2).await;
    assert_eq!(scene.router.topics()[0].duplicates_total, 1);
    assert_eq!(scene.target.seen(), ["a:1"]);
}

#[tokio::test]
async fn when_the_last_owner_is_deleted_the_topic_is_given_up() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.worker("b", "orders", Desired::Stopped);
    scene.settled("orders").await;
    scene.delete("a");
    scene.eventually("the topic is closed", |topics| topics[0].state == IntakeState::Closed).await;
    assert_eq!(scene.bus.topics().await.unwrap().len(), 1, "b owns it still");
    scene.delete("b");
    scene.eventually("the topic is gone", <[TopicState]>::is_empty).await;
    assert!(scene.bus.topics().await.unwrap().is_empty());
    scene.settled("orders").await;
}

#[tokio::test]
async fn a_topic_that_lost_its_last_owner_just_before_a_crash_is_given_up_at_the_start() {
    let store = Scene::store();
    drop(store.subscribe(&topic("orders")).await.unwrap());
    let scene = Scene::over(store, Settings::default());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !scene.bus.topics().await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the topic is still kept");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_worker_that_never_ran_owns_nothing() {
    let scene = Scene::open();
    scene.edit("a", "orders", |worker| (worker.desired, worker.started_once) = (Desired::Stopped, false));
    scene.settled("orders").await;
    assert!(scene.router.topics().is_empty());
    assert!(scene.bus.topics().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_bus_that_refuses_is_seen_and_asked_again() {
    let scene = Scene::open();
    scene.bus.refuse();
    scene.worker("a", "orders", Desired::Running);
    scene
        .eventually("the refusal is seen", |topics| {
            topics.first().is_some_and(|topic| topic.state == IntakeState::Failing)
        })
        .await;
    let wait = Duration::from_millis(1);
    let error = scene.router.settled(&[topic("orders")], wait).await.unwrap_err();
    assert_eq!((error.reason.as_str(), error.code()), ("the bus is unavailable: a fault", "topic-unavailable"));
    assert_eq!(scene.router.topics()[0].error.as_deref(), Some("the bus is unavailable: a fault"));

    scene.bus.accept();
    scene.settled("orders").await;
    assert_eq!(scene.router.topics()[0].error, None);
    scene.publish("orders", "1").await;
    scene.eventually("the event is done", |topics| topics[0].acknowledged_total == 1).await;
}

#[tokio::test]
async fn a_subscription_that_breaks_is_opened_again() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.bus.interrupt();
    scene.eventually("it is open again", |_| scene.bus.subscriptions() == 2).await;
    scene.publish("orders", "1").await;
    scene.eventually("the event is done", |topics| topics[0].acknowledged_total == 1).await;
}

#[tokio::test]
async fn at_the_end_nothing_new_is_taken_and_what_runs_is_finished() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.target.hold();
    scene.publish("orders", "1").await;
    scene.target.begun(1).await;
    scene.publish("orders", "2").await;
    scene.eventually("both are in flight", |topics| topics[0].in_flight == 2).await;
    scene.tasks.stop();
    scene.publish("orders", "3").await;
    scene.target.release();
    assert!(scene.tasks.drained(Duration::from_secs(10)).await);
    assert_eq!(scene.target.seen(), ["a:1"]);
    assert_eq!(scene.bus.backlog(&topic("orders")).await.unwrap(), Some(2));
}

#[tokio::test]
async fn at_the_end_what_does_not_finish_in_time_stays_on_the_bus() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.target.hold();
    scene.publish("orders", "1").await;
    scene.target.begun(1).await;
    scene.tasks.stop();
    assert!(!scene.tasks.drained(Duration::from_millis(1)).await);
    assert_eq!(scene.bus.backlog(&topic("orders")).await.unwrap(), Some(1));
}

#[tokio::test]
async fn who_watches_is_told_and_a_load_failure_is_on_the_board() {
    let scene = Scene::open();
    let mut watching = scene.feed.watch();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.target.next(scene::failed(FailureKind::LoadFailed, "line 1: no"));
    scene.publish("orders", "1").await;
    scene.eventually("the event is done", |topics| topics[0].acknowledged_total == 1).await;
    assert_eq!(scene.router.board().get(scene::id("a")).unwrap().message, "line 1: no");

    let mut told = Vec::new();
    while let Ok(happening) = watching.try_recv() {
        told.push(match happening {
            Happening::Accepted { topic, .. } => format!("accepted on {topic}"),
            Happening::Attempted { worker, outcome, message, .. } => format!("{worker}: {outcome}: {message}"),
            Happening::Replied { worker, .. } => format!("{worker} replied"),
            Happening::DeadLettered { worker, reason, .. } => format!("{worker}: {}", reason.code()),
            Happening::FunctionStarted { .. } | Happening::FunctionStopped { .. } => "a function".to_owned(),
        });
    }
    assert_eq!(told, ["accepted on orders", "a: load-failed: line 1: no", "a: not-retryable"]);

    scene.target.next(Outcome::NoReply);
    scene.publish("orders", "2").await;
    scene.eventually("the event is done", |topics| topics[0].acknowledged_total == 2).await;
    assert_eq!(scene.router.board().get(scene::id("a")), None);
}

#[tokio::test]
async fn a_panic_costs_nobody_else_anything_and_its_event_comes_again() {
    let scene = Scene::open();
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.publish("orders", "panic").await;
    scene.publish("orders", "1").await;
    scene.eventually("the other is done", |topics| topics[0].acknowledged_total == 1).await;
    let panics = || scene.target.seen().iter().filter(|seen| *seen == "a:panic").count();
    scene.eventually("it comes again", |_| panics() == 2).await;
    assert_eq!(scene.bus.backlog(&topic("orders")).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_stuck_topic_leaves_room_for_others() {
    let scene = Scene::with(Settings { in_flight: 8, in_flight_per_topic: 4, ..Settings::default() });
    for name in ["stuck", "well"] {
        scene.worker(name, name, Desired::Running);
        scene.settled(name).await;
    }
    scene.target.hold_only("stuck");
    for id in 0..20 {
        scene.publish("stuck", &id.to_string()).await;
    }
    scene.eventually("the stuck topic is full", |topics| topics[0].in_flight == 4).await;
    scene.publish("well", "1").await;
    scene.eventually("the other goes on", |topics| topics[1].acknowledged_total == 1).await;
    assert_eq!(scene.router.topics()[0].in_flight, 4);
}
