//! What the bus keeps for us, and until when.

use workmanager_core_domain::{
    ports::{Bus, DeliveryToken},
    subscription::Interest,
};

use crate::{
    Fixture,
    sample::{acknowledge, collect, event, events, ids, take, topic},
};

/// What a subscriber had taken and not finished comes again to the next one; what it had finished does not.
pub async fn a_dropped_subscription_returns_what_is_not_finished<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 6)).await.unwrap();
    let finished = take(&mut subscription).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(take(&mut subscription).await);
    }
    acknowledge(&*bus, finished.token).await.unwrap();
    drop(subscription);
    // An acknowledgement that comes late is no error, whether it still counts or not.
    acknowledge(&*bus, open[0].token).await.unwrap();

    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("marker")]).await.unwrap();
    let late = [finished.event.id(), open[0].event.id()];
    let expected = ids("", 6).into_iter().filter(|id| !late.contains(&id.as_str())).chain(["marker".to_owned()]);
    let seen = collect(&*bus, &mut subscription, expected).await;
    assert!(!seen.contains(&finished.event.id().to_owned()), "what was finished came again");
}

/// After a crash everything that was not acknowledged comes again, as it was.
pub async fn a_restart_returns_what_is_not_finished<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", 90)).await.unwrap();
    let mut expected = ids("", 90);
    for i in 0..60 {
        let delivery = take(&mut subscription).await;
        if i % 2 == 0 {
            expected.retain(|id| id != delivery.event.id());
            acknowledge(&*bus, delivery.token).await.unwrap();
        }
    }
    let fixture = fixture.restarted().await;
    drop(subscription);
    let bus = fixture.store();
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("fresh")]).await.unwrap();
    collect(&*bus, &mut subscription, expected.into_iter().chain(["fresh".to_owned()])).await;
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
    collect(&*bus, &mut subscription, [ids("before", 3), ids("after", 3)].concat()).await;
}

/// When a topic's last owner is deleted nobody holds it any more, also over a restart, until somebody subscribes.
pub async fn giving_a_topic_up_ends_the_interest_in_it<F: Fixture<Store: Bus>>(fixture: F) {
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("old", 3)).await.unwrap();
    let taken = take(&mut subscription).await;
    bus.forget(&orders).await.unwrap();
    assert!(bus.topics().await.unwrap().is_empty());
    assert!(subscription.next().await.is_none(), "its subscriptions end");
    drop(subscription);
    acknowledge(&*bus, taken.token).await.unwrap();
    bus.forget(&topic("never-known")).await.unwrap();

    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    assert!(bus.topics().await.unwrap().is_empty());
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    assert_eq!(bus.topics().await.unwrap(), [(orders.clone(), Interest::Open)]);
    bus.publish(&orders, &[event("new")]).await.unwrap();
    collect(&*bus, &mut subscription, ["new".to_owned()]).await;
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
    let first = take(&mut subscription).await;
    for token in [first.token, first.token, DeliveryToken(u64::from(u32::MAX))] {
        acknowledge(&*bus, token).await.unwrap();
    }
    assert_ne!(take(&mut subscription).await.event.id(), first.event.id());
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
