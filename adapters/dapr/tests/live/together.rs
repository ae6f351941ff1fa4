//! What is asked together is answered one by one.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use workmanager_core_domain::ports::{Bus as _, Collection, Expect, Key, Records as _};
use workmanager_tests_contracts::{
    Fixture as _,
    sample::{event, topic},
    within,
};

use crate::machine::{Broker, Live, Store};

/// More than are under way at once, and more than one call takes.
const MANY: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_on_one_topic_is_published_once_on_another() {
    // With the pauses that are shipped the sidecar tries for longer than we wait for it.
    let alter = |_: &str, text: String| text.replace("maxRetries: 40", "maxRetries: 1");
    let Some(live) = Live::altered(Store::Redis, Broker::Redis, &alter).await else { return };
    within(async {
        let bus = live.store();
        // No stream: Redis refuses each event for it.
        live.machine.redis("SET bad x");
        // The second time nothing is published together.
        for round in 1..=2 {
            let publish = |number: usize| {
                let (bus, topic) = (bus.clone(), topic(if number.is_multiple_of(2) { "good" } else { "bad" }));
                async move { bus.publish(&topic, &[event(number.to_string())]).await }
            };
            let published = join_all((0..MANY).map(publish)).await;
            for (number, published) in published.into_iter().enumerate() {
                assert_eq!(published.is_ok(), number.is_multiple_of(2), "{number}: {published:?}");
            }
            assert_eq!(live.machine.redis("XLEN good"), format!(":{}", round * MANY / 2));
        }
        live.machine.redis("DEL bad");
        bus.publish(&topic("bad"), &[event("late")]).await.unwrap();
        assert_eq!(live.machine.redis("XLEN bad"), ":1");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_asked_for_together_are_each_ones_own() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let store = live.store();
        let key = |number: usize| Key::new(Collection::Event, format!("{number:032}one"));
        for number in (0..MANY).step_by(2) {
            store.put(&key(number), Bytes::from(number.to_string()), Expect::Absent).await.unwrap();
        }
        let get = |number: usize| {
            let store: Arc<_> = store.clone();
            async move { store.get(&key(number / 2)).await.unwrap() }
        };
        // Each is asked for twice at once.
        for (number, record) in join_all((0..2 * MANY).map(get)).await.into_iter().enumerate() {
            let value = record.map(|record| record.value);
            let number = number / 2;
            assert_eq!(value, number.is_multiple_of(2).then(|| Bytes::from(number.to_string())), "{number}");
        }
    })
    .await;
}
