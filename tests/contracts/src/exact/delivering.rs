//! From publisher to subscriber, in order and once.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use tokio::task::JoinSet;
use workmanager_core_domain::{
    Event,
    event::{AttributeValue, Data, DataKind},
    ports::Bus,
};

use crate::{
    Fixture,
    sample::{acknowledge, drain, event, events, ids, take, topic, with_data},
};

/// Nothing of an event is touched on the way.
pub async fn what_is_published_is_delivered_as_it_was<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let samples: [(DataKind, &[u8]); 4] = [
        (DataKind::None, b""),
        (DataKind::Json, b" {\"n\": 1.0e3, \"n\":12345678901234567890} "),
        (DataKind::Text, "gr\u{fc}n\r\n".as_bytes()),
        (DataKind::Binary, &[0, 0xff, 0x80]),
    ];
    for (kind, bytes) in samples {
        let builder = Event::builder().with("type", "order").with("id", "a b\"\u{1F600}").with("source", "/s?x#y");
        let builder = builder.with("number", -7).with("flag", AttributeValue::Boolean(true)).with("subject", "1");
        let data = Data { kind, bytes: Bytes::copy_from_slice(bytes) };
        let event = std::sync::Arc::new(builder.data(data).build().unwrap());
        bus.publish(&orders, std::slice::from_ref(&event)).await.unwrap();
        let delivery = take(&mut subscription).await;
        assert_eq!(*delivery.event, *event);
        assert_eq!((&delivery.topic, delivery.redelivered), (&orders, false));
        acknowledge(&*bus, delivery.token).await.unwrap();
    }
}

/// One publisher's events do not overtake each other.
pub async fn events_come_in_the_order_of_publishing<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    for event in events("single", 50) {
        bus.publish(&orders, &[event]).await.unwrap();
    }
    bus.publish(&orders, &events("batch", 50)).await.unwrap();
    let expected = [ids("single", 50), ids("batch", 50)].concat();
    assert_eq!(drain(&*bus, &mut subscription, 100).await, expected);
}

/// Each event exactly once within one life of the process, however many publish.
pub async fn nothing_is_lost_or_doubled_among_many_publishers<F: Fixture<Store: Bus>>(fixture: F) {
    const EACH: usize = 1_000;
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let mut publishers = JoinSet::new();
    for publisher in ["a", "b", "c", "d"] {
        let (bus, orders) = (bus.clone(), orders.clone());
        publishers.spawn(async move {
            for event in events(publisher, EACH) {
                bus.publish(&orders, &[event]).await.unwrap();
            }
        });
    }
    let delivered = drain(&*bus, &mut subscription, 4 * EACH).await;
    publishers.join_all().await;
    for publisher in ["a", "b", "c", "d"] {
        let own: Vec<_> = delivered.iter().filter(|id| id.starts_with(publisher)).cloned().collect();
        assert_eq!(own, ids(publisher, EACH), "each of {publisher}, once and in order");
    }
    bus.publish(&orders, &[event("last")]).await.unwrap();
    assert_eq!(take(&mut subscription).await.event.id(), "last", "nothing comes twice");
}

/// A delivery goes to one of them; together they get everything.
pub async fn two_subscriptions_have_nothing_in_common<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut left = bus.subscribe(&orders).await.unwrap();
    let mut right = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 200)).await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        for subscription in [&mut left, &mut right] {
            let delivery = take(subscription).await;
            assert!(seen.insert(delivery.event.id().to_owned()), "{} came twice", delivery.event.id());
        }
    }
    assert_eq!(seen, ids("", 200).into_iter().collect());
}

/// `next` is used in `select!`: whoever stops waiting must not lose what was on its way.
pub async fn a_dropped_wait_loses_nothing_of_what_is_open<F: Fixture<Store: Bus>>(fixture: F) {
    const COUNT: usize = 500;
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let mut publisher = JoinSet::new();
    let (rival, to) = (bus.clone(), orders.clone());
    publisher.spawn(async move {
        for event in events("", COUNT) {
            rival.publish(&to, &[event]).await.unwrap();
        }
    });
    let mut seen = Vec::new();
    while seen.len() < COUNT {
        // Polled once, and dropped if nothing is there yet.
        let polled = tokio::time::timeout(Duration::ZERO, subscription.next()).await;
        if let Ok(delivery) = polled {
            seen.push(delivery.unwrap().unwrap().event.id().to_owned());
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(seen, ids("", COUNT));
}

/// A subscriber that is far behind costs no memory without bound, and misses nothing.
pub async fn a_slow_subscriber_gets_everything_in_order<F: Fixture<Store: Bus>>(fixture: F) {
    const EACH: usize = 1_000;
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let large = |id| with_data(id, DataKind::Binary, vec![7; 8 << 10].into());
    let early: Vec<_> = (0..EACH).map(large).collect();
    for batch in early.chunks(100) {
        bus.publish(&orders, batch).await.unwrap();
    }
    let mut publisher = JoinSet::new();
    let (rival, to) = (bus.clone(), orders.clone());
    publisher.spawn(async move {
        for id in EACH..2 * EACH {
            rival.publish(&to, &[large(id)]).await.unwrap();
        }
    });
    assert_eq!(drain(&*bus, &mut subscription, 2 * EACH).await, ids("", 2 * EACH));
}
