//! What must hold for whoever uses a store that fails: each error means what it says, and what it
//! leaves open can be found out.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use workmanager_core_domain::{
    Topic,
    document::{self, Document},
    ports::{
        Bus, Collection, Expect, Key, Put, Record, Records, Removal, Revision, SettleError, Settlement, StoreError,
    },
};

use crate::{
    Fixture,
    fault::{Fault, Faulty, Plan, at_every_step},
    sample::{event, key, take, topic},
};

/// A document whose value tells who has written how often.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tally(BTreeMap<String, u32>);

impl Document for Tally {
    const COLLECTION: Collection = Collection::Claim;
    const SCHEMA: u32 = 1;
}

fn tally(writer: &str) -> Bytes {
    document::encode(&Tally(BTreeMap::from([(writer.to_owned(), 1)]))).unwrap()
}

/// Time was up: reading back tells whether it happened.
pub async fn a_write_without_an_answer_is_done_or_not_and_a_read_tells<F: Fixture<Store: Records>>(fixture: F) {
    for (fault, done) in [(Fault::TimedOut, false), (Fault::AnswerLost, true)] {
        let store = Faulty::new(fixture.store(), Plan::at([(2, fault), (4, fault)]));
        let key = key(format!("{fault:?}"));
        let first = store.put(&key, tally("first"), Expect::Absent).await.unwrap();
        let result = store.put(&key, tally("second"), Expect::Revision(first)).await;
        assert!(matches!(result, Err(StoreError::Timeout)), "{fault:?}");
        let now = store.get(&key).await.unwrap().unwrap();
        assert_eq!((now.revision > first, now.value == tally("second")), (done, done), "{fault:?}");
        let result = store.delete(&key, Expect::Revision(now.revision)).await;
        assert!(matches!(result, Err(StoreError::Timeout)), "{fault:?}");
        assert_eq!(store.get(&key).await.unwrap().is_none(), done, "{fault:?}");
    }
}

/// Whoever tries again and is told that it exists, reads back and finds itself.
pub async fn a_create_without_an_answer_is_found_to_be_ours<F: Fixture<Store: Records>>(fixture: F) {
    let store = Faulty::new(fixture.store(), Plan::at([(1, Fault::AnswerLost)]));
    let result = store.put(&key("name"), tally("me"), Expect::Absent).await;
    assert!(matches!(result, Err(StoreError::Timeout)));
    let again = store.put(&key("name"), tally("me"), Expect::Absent).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })));
    let stands = store.get(&key("name")).await.unwrap().unwrap();
    assert_eq!(document::decode::<Tally>(&stands.value).unwrap(), document::decode(&tally("me")).unwrap());
}

/// Half a value is damage, never another value.
pub async fn a_torn_write_is_noticed_when_it_is_read<F: Fixture<Store: Records + Bus>>(fixture: F) {
    let store = Faulty::new(fixture.store(), Plan::when(|_| Some(Fault::Torn)));
    store.put(&key("put"), tally("me"), Expect::Absent).await.unwrap();
    let put = Put { key: key("settled"), value: tally("me"), expect: Expect::Absent };
    store.settle(Settlement { puts: vec![put], ..Settlement::default() }).await.unwrap();
    for id in ["put", "settled"] {
        let record = store.get(&key(id)).await.unwrap().unwrap();
        assert!(document::decode::<Tally>(&record.value).is_err(), "{id}");
        store.put(&key(id), Bytes::new(), Expect::Revision(record.revision)).await.unwrap();
    }
}

/// Unavailable and conflict mean that nothing changed.
pub async fn what_was_refused_changed_nothing<F: Fixture<Store: Records + Bus>>(fixture: F) {
    let (inner, orders) = (fixture.store(), topic("orders"));
    let revision = inner.put(&key("a"), tally("before"), Expect::Absent).await.unwrap();
    let mut tail = inner.tail(&orders, None).await.unwrap();
    for fault in [Fault::Refused, Fault::Conflict, Fault::Gone] {
        let store = Faulty::new(inner.clone(), Plan::when(move |_| Some(fault)));
        assert!(store.put(&key("a"), tally("after"), Expect::Any).await.is_err());
        assert!(store.delete(&key("a"), Expect::Any).await.is_err());
        assert!(store.publish(&orders, &[event("refused")]).await.is_err());
        let put = Put { key: key("b"), value: tally("after"), expect: Expect::Any };
        let settlement = Settlement {
            guards: vec![(key("a"), revision)],
            replies: vec![(orders.clone(), event("refused"))],
            puts: vec![put],
            removals: vec![Removal { key: key("a"), expect: Expect::Revision(revision) }],
            ack: None,
            seen_at: None,
        };
        assert!(store.settle(settlement).await.is_err());
        assert_eq!(store.injected().len(), 4);
    }
    let record = inner.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(record, Record { id: "a".into(), value: tally("before"), revision });
    assert_eq!(inner.get(&key("b")).await.unwrap(), None);
    inner.publish(&orders, &[event("marker")]).await.unwrap();
    assert_eq!(tail.next().await.unwrap().unwrap().event.id(), "marker");
}

/// The outcome's record is claimed once: a second try conflicts and publishes nothing.
pub async fn a_settlement_without_an_answer_can_be_tried_again<F: Fixture<Store: Records + Bus>>(fixture: F) {
    let (inner, replies) = (fixture.store(), topic("replies"));
    let mut tail = inner.tail(&replies, None).await.unwrap();
    let store = Faulty::new(inner.clone(), Plan::at([(1, Fault::AnswerLost), (3, Fault::Lied)]));
    for id in ["first", "second"] {
        let settlement = Settlement {
            replies: vec![(replies.clone(), event(id))],
            puts: vec![Put { key: key(id), value: tally("me"), expect: Expect::Absent }],
            ack: None,
            seen_at: None,
            ..Settlement::default()
        };
        assert!(store.settle(settlement.clone()).await.is_err());
        let again = store.settle(settlement).await;
        assert!(matches!(again, Err(SettleError::Record(StoreError::Conflict { .. }))), "{again:?}");
    }
    inner.publish(&replies, &[event("marker")]).await.unwrap();
    for id in ["first", "second", "marker"] {
        assert_eq!(tail.next().await.unwrap().unwrap().event.id(), id);
    }
}

/// Reply, record, removal and acknowledgement are there together or not at all, whatever step fails.
pub async fn a_settlement_is_whole_wherever_the_store_goes_away<F: Fixture<Store: Records + Bus>>(fixture: F) {
    let faults = [Fault::Gone, Fault::Refused, Fault::TimedOut, Fault::AnswerLost, Fault::Lied, Fault::Conflict];
    let lease = fixture.store().put(&key("lease"), tally("me"), Expect::Absent).await.unwrap();
    let mut run = 0;
    at_every_step(&faults, |plan| {
        run += 1;
        let store = Faulty::new(fixture.store(), plan);
        async move {
            let event = Case::new(run);
            store.inner().put(&event.parked, tally("me"), Expect::Absent).await.unwrap();
            // Whatever it says: what counts is what is there afterwards.
            let _ = event.deliver(&store, lease).await;
            event.check_whole(&**store.inner()).await;
            store.count()
        }
    })
    .await;
    assert!(run > 3 * faults.len(), "every operation failed in every way");
}

/// One event's way, on topics and under keys of its own.
struct Case {
    orders: Topic,
    replies: Topic,
    outcome: Key,
    parked: Key,
}

impl Case {
    fn new(number: usize) -> Self {
        let topic = |name| topic(&format!("{name}{number}"));
        let key = |name| key(format!("{name}{number}"));
        Self { orders: topic("orders"), replies: topic("replies"), outcome: key("outcome"), parked: key("parked") }
    }

    async fn deliver<S: Records + Bus>(&self, store: &Faulty<S>, lease: Revision) -> Result<(), String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let mut subscription = store.subscribe(&self.orders).await.map_err(|error| text(&error))?;
        store.publish(&self.orders, &[event("cause")]).await.map_err(|error| text(&error))?;
        let delivery = take(&mut subscription).await;
        let settlement = Settlement {
            guards: vec![(key("lease"), lease)],
            replies: vec![(self.replies.clone(), event("reply"))],
            puts: vec![Put { key: self.outcome.clone(), value: tally("me"), expect: Expect::Absent }],
            removals: vec![Removal { key: self.parked.clone(), expect: Expect::Any }],
            ack: Some(delivery.token),
            seen_at: None,
        };
        store.settle(settlement).await.map_err(|error| text(&error))
    }

    async fn check_whole(&self, store: &(impl Records + Bus)) {
        store.publish(&self.replies, &[event("marker")]).await.unwrap();
        let first_reply = store.tail(&self.replies, Some(0)).await.unwrap().next().await.unwrap().unwrap();
        let published = first_reply.event.id() == "reply";
        let recorded = store.get(&self.outcome).await.unwrap().is_some();
        assert_eq!(published, recorded, "a reply without its record, or a record without its reply");
        let removed = store.get(&self.parked).await.unwrap().is_none();
        assert_eq!(removed, recorded, "a removal without its record, or a record without its removal");

        let mut subscription = store.subscribe(&self.orders).await.unwrap();
        store.publish(&self.orders, &[event("marker")]).await.unwrap();
        let delivered = take(&mut subscription).await;
        let open = delivered.event.id() == "cause";
        assert!(!(open && recorded), "an outcome without its acknowledgement");
    }
}

/// Which step a settlement begins with, and whose condition does not hold, is what the error says.
pub async fn an_error_of_a_settlement_names_its_first_step<F: Fixture<Store: Records + Bus>>(fixture: F) {
    let settle = async |settlement: &Settlement, fault| {
        Faulty::new(fixture.store(), Plan::at([(1, fault)])).settle(settlement.clone()).await.unwrap_err()
    };
    let ack = Settlement { guards: vec![(key("guard"), Revision(1))], ..Settlement::default() };
    let removal = Removal { key: key("removal"), expect: Expect::Any };
    let remove = Settlement { removals: vec![removal], ..ack.clone() };
    let put = Put { key: key("put"), value: tally("me"), expect: Expect::Any };
    let write = Settlement { puts: vec![put], ..remove.clone() };
    let publish = Settlement { replies: vec![(topic("replies"), event("reply"))], ..write.clone() };
    for (settlement, name) in [(&ack, "guard"), (&remove, "removal"), (&write, "put"), (&publish, "put")] {
        match settle(settlement, Fault::Conflict).await {
            SettleError::Record(StoreError::Conflict { key: named }) => assert_eq!(named, key(name).to_string()),
            other => panic!("{other:?}"),
        }
    }
    for fault in [Fault::Refused, Fault::TimedOut, Fault::Gone] {
        assert!(matches!(settle(&ack, fault).await, SettleError::Ack(_)), "{fault:?}");
        assert!(matches!(settle(&remove, fault).await, SettleError::Record(_)), "{fault:?}");
        assert!(matches!(settle(&write, fault).await, SettleError::Record(_)), "{fault:?}");
        assert!(matches!(settle(&publish, fault).await, SettleError::Publish(_)), "{fault:?}");
    }
}

/// Compare and swap, and reading back after every error, count right whatever happens.
pub async fn counting_survives_any_sequence_of_faults<F: Fixture<Store: Records>>(fixture: F) {
    const FAULTS: &[Fault] = &[Fault::Refused, Fault::TimedOut, Fault::AnswerLost, Fault::Lied, Fault::Conflict];
    const EACH: u32 = 25;
    for seed in 0..10 {
        let store = Arc::new(Faulty::new(fixture.store(), Plan::seeded(seed, 3, FAULTS)));
        let mut writers = JoinSet::new();
        for writer in ["a", "b"] {
            let (store, key) = (store.clone(), key(format!("tally{seed}")));
            writers.spawn(async move {
                for count in 1..=EACH {
                    count_to(&*store, &key, writer, count).await;
                }
            });
        }
        writers.join_all().await;
        let record = fixture.store().get(&key(format!("tally{seed}"))).await.unwrap().unwrap();
        let expected = Tally(BTreeMap::from([("a".to_owned(), EACH), ("b".to_owned(), EACH)]));
        assert_eq!(document::decode::<Tally>(&record.value).unwrap(), expected, "seed {seed}");
        assert!(store.injected().len() > 20, "seed {seed} injects faults");
    }
}

async fn count_to(store: &impl Records, key: &Key, writer: &str, count: u32) {
    loop {
        let Ok(record) = store.get(key).await else { continue };
        let expect = record.as_ref().map_or(Expect::Absent, |record| Expect::Revision(record.revision));
        let mut tally: Tally = record.map(|record| document::decode(&record.value).unwrap()).unwrap_or_default();
        let own = tally.0.entry(writer.to_owned()).or_default();
        if *own == count {
            return;
        }
        assert_eq!(*own, count - 1, "no write of {writer} is lost or done twice");
        *own += 1;
        // Whatever it says, the next read tells.
        let _ = store.put(key, document::encode(&tally).unwrap(), expect).await;
    }
}
