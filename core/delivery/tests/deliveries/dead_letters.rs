//! Events that are given up.

use std::time::Duration;

use workmanager_core_delivery::Ending;
use workmanager_core_domain::{Outcome, dead_letter::Reason, event_record::TrackState, reply, units::Span};

use crate::scene::{Scene, boom, event, failure, order, topic};

#[tokio::test]
async fn after_the_last_attempt_the_event_is_kept_with_all_attempts() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.limits.max_attempts = 3.try_into().unwrap());
    scene.target.script("a", [boom(), boom(), boom()]);
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    let letters = scene.dead_letters().await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.reason, letter.message.as_str()), (Reason::AttemptsExhausted, "boom"));
    assert_eq!((&letter.topic, letter.attempts.len()), (&topic("orders"), 3));
    assert!(letter.event.contains(r#""data":{"amount":12}"#), "{}", letter.event);
    let expected = TrackState::DeadLettered { reason: Reason::AttemptsExhausted, dead_letter: letter.id };
    assert_eq!(scene.state("1", "a").await, expected);
    assert_eq!(scene.backlog().await, 0);
    assert_eq!(scene.diary.entries().last().unwrap(), "a gave up: attempts-exhausted");
}

#[tokio::test]
async fn a_failure_that_says_so_is_not_tried_again() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [failure(false)]);
    scene.run(event("1")).await;
    assert_eq!(scene.target.seen().len(), 1);
    assert_eq!(scene.dead_letters().await[0].reason, Reason::NotRetryable);
    assert_eq!(scene.bus.settlements(), 1);
}

#[tokio::test]
async fn an_event_that_is_too_old_is_not_tried_at_all() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.limits.max_age = Span(Duration::from_secs(60)));
    let delivery = scene.take(event("1")).await;
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(scene.deliver(delivery).await, Ending::Acknowledged);
    let letters = scene.dead_letters().await;
    assert_eq!((letters[0].reason, letters[0].attempts.len()), (Reason::TooOld, 0));
    assert!(letters[0].message.contains("older than 1m"), "{}", letters[0].message);
    assert_eq!(scene.target.seen().len(), 0);
}

#[tokio::test]
async fn overload_ends_with_the_events_age() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.limits.max_age = Span(Duration::from_secs(60)));
    scene.target.script("a", [Outcome::Overloaded { message: "no room".into() }]);
    scene.target.hold();
    let delivery = scene.take(event("1")).await;
    tokio::join!(scene.deliver(delivery), async {
        scene.target.begun(1).await;
        scene.clock.advance(Duration::from_secs(61));
        scene.target.release();
    });
    let letters = scene.dead_letters().await;
    assert_eq!((letters[0].reason, letters[0].message.as_str()), (Reason::TooOld, "no room"));
}

#[tokio::test]
async fn an_event_in_circles_is_stopped() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.run(order("15").with(reply::HOPS, 15).build().unwrap()).await;
    scene.run(order("16").with(reply::HOPS, 16).build().unwrap()).await;
    assert_eq!(scene.target.seen().len(), 1);
    let letters = scene.dead_letters().await;
    assert_eq!((letters.len(), letters[0].reason), (1, Reason::Loop));
}
