//! The lot, driven by the router.

use workmanager_core_domain::{document, outcome::FailureKind, ports::Collection};

use super::{scene::failed, *};

fn fast() -> Settings {
    let backoff = workmanager_core_delivery::policy::Backoff {
        base: Duration::from_millis(2),
        factor: 1,
        cap: Duration::from_millis(2),
    };
    Settings { backoff, ..Settings::default() }
}

#[tokio::test]
async fn a_retry_goes_on_from_the_lot_after_the_topic_is_done_with_the_event() {
    let scene = Scene::with(fast());
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.target.next(Outcome::EngineLost { message: "killed".into() });
    scene.publish("orders", "1").await;
    scene.target.begun(2).await;
    scene.eventually("the event is done with", |topics| topics[0].acknowledged_total == 1).await;
    assert_eq!(scene.target.seen(), ["a:1", "a:1"]);
}

#[tokio::test]
async fn what_was_parked_before_a_restart_is_taken_up() {
    let store = Scene::store();
    let scene = Scene::over(store.clone(), fast());
    scene.worker("a", "orders", Desired::Running);
    scene.worker("b", "orders", Desired::Stopped);
    scene.settled("orders").await;
    scene.publish("orders", "1").await;
    scene.eventually("the event is parked", |topics| topics[0].acknowledged_total == 1).await;
    scene.tasks.stop();
    assert!(scene.tasks.drained(Duration::from_secs(10)).await);
    assert_eq!(scene.target.seen(), ["a:1"]);

    let scene = Scene::over(store, fast());
    scene.worker("a", "orders", Desired::Running);
    scene.worker("b", "orders", Desired::Running);
    scene.target.begun(1).await;
    assert_eq!(scene.target.seen(), ["b:1"]);
}

#[tokio::test]
async fn a_dead_letter_is_sent_round_again() {
    let store = Scene::store();
    let scene = Scene::over(store.clone(), fast());
    scene.worker("a", "orders", Desired::Running);
    scene.settled("orders").await;
    scene.target.next(failed(FailureKind::Exception, "no"));
    scene.publish("orders", "1").await;
    scene.eventually("the event is done with", |topics| topics[0].acknowledged_total == 1).await;
    let letters = || async { store.page(Collection::DeadLetter, "", None, 10).await.unwrap().records };
    let letter = document::decode(&letters().await[0].value).unwrap();
    scene.router.redrive(&letter, None).await.unwrap();
    scene.target.begun(2).await;
    assert_eq!(scene.target.seen(), ["a:1", "a:1"]);
    assert!(letters().await.is_empty());
}
