//! From publisher to subscriber.

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
    sample::{acknowledge, collect, event, events, ids, take, topic, with_data},
};

/// Every attribute and all data arrive. JSON that is compact and has its members in order comes byte by byte; a
/// bus may change white space and the order of members, and add attributes.
pub async fn an_event_comes_with_what_it_says<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let samples: [(DataKind, Option<&str>, &[u8]); 4] = [
        (DataKind::None, None, b""),
        (DataKind::Json, Some("application/json"), b"{\"a\":12345678901234567890.10,\"n\":1.0e3,\"z\":[]}"),
        (DataKind::Text, Some("text/plain"), "gr\u{fc}n\r\n<&>".as_bytes()),
        (DataKind::Binary, Some("application/octet-stream"), &[0, 0xff, 0x80]),
    ];
    for (kind, content_type, bytes) in samples {
        let builder = Event::builder().with("type", "order").with("id", "a b\"\u{1F600}").with("source", "/s?x#y");
        let builder = builder.with("number", -7).with("flag", AttributeValue::Boolean(true)).with("subject", "1");
        let builder = builder.with("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let builder = content_type.into_iter().fold(builder, |builder, text| builder.with("datacontenttype", text));
        let data = Data { kind, bytes: Bytes::copy_from_slice(bytes) };
        let event = std::sync::Arc::new(builder.data(data).build().unwrap());
        bus.publish(&orders, std::slice::from_ref(&event)).await.unwrap();
        let delivery = take(&mut subscription).await;
        for (name, value) in event.attributes() {
            assert_eq!(delivery.event.attribute(name), Some(value), "`{name}`");
        }
        assert_eq!(delivery.event.data(), event.data(), "{kind:?}");
        assert_eq!(delivery.topic, orders);
        acknowledge(&*bus, delivery.token).await.unwrap();
    }
}

/// Each event at least once, however many publish.
pub async fn nothing_is_lost_among_many_publishers<F: Fixture<Store: Bus>>(fixture: F) {
    const EACH: usize = 500;
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let mut publishers = JoinSet::new();
    let mut expected = BTreeSet::new();
    for publisher in ["a", "b", "c", "d"] {
        let (bus, orders) = (bus.clone(), orders.clone());
        expected.extend(ids(publisher, EACH));
        publishers.spawn(async move {
            for event in events(publisher, EACH) {
                bus.publish(&orders, &[event]).await.unwrap();
            }
        });
    }
    collect(&*bus, &mut subscription, expected).await;
    publishers.join_all().await;
}

/// Published together, of many megabytes.
pub async fn a_batch_comes_whole<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let large = |id| with_data(id, DataKind::Binary, vec![7; 32 << 10].into());
    let batch: Vec<_> = (0..300).map(large).collect();
    bus.publish(&orders, &batch).await.unwrap();
    collect(&*bus, &mut subscription, ids("", 300)).await;
}

/// A delivery goes to one of them, and each of them gets some; together they get everything.
pub async fn two_subscriptions_share_a_topic<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut left = bus.subscribe(&orders).await.unwrap();
    let mut right = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 200)).await.unwrap();
    let mut missing: BTreeSet<_> = ids("", 200).into_iter().collect();
    while !missing.is_empty() {
        for subscription in [&mut left, &mut right] {
            if missing.is_empty() {
                break;
            }
            let delivery = take(subscription).await;
            missing.remove(delivery.event.id());
            acknowledge(&*bus, delivery.token).await.unwrap();
        }
    }
}

/// What is published on one topic is not seen on another.
pub async fn topics_do_not_mix<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, one, two) = (fixture.store(), topic("one"), topic("two"));
    let mut first = bus.subscribe(&one).await.unwrap();
    let mut second = bus.subscribe(&two).await.unwrap();
    bus.publish(&one, &[event("1")]).await.unwrap();
    bus.publish(&two, &[event("2")]).await.unwrap();
    assert_eq!(take(&mut second).await.event.id(), "2");
    assert_eq!(take(&mut first).await.event.id(), "1");
}

/// An empty batch is no error.
pub async fn publishing_nothing_is_fine<F: Fixture<Store: Bus>>(fixture: F) {
    fixture.store().publish(&topic("orders"), &[]).await.unwrap();
}

/// `next` is used in `select!`: whoever stops waiting must not lose what was on its way.
pub async fn a_dropped_wait_loses_nothing<F: Fixture<Store: Bus>>(fixture: F) {
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
    let mut missing: BTreeSet<_> = ids("", COUNT).into_iter().collect();
    while !missing.is_empty() {
        // Polled once, and dropped if nothing is there yet.
        let polled = tokio::time::timeout(Duration::ZERO, subscription.next()).await;
        if let Ok(delivery) = polled {
            let delivery = delivery.unwrap().unwrap();
            missing.remove(delivery.event.id());
            acknowledge(&*bus, delivery.token).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}
