//! When the store or the bus fails.

use workmanager_core_delivery::{Ending, Pending};
use workmanager_core_domain::{
    EventRecord, document,
    ports::{Collection, Expect, Key, Records as _},
    quarantine::Quarantined,
};

use crate::{
    fakes::Fault,
    scene::{Scene, event, reply, topic},
};

#[tokio::test]
async fn a_settlement_is_tried_until_it_is_durable_and_the_worker_runs_once() {
    let scene = Scene::open().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [reply("r")]);
    scene.bus.fail([Fault::Unavailable; 3]);
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert_eq!((scene.bus.settlements(), scene.target.seen().len()), (4, 1));
    assert_eq!(scene.published("replies").await.len(), 1);
}

#[tokio::test]
async fn a_missing_acknowledgement_is_asked_for_alone() {
    let scene = Scene::open().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [reply("r")]);
    scene.bus.fail([Fault::NotAcknowledged]);
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert_eq!((scene.published("replies").await.len(), scene.backlog().await), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_made_durable_before_the_end_comes_again() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.bus.fail(std::iter::repeat_n(Fault::Unavailable, 10_000));
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.bus.settled(3).await;
        scene.closing.cancel();
    });
    assert_eq!(ending, Ending::Pending(Pending::Closing));
    assert_eq!(scene.backlog().await, 1);
}

#[tokio::test]
async fn a_damaged_record_does_not_stop_its_event() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    let key = Key::new(Collection::Event, EventRecord::key("/shop", "1"));
    scene.store.put(&key, "not a record".into(), Expect::Any).await.unwrap();
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert!(scene.record("1").await.is_finished());
    let kept = scene.store.page(Collection::Quarantine, "", None, 10).await.unwrap().records;
    let kept: Quarantined = document::decode(&kept[0].value).unwrap();
    assert_eq!((kept.collection, &*kept.bytes), (Collection::Event, &b"not a record"[..]));
}
