//! Clauses of a bus whose first subscription does not replay history.

use workmanager_core_domain::ports::Bus;

use crate::{
    Fixture,
    sample::{event, events, take, topic},
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
