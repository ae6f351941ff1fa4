//! What is lost on RabbitMQ, what comes late, and that both are the doing of the sidecar's component. The tests of what it
//! does wrong fail when it is repaired: then docs/dapr.md, docs/promises.md and the checkup say too much.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use workmanager_core_domain::ports::Bus as _;
use workmanager_tests_contracts::{
    Fixture as _,
    sample::{acknowledge, event, topic},
    within,
};

use crate::{
    kills::{Kills, missing},
    machine::Live,
};

/// What comes late comes when the broker's `consumer_timeout` is over, and may be late again then.
const REST: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_while_clients_and_sidecar_are_killed_beside_rabbitmq() {
    let Some(mut live) = Live::rabbit().await else { return };
    let (missing, _) = missing(&mut live, &Kills { each: 200, rest: REST, broker: false }).await;
    assert!(missing.is_empty(), "lost: {missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_while_clients_sidecar_and_rabbitmq_are_killed_if_the_component_is_repaired() {
    let Some(mut live) = Live::repaired().await else { return };
    let (missing, kills) = missing(&mut live, &Kills { each: 200, rest: Duration::from_secs(60), broker: true }).await;
    assert!(kills > 0 && missing.is_empty(), "lost in {kills} kills: {missing:?}");
}

/// The component publishes one event after another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_of_rabbitmq_loses_more_than_the_event_that_is_just_published() {
    let Some(mut live) = Live::rabbit().await else { return };
    let (missing, kills) = missing(&mut live, &Kills { each: 200, rest: REST, broker: true }).await;
    eprintln!("lost in {kills} kills: {missing:?}");
    assert!(kills > 0 && missing.len() <= kills, "more than one a kill");
}

/// The component waits for the broker's word, and takes its end for a yes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_as_rabbitmq_dies_is_called_accepted_and_lost() {
    let Some(mut live) = Live::rabbit().await else { return };
    within(async {
        let (bus, topic) = (live.store(), topic("orders"));
        let mut subscription = bus.subscribe(&topic).await.unwrap();
        bus.publish(&topic, &[event("before")]).await.unwrap();
        let delivery = subscription.next().await.unwrap().unwrap();
        assert_eq!(delivery.event.id(), "before");
        acknowledge(&*bus, delivery.token).await.unwrap();

        live.machine.rabbit().freeze();
        let lost = [event("lost")];
        let mut publishing = Box::pin(bus.publish(&topic, &lost));
        let early = tokio::time::timeout(Duration::from_millis(500), &mut publishing).await;
        assert!(early.is_err(), "accepted by nobody: {early:?}");
        live.machine.rabbit().kill();
        publishing.await.expect("an event that RabbitMQ never had is called accepted");

        live.machine.rabbit().run();
        while bus.publish(&topic, &[event("after")]).await.is_err() {}
        loop {
            let delivery = subscription.next().await.unwrap().unwrap();
            // The broker may not have seen the acknowledgement of the first.
            match delivery.event.id() {
                "after" => break,
                id => assert_eq!(id, "before"),
            }
            acknowledge(&*bus, delivery.token).await.unwrap();
        }
    })
    .await;
}

/// When the connection is lost the component opens all topics again at once on one channel, and one may get the answer
/// that another waits for. It begins anew then, but the broker goes on sending to the consumer that it has forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_lost_connection_to_rabbitmq_events_come_late_but_they_come() {
    let Some(mut live) = Live::rabbit().await else { return };
    let (bus, mut subscriptions) = (live.store(), Vec::new());
    for number in 0..16 {
        subscriptions.push(bus.subscribe(&topic(&format!("topic-{number}"))).await.unwrap());
    }
    let number = (0..20).find_map(|_| forgotten(&mut live)).expect("no consumer is forgotten any more");
    let (topic, mut subscription) = (topic(&format!("topic-{number}")), subscriptions.swap_remove(number));
    let (start, mut missing) = (Instant::now(), BTreeSet::new());
    for i in 0..10 {
        while bus.publish(&topic, &[event(i.to_string())]).await.is_err() {}
        missing.insert(i.to_string());
    }
    while !missing.is_empty() {
        let next = tokio::time::timeout(REST, subscription.next()).await;
        let delivery = next.unwrap_or_else(|_| panic!("lost: {missing:?}")).unwrap().unwrap();
        missing.remove(delivery.event.id());
        acknowledge(&*bus, delivery.token).await.unwrap();
    }
    assert!(start.elapsed() > Duration::from_secs(20), "none was late: {:?}", start.elapsed());
}

/// Cuts the sidecar's connection; the number of a topic whose queue has a consumer too many when all are there again.
fn forgotten(live: &mut Live) -> Option<usize> {
    let rabbit = live.machine.rabbit();
    rabbit.cut();
    let start = Instant::now();
    loop {
        let consumers = rabbit.consumers();
        let count = |number: usize| consumers[&format!("wm-topic-{number}")];
        if (0..16).all(|number| count(number) > 0) {
            return (0..16).find(|number| count(*number) > 1);
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{consumers:?}");
    }
}
