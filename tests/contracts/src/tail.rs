//! Clauses of a bus whose tail shows the log.

use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use workmanager_core_domain::ports::{Bus, Settlement, TailCapability, TailStream, Tailed};

use crate::{
    Fixture,
    sample::{event, events, ids, take, topic},
};

async fn next(tail: &mut TailStream) -> Tailed {
    tail.next().await.expect("the bus has ended").unwrap()
}

async fn next_ids(tail: &mut TailStream, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        ids.push(next(tail).await.event.id().to_owned());
    }
    ids
}

/// Without `since`, a tail starts now.
pub async fn a_tail_from_now_shows_what_comes<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    assert_eq!(bus.tail_capability(), TailCapability::Log);
    bus.publish(&orders, &events("old", 3)).await.unwrap();
    let mut tail = bus.tail(&orders, None).await.unwrap();
    bus.publish(&topic("other"), &[event("other")]).await.unwrap();
    bus.publish(&orders, &events("new", 3)).await.unwrap();
    assert_eq!(next_ids(&mut tail, 3).await, ids("new", 3));
}

/// `since` is the position of the last event that was seen.
pub async fn a_tail_since_a_position_goes_on_after_it<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    bus.publish(&orders, &events("", 1_000)).await.unwrap();
    let mut tail = bus.tail(&orders, Some(0)).await.unwrap();
    let mut last = next(&mut tail).await;
    assert_eq!(*last.event, *event(0));
    for i in 1..500 {
        let tailed = next(&mut tail).await;
        assert!(tailed.position > last.position);
        assert_eq!(tailed.event.id(), i.to_string());
        last = tailed;
    }
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    let mut tail = bus.tail(&orders, Some(last.position)).await.unwrap();
    bus.publish(&orders, &[event("1000")]).await.unwrap();
    assert_eq!(next_ids(&mut tail, 501).await, ids("", 1_001)[500..]);
}

/// Where the past ends and the present begins, nothing is missed and nothing comes twice.
pub async fn the_seam_between_past_and_present_does_not_show<F: Fixture<Store: Bus>>(fixture: F) {
    const COUNT: usize = 1_000;
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut publisher = JoinSet::new();
    let (rival, to) = (bus.clone(), orders.clone());
    publisher.spawn(async move {
        for event in events("", COUNT) {
            rival.publish(&to, &[event]).await.unwrap();
        }
    });
    let mut tails = JoinSet::new();
    while publisher.try_join_next().is_none() {
        let (bus, orders) = (bus.clone(), orders.clone());
        let mut tail = bus.tail(&orders, Some(0)).await.unwrap();
        if tails.len() < 20 {
            tails.spawn(async move { next_ids(&mut tail, COUNT).await });
        }
        tokio::task::yield_now().await;
    }
    assert!(!tails.is_empty());
    for seen in tails.join_all().await {
        assert_eq!(seen, ids("", COUNT));
    }
}

/// Somebody who looks away for a while has missed nothing.
pub async fn a_slow_tail_misses_nothing<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut tail = bus.tail(&orders, None).await.unwrap();
    bus.publish(&orders, &events("a", 1)).await.unwrap();
    assert_eq!(next_ids(&mut tail, 1).await, ids("a", 1));
    for batch in events("b", 3_000).chunks(100) {
        bus.publish(&orders, batch).await.unwrap();
    }
    assert_eq!(next_ids(&mut tail, 3_000).await, ids("b", 3_000));
}

/// Looking is not taking.
pub async fn a_tail_takes_nothing<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut tail = bus.tail(&orders, None).await.unwrap();
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("1")]).await.unwrap();
    assert_eq!(next(&mut tail).await.event.id(), "1");
    let delivery = take(&mut subscription).await;
    assert_eq!(delivery.event.id(), "1");
    bus.settle(Settlement { ack: Some(delivery.token), ..Settlement::default() }).await.unwrap();
    let mut late = bus.tail(&orders, Some(0)).await.unwrap();
    let tailed = next(&mut late).await;
    assert_eq!((tailed.event.id(), tailed.accepted_at), ("1", delivery.accepted_at));
}

/// A reply is an event like any other.
pub async fn a_tail_shows_replies<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, replies) = (fixture.store(), topic("replies"));
    let mut tail = bus.tail(&replies, None).await.unwrap();
    let settlement = Settlement { replies: vec![(replies, event("reply"))], ..Settlement::default() };
    bus.settle(settlement).await.unwrap();
    assert_eq!(next(&mut tail).await.event.id(), "reply");
}

/// Whoever wants what is there, and no more, knows when to stop.
pub async fn a_topic_says_where_it_ends<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    assert_eq!(bus.position(&orders).await.unwrap(), 0);
    bus.publish(&orders, &events("", 300)).await.unwrap();
    bus.publish(&topic("other"), &[event("other")]).await.unwrap();
    let end = bus.position(&orders).await.unwrap();
    bus.publish(&orders, &[event("late")]).await.unwrap();
    let mut tail = bus.tail(&orders, Some(0)).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let tailed = next(&mut tail).await;
        seen.push(tailed.event.id().to_owned());
        if tailed.position >= end {
            break;
        }
    }
    assert_eq!(seen, ids("", 300));
    assert!(bus.position(&orders).await.unwrap() > end);
    let fixture = fixture.restarted().await;
    let mut rest = fixture.store().tail(&orders, Some(end)).await.unwrap();
    assert_eq!(next_ids(&mut rest, 1).await, ["late"]);
}
