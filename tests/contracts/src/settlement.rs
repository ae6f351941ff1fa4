//! Clauses of a bus and store in one, whose settlement is one transaction.

use bytes::Bytes;
use tokio::task::JoinSet;
use workmanager_core_domain::ports::{
    Bus, Delivery, Expect, Key, Put, Records, Removal, Revision, SettleError, Settlement, StoreError, Subscription,
};

use crate::{
    Fixture,
    sample::{event, events, key, take, topic},
};

fn put(id: &str, expect: Expect) -> Put {
    Put { key: key(id), value: Bytes::from_static(b"outcome"), expect }
}

fn is_conflict(result: &Result<(), SettleError>) -> bool {
    matches!(result, Err(SettleError::Record(StoreError::Conflict { .. })))
}

async fn one_delivery(bus: &impl Bus) -> (Box<dyn Subscription>, Delivery) {
    let orders = topic("orders");
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &[event("cause")]).await.unwrap();
    let delivery = take(&mut subscription).await;
    (subscription, delivery)
}

/// Reply, record and acknowledgement together, and durable.
pub async fn a_settlement_publishes_records_and_acknowledges<F: Fixture<Store: Bus + Records>>(fixture: F) {
    let (bus, replies) = (fixture.store(), topic("replies"));
    let mut listener = bus.subscribe(&replies).await.unwrap();
    let (_subscription, delivery) = one_delivery(&*bus).await;
    let settlement = Settlement {
        replies: vec![(replies.clone(), event("reply"))],
        puts: vec![put("record", Expect::Absent)],
        ack: Some(delivery.token),
        ..Settlement::default()
    };
    bus.settle(settlement).await.unwrap();
    assert_eq!(take(&mut listener).await.event.id(), "reply");
    assert!(bus.get(&key("record")).await.unwrap().is_some());

    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    assert!(bus.get(&key("record")).await.unwrap().is_some());
    assert_eq!(bus.backlog(&topic("orders")).await.unwrap(), Some(0));
    let again = take(&mut bus.subscribe(&replies).await.unwrap()).await;
    assert_eq!((again.event.id(), again.redelivered), ("reply", true));
}

/// Whoever lost the race for a record has not published a second reply either.
pub async fn a_conflict_means_that_nothing_happened<F: Fixture<Store: Bus + Records>>(fixture: F) {
    let (bus, replies) = (fixture.store(), topic("replies"));
    let mut listener = bus.subscribe(&replies).await.unwrap();
    let (_subscription, delivery) = one_delivery(&*bus).await;
    let stands = bus.put(&key("taken"), Bytes::from_static(b"first"), Expect::Absent).await.unwrap();
    let settlement = Settlement {
        replies: vec![(replies.clone(), event("reply"))],
        puts: vec![put("free", Expect::Absent), put("taken", Expect::Absent), put("other", Expect::Any)],
        ack: Some(delivery.token),
        ..Settlement::default()
    };
    let result = bus.settle(settlement).await;
    assert!(is_conflict(&result), "{result:?}");
    assert_eq!(bus.get(&key("taken")).await.unwrap().unwrap().revision, stands);
    assert_eq!(bus.get(&key("free")).await.unwrap(), None);
    assert_eq!(bus.get(&key("other")).await.unwrap(), None);
    assert_eq!(bus.backlog(&topic("orders")).await.unwrap(), Some(1));
    bus.publish(&replies, &[event("marker")]).await.unwrap();
    assert_eq!(take(&mut listener).await.event.id(), "marker", "no reply was published");
}

/// Those who share a transaction do not share a failure.
pub async fn a_conflict_is_not_the_neighbours_concern<F: Fixture<Store: Bus + Records>>(fixture: F) {
    const COUNT: usize = 200;
    let (bus, orders) = (fixture.store(), topic("orders"));
    let mut subscription = bus.subscribe(&orders).await.unwrap();
    bus.publish(&orders, &events("", COUNT)).await.unwrap();
    bus.put(&key("taken"), Bytes::new(), Expect::Absent).await.unwrap();
    let mut settling = JoinSet::new();
    for i in 0..COUNT {
        let (bus, delivery) = (bus.clone(), take(&mut subscription).await);
        settling.spawn(async move {
            let mut settlement = Settlement {
                replies: vec![(topic("replies"), event(i))],
                puts: vec![put(&format!("record{i}"), Expect::Absent)],
                ack: Some(delivery.token),
                ..Settlement::default()
            };
            match i % 15 {
                0 => settlement.puts.push(put("taken", Expect::Absent)),
                5 => settlement.guards.push((key("taken"), Revision(u64::from(u32::MAX)))),
                10 => settlement.removals.push(Removal { key: key("taken"), expect: Expect::Absent }),
                _ => {}
            }
            (i, bus.settle(settlement).await)
        });
    }
    for (i, result) in settling.join_all().await {
        assert_eq!(i % 5 == 0, is_conflict(&result), "{i}: {result:?}");
        assert_eq!(i % 5 != 0, result.is_ok(), "{i}: {result:?}");
    }
    assert_eq!(bus.backlog(&orders).await.unwrap(), Some(COUNT as u64 / 5));
}

/// An attempt can be recorded while the delivery goes on.
pub async fn without_acknowledgement_the_delivery_stays_open<F: Fixture<Store: Bus + Records>>(fixture: F) {
    let bus = fixture.store();
    let (_subscription, _) = one_delivery(&*bus).await;
    bus.settle(Settlement { puts: vec![put("attempt", Expect::Absent)], ..Settlement::default() }).await.unwrap();
    bus.settle(Settlement::default()).await.unwrap();
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    assert!(bus.get(&key("attempt")).await.unwrap().is_some());
    let again = take(&mut bus.subscribe(&topic("orders")).await.unwrap()).await;
    assert_eq!((again.event.id(), again.redelivered), ("cause", true));
}

/// Puts happen one after the other, each seeing those before it.
pub async fn one_key_twice_is_written_in_order<F: Fixture<Store: Bus + Records>>(fixture: F) {
    let bus = fixture.store();
    let twice = |second| Settlement { puts: vec![put("twice", Expect::Absent), second], ..Settlement::default() };
    let result = bus.settle(twice(put("twice", Expect::Absent))).await;
    assert!(is_conflict(&result), "{result:?}");
    assert_eq!(bus.get(&key("twice")).await.unwrap(), None);
    let last = Put { value: Bytes::from_static(b"last"), ..put("twice", Expect::Any) };
    bus.settle(twice(last)).await.unwrap();
    assert_eq!(&*bus.get(&key("twice")).await.unwrap().unwrap().value, b"last");
}

/// What a settlement is guarded by must be as it was read; it is looked at and not changed.
pub async fn a_guard_that_does_not_hold_lets_nothing_happen<F: Fixture<Store: Bus + Records>>(fixture: F) {
    let (bus, replies) = (fixture.store(), topic("replies"));
    let mut listener = bus.subscribe(&replies).await.unwrap();
    let (_subscription, delivery) = one_delivery(&*bus).await;
    let first = bus.put(&key("lease"), Bytes::from_static(b"first"), Expect::Absent).await.unwrap();
    let second = bus.put(&key("lease"), Bytes::from_static(b"second"), Expect::Any).await.unwrap();
    let settlement = |guard: (Key, Revision)| Settlement {
        guards: vec![guard],
        replies: vec![(replies.clone(), event("reply"))],
        puts: vec![put("outcome", Expect::Absent)],
        ack: Some(delivery.token),
        ..Settlement::default()
    };
    for guard in [(key("lease"), first), (key("gone"), second)] {
        let name = guard.0.to_string();
        match bus.settle(settlement(guard)).await {
            Err(SettleError::Record(StoreError::Conflict { key })) => assert_eq!(key, name),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bus.get(&key("outcome")).await.unwrap(), None);
    assert_eq!(bus.backlog(&topic("orders")).await.unwrap(), Some(1));
    bus.settle(settlement((key("lease"), second))).await.unwrap();
    assert_eq!(take(&mut listener).await.event.id(), "reply");
    assert_eq!(bus.get(&key("lease")).await.unwrap().unwrap().revision, second);
    assert_eq!(bus.backlog(&topic("orders")).await.unwrap(), Some(0));
}

/// A record goes together with the rest, or stays together with it.
pub async fn a_removal_happens_with_the_rest_or_not_at_all<F: Fixture<Store: Bus + Records>>(fixture: F) {
    let bus = fixture.store();
    let (_subscription, delivery) = one_delivery(&*bus).await;
    let old = bus.put(&key("parked"), Bytes::from_static(b"old"), Expect::Absent).await.unwrap();
    let now = bus.put(&key("parked"), Bytes::from_static(b"now"), Expect::Any).await.unwrap();
    let settlement = |expect| Settlement {
        puts: vec![put("outcome", Expect::Absent)],
        removals: vec![Removal { key: key("parked"), expect }],
        ack: Some(delivery.token),
        ..Settlement::default()
    };
    for expect in [Expect::Revision(old), Expect::Absent] {
        let result = bus.settle(settlement(expect)).await;
        assert!(is_conflict(&result), "{result:?}");
        assert_eq!(bus.get(&key("outcome")).await.unwrap(), None);
    }
    let stands = Settlement { puts: vec![put("parked", Expect::Absent)], ..settlement(Expect::Any) };
    let result = bus.settle(stands).await;
    assert!(is_conflict(&result), "{result:?}");
    assert_eq!(bus.get(&key("parked")).await.unwrap().unwrap().revision, now);

    bus.settle(settlement(Expect::Revision(now))).await.unwrap();
    assert_eq!(bus.get(&key("parked")).await.unwrap(), None);
    let again = Settlement { puts: Vec::new(), ..settlement(Expect::Any) };
    bus.settle(again).await.unwrap();
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    assert_eq!(bus.get(&key("parked")).await.unwrap(), None);
    assert!(bus.get(&key("outcome")).await.unwrap().is_some());
    assert_eq!(bus.backlog(&topic("orders")).await.unwrap(), Some(0));
}

/// An event and a reply of the largest size fit into one record.
pub async fn a_record_may_have_four_mebibytes<F: Fixture<Store: Bus + Records>>(fixture: F) {
    let large = Bytes::from(vec![b'x'; 4 << 20]);
    let bus = fixture.store();
    let put = Put { key: key("large"), value: large.clone(), expect: Expect::Absent };
    bus.settle(Settlement { puts: vec![put], ..Settlement::default() }).await.unwrap();
    let fixture = fixture.restarted().await;
    let bus = fixture.store();
    let record = bus.get(&key("large")).await.unwrap().unwrap();
    assert!(record.value == large, "it was changed");
    let removal = Removal { key: key("large"), expect: Expect::Revision(record.revision) };
    bus.settle(Settlement { removals: vec![removal], ..Settlement::default() }).await.unwrap();
    assert_eq!(bus.get(&key("large")).await.unwrap(), None);
}
