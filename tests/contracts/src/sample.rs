//! Keys, topics and events to test with.

use std::{collections::BTreeSet, fmt::Display, sync::Arc};

use bytes::Bytes;
use workmanager_core_domain::{
    Event, Topic,
    event::{Data, DataKind},
    ports::{Bus, Collection, Delivery, DeliveryToken, Key, SettleError, Settlement, Subscription},
};

/// A topic.
///
/// # Panics
/// If it cannot be one.
#[must_use]
pub fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

/// A key among the claims, where no other program logic looks.
#[must_use]
pub fn key(id: impl Display) -> Key {
    Key::new(Collection::Claim, id.to_string())
}

/// An event with a small JSON object as data.
///
/// # Panics
/// Never.
#[must_use]
pub fn event(id: impl Display) -> Arc<Event> {
    with_data(id, DataKind::Json, Bytes::from_static(b"{\"amount\": 1.50}"))
}

/// An event with this data.
///
/// # Panics
/// If it is too large.
#[must_use]
pub fn with_data(id: impl Display, kind: DataKind, bytes: Bytes) -> Arc<Event> {
    let event = Event::builder().with("id", id.to_string()).with("source", "/contracts").with("type", "sample");
    Arc::new(event.data(Data { kind, bytes }).build().unwrap())
}

/// Events with ids from `prefix` and a running number.
#[must_use]
pub fn events(prefix: &str, count: usize) -> Vec<Arc<Event>> {
    (0..count).map(|i| event(format!("{prefix}{i}"))).collect()
}

/// The ids that [`events`] gives.
#[must_use]
pub fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i}")).collect()
}

/// The next delivery.
///
/// # Panics
/// If the bus fails or ends.
pub async fn take(subscription: &mut Box<dyn Subscription>) -> Delivery {
    subscription.next().await.expect("the bus has ended").unwrap()
}

/// The ids of the next `count` deliveries, each acknowledged.
///
/// # Panics
/// If the bus fails or ends.
pub async fn drain(bus: &impl Bus, subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        let delivery = take(subscription).await;
        ids.push(delivery.event.id().to_owned());
        acknowledge(bus, delivery.token).await.unwrap();
    }
    ids
}

/// Takes and acknowledges deliveries until each of `expected` was there. Returns the ids of all, in order.
///
/// # Panics
/// If the bus fails or ends.
pub async fn collect(
    bus: &impl Bus,
    subscription: &mut Box<dyn Subscription>,
    expected: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let mut missing: BTreeSet<String> = expected.into_iter().collect();
    let mut seen = Vec::new();
    while !missing.is_empty() {
        let delivery = take(subscription).await;
        acknowledge(bus, delivery.token).await.unwrap();
        missing.remove(delivery.event.id());
        seen.push(delivery.event.id().to_owned());
    }
    seen
}

/// Acknowledges a delivery, and nothing else.
///
/// # Errors
/// The bus's.
pub async fn acknowledge(bus: &impl Bus, token: DeliveryToken) -> Result<(), SettleError> {
    bus.settle(Settlement { ack: Some(token), ..Settlement::default() }).await
}
