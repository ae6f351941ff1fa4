//! When the intake closes.

use std::time::Duration;

use workmanager_core_delivery::{Ending, Pending};
use workmanager_core_domain::event_record::TrackState;

use crate::scene::{Scene, boom, event};

#[tokio::test]
async fn a_delivery_that_waits_for_a_retry_stays_on_the_bus_with_its_attempts() {
    let scene = Scene::with(Duration::from_secs(3_600)).await;
    scene.worker("a", |_| {});
    scene.target.script("a", [boom()]);
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.bus.settled(1).await;
        scene.closing.cancel();
    });
    assert_eq!(ending, Ending::Pending(Pending::Closing));
    assert_eq!(scene.backlog().await, 1);
    let track = scene.track("1", "a").await;
    assert_eq!(track.state, TrackState::Open);
    assert_eq!(track.attempts.len(), 1);
}

#[tokio::test]
async fn an_attempt_that_runs_goes_to_its_end() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.hold();
    let (running, waiting) = (scene.take(event("1")).await, scene.take(event("2")).await);
    let (running, waiting) = tokio::join!(scene.deliver(running), async {
        scene.target.begun(1).await;
        let (waiting, ()) = tokio::join!(scene.deliver(waiting), async {
            scene.closing.cancel();
            scene.target.release();
        });
        waiting
    });
    assert_eq!(running, Ending::Acknowledged);
    assert_eq!(waiting, Ending::Pending(Pending::Closing), "it had no slot yet");
    assert_eq!((scene.target.seen().len(), scene.backlog().await), (1, 1));
}

#[tokio::test]
async fn a_copy_that_waits_for_the_first_does_not_hold_the_end_up() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.hold();
    let (first, second) = (scene.take(event("1")).await, scene.take(event("1")).await);
    let (_, second, ()) = tokio::join!(scene.deliver(first), scene.deliver(second), async {
        scene.target.begun(1).await;
        scene.closing.cancel();
        scene.target.release();
    });
    assert!(matches!(second, Ending::Pending(Pending::Closing) | Ending::Duplicate), "{second:?}");
}
