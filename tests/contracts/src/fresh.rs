//! Clauses of a bus whose first subscription does not replay history: neither what was published before it, nor
//! what was given up.

use workmanager_core_domain::ports::Bus;

use crate::{
    Fixture,
    sample::{acknowledge, event, events, take, topic},
};

/// A new worker starts with what comes after it.
pub async fn a_first_subscription_starts_with_what_comes_after_it<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    bus.publish(&orders, &events("history", 3)).await.unwrap();
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("first")]).await.unwrap();
    assert_eq!(take(&mut subscription).await.event.id(), "first");
}

/// What nobody was interested in between two subscriptions is history, too.
pub async fn a_subscription_after_forgetting_is_a_first_one<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    drop(bus.subscribe(&orders).await.unwrap());
    bus.publish(&orders, &[event("kept")]).await.unwrap();
    bus.forget(&orders).await.unwrap();
    bus.publish(&orders, &[event("between")]).await.unwrap();
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("first")]).await.unwrap();
    assert_eq!(take(&mut subscription).await.event.id(), "first");
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
