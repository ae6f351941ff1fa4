//! A settlement goes step by step, and stops where it should.

use bytes::Bytes;
use workmanager_core_domain::ports::{
    Bus as _, Delivery, Expect, Put, Records as _, Removal, Revision, SettleError, Settlement, StoreError, Subscription,
};
use workmanager_tests_contracts::{
    Fixture as _,
    sample::{collect, event, key, take, topic},
    within,
};

use crate::machine::Live;

async fn delivered(live: &Live) -> (Box<dyn Subscription>, Delivery) {
    let (bus, orders) = (live.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("cause")]).await.unwrap();
    let delivery = take(&mut subscription).await;
    (subscription, delivery)
}

fn full(delivery: &Delivery, guard: Revision) -> Settlement {
    Settlement {
        guards: vec![(key("lease"), guard)],
        replies: vec![(topic("replies"), event("reply"))],
        puts: vec![Put { key: key("outcome"), value: Bytes::from_static(b"done"), expect: Expect::Absent }],
        removals: vec![Removal { key: key("parked"), expect: Expect::Any }],
        ack: Some(delivery.token),
        seen_at: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_steps_happen_and_the_event_does_not_come_again() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let bus = live.store();
        let mut replies = bus.subscribe(&topic("replies")).await.unwrap();
        let (subscription, delivery) = delivered(&live).await;
        let lease = bus.put(&key("lease"), Bytes::new(), Expect::Absent).await.unwrap();
        bus.put(&key("parked"), Bytes::new(), Expect::Absent).await.unwrap();
        bus.settle(full(&delivery, lease)).await.unwrap();
        assert_eq!(take(&mut replies).await.event.id(), "reply");
        assert_eq!(&*bus.get(&key("outcome")).await.unwrap().unwrap().value, b"done");
        assert_eq!(bus.get(&key("parked")).await.unwrap(), None);

        drop(subscription);
        let mut subscription = bus.subscribe(&topic("orders")).await.unwrap();
        bus.publish(&topic("orders"), &[event("marker")]).await.unwrap();
        assert_eq!(collect(&*bus, &mut subscription, ["marker".to_owned()]).await, ["marker"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_that_does_not_hold_stops_it_before_the_reply() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let bus = live.store();
        let mut replies = bus.subscribe(&topic("replies")).await.unwrap();
        let (subscription, delivery) = delivered(&live).await;
        let old = bus.put(&key("lease"), Bytes::new(), Expect::Absent).await.unwrap();
        let lease = bus.put(&key("lease"), Bytes::new(), Expect::Any).await.unwrap();
        bus.put(&key("outcome"), Bytes::from_static(b"first"), Expect::Absent).await.unwrap();
        for (settlement, name) in [(full(&delivery, old), "lease"), (full(&delivery, lease), "outcome")] {
            match bus.settle(settlement).await {
                Err(SettleError::Record(StoreError::Conflict { key: named })) => {
                    assert_eq!(named, key(name).to_string());
                }
                other => assert!(other.is_err_and(|_| false), "a conflict"),
            }
        }
        assert_eq!(&*bus.get(&key("outcome")).await.unwrap().unwrap().value, b"first");
        bus.publish(&topic("replies"), &[event("marker")]).await.unwrap();
        assert_eq!(take(&mut replies).await.event.id(), "marker", "no reply was published");

        drop(subscription);
        let mut subscription = bus.subscribe(&topic("orders")).await.unwrap();
        collect(&*bus, &mut subscription, ["cause".to_owned()]).await;
    })
    .await;
}
