//! What the bus keeps for us, and until when.

use workmanager_core_domain::{
    ports::{Bus, DeliveryToken},
    subscription::Interest,
};

use crate::{
    Fixture,
    sample::{acknowledge, drain, event, events, ids, take, topic},
};

/// What a subscriber had taken and not finished comes again to the next one, marked as such.
pub async fn a_dropped_subscription_returns_what_is_not_finished<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 4)).await.unwrap();
    let first = take(&mut subscription).await;
    take(&mut subscription).await;
    let third = take(&mut subscription).await;
    acknowledge(&*bus, first.token).await.unwrap();
    drop(subscription);
    // One may be acknowledged late, by whoever still works on it.
    acknowledge(&*bus, third.token).await.unwrap();

    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let second = take(&mut subscription).await;
    assert_eq!((second.event.id(), second.redelivered), ("1", true));
    let fourth = take(&mut subscription).await;
    assert_eq!(fourth.event.id(), "3");
}

/// After a crash nothing that was acknowledged comes again, and everything else does.
pub async fn a_restart_returns_what_is_not_finished<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 300)).await.unwrap();
    for i in 0..200 {
        let delivery = take(&mut subscription).await;
        if i % 2 == 0 {
            acknowledge(&*bus, delivery.token).await.unwrap();
        }
    }
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    for i in (1..200).step_by(2).chain(200..300) {
        let delivery = take(&mut subscription).await;
        assert_eq!((delivery.event.id(), delivery.redelivered), (i.to_string().as_str(), true));
        assert_eq!(*delivery.event, *event(i));
        acknowledge(&*bus, delivery.token).await.unwrap();
    }
    bus.publish(&orders, &[event("fresh")]).await.unwrap();
    let fresh = take(&mut subscription).await;
    assert_eq!((fresh.event.id(), fresh.redelivered), ("fresh", false));
}

/// A topic whose owners are stopped loses nothing, also over a restart.
pub async fn a_held_topic_keeps_its_events<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    drop(bus.subscribe(&orders).await.unwrap());
    bus.publish(&orders, &events("before", 3)).await.unwrap();
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    bus.publish(&orders, &events("after", 3)).await.unwrap();
    assert_eq!(bus.topics().await.unwrap(), [(orders.clone(), Interest::Held)]);
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    let expected = [ids("before", 3), ids("after", 3)].concat();
    assert_eq!(drain(&*bus, &mut subscription, 6).await, expected);
}

/// When a topic's last owner is deleted, what waits for it goes.
pub async fn forgetting_drops_what_waits<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("old", 3)).await.unwrap();
    let taken = take(&mut subscription).await;
    drop(subscription);
    bus.forget(&orders).await.unwrap();
    assert!(bus.topics().await.unwrap().is_empty());
    acknowledge(&*bus, taken.token).await.unwrap();

    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    assert!(bus.topics().await.unwrap().is_empty());
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("new")]).await.unwrap();
    assert_eq!(take(&mut subscription).await.event.id(), "new");
    bus.forget(&topic("never-known")).await.unwrap();

    let fixture = fixture.restarted().await;
    let mut subscription = fixture.store().subscribe(&orders).await.unwrap();
    assert_eq!(take(&mut subscription).await.event.id(), "new", "what was dropped does not come back");
}

/// `topics` is what the deployment holds, and why.
pub async fn a_topic_says_whether_somebody_takes_its_events<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    bus.publish(&orders, &[event("1")]).await.unwrap();
    assert!(bus.topics().await.unwrap().is_empty(), "publishing is no interest");
    let first = bus.subscribe(&orders).await.unwrap();
    let second = bus.subscribe(&orders).await.unwrap();
    drop(first);
    assert_eq!(bus.topics().await.unwrap(), [(orders.clone(), Interest::Open)]);
    drop(second);
    assert_eq!(bus.topics().await.unwrap(), [(orders, Interest::Held)]);
}

/// An acknowledgement may come late, or twice.
pub async fn acknowledging_twice_or_the_unknown_is_fine<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 2)).await.unwrap();
    let token = take(&mut subscription).await.token;
    for token in [token, token, DeliveryToken(u64::from(u32::MAX))] {
        acknowledge(&*bus, token).await.unwrap();
    }
    assert_eq!(take(&mut subscription).await.event.id(), "1");
    assert!(matches!(bus.backlog(&orders).await.unwrap(), Some(1) | None));
}

/// The backlog is what nobody has finished; a bus that cannot say says nothing.
pub async fn the_backlog_counts_what_waits_taken_or_not<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    if bus.backlog(&orders).await.unwrap().is_none() {
        return;
    }
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 5)).await.unwrap();
    assert_eq!(bus.backlog(&orders).await.unwrap(), Some(5));
    let token = take(&mut subscription).await.token;
    take(&mut subscription).await;
    assert_eq!(bus.backlog(&orders).await.unwrap(), Some(5));
    acknowledge(&*bus, token).await.unwrap();
    assert_eq!(bus.backlog(&orders).await.unwrap(), Some(4));
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    assert_eq!(bus.backlog(&orders).await.unwrap(), Some(4));
    assert_eq!(bus.backlog(&topic("other")).await.unwrap(), Some(0));
}

/// Durable when it returns, all of it.
pub async fn what_was_published_together_survives_a_restart_together<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    drop(bus.subscribe(&orders).await.unwrap());
    bus.publish(&orders, &events("", 1_000)).await.unwrap();
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    for id in ids("", 1_000) {
        assert_eq!(take(&mut subscription).await.event.id(), id);
    }
}
