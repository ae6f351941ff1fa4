//! What the bus keeps for us, in order, and what it takes for done.

use workmanager_core_domain::{ports::Bus, subscription::Interest};

use crate::{
    Fixture,
    sample::{acknowledge, drain, event, events, ids, take, topic},
};

/// What a subscriber had taken and not finished comes again to the next one, marked as such.
pub async fn a_dropped_subscription_returns_only_what_is_not_finished<F: Fixture<Store: Bus>>(fixture: F) {
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
pub async fn a_restart_returns_only_what_is_not_finished<F: Fixture<Store: Bus>>(fixture: F) {
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
pub async fn a_held_topic_keeps_the_order_of_its_events<F: Fixture<Store: Bus>>(fixture: F) {
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
