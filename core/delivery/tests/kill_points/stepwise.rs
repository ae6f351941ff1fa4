//! A bus that settles step by step.

use std::sync::Arc;

use async_trait::async_trait;
use workmanager_adapters_embedded::Store;
use workmanager_core_domain::{
    Event, Topic,
    ports::{
        Bus, BusError, Expect, Key, Records as _, SettleError, Settlement, StoreError, Subscription, TailCapability,
        TailStream,
    },
    subscription::Interest,
};
use workmanager_tests_contracts::fault::Faulty;

/// Carries out each step of a settlement by itself, in the order that the port says.
pub(crate) struct Stepwise(pub(crate) Arc<Faulty<Store>>);

impl Stepwise {
    async fn look(&self, key: &Key, expect: Expect) -> Result<(), SettleError> {
        let found = self.0.get(key).await.map_err(SettleError::Record)?.map(|record| record.revision);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Revision(revision) => found == Some(revision),
        };
        let conflict = || SettleError::Record(StoreError::Conflict { key: key.to_string() });
        if holds { Ok(()) } else { Err(conflict()) }
    }
}

#[async_trait]
impl Bus for Stepwise {
    async fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        let Settlement { guards, replies, puts, removals, ack, seen_at: _ } = settlement;
        for (key, revision) in &guards {
            self.look(key, Expect::Revision(*revision)).await?;
        }
        if !replies.is_empty() {
            for (key, expect) in
                puts.iter().map(|put| (&put.key, put.expect)).chain(removals.iter().map(|of| (&of.key, of.expect)))
            {
                self.look(key, expect).await?;
            }
        }
        for (topic, reply) in replies {
            self.0.publish(&topic, &[reply]).await.map_err(SettleError::Publish)?;
        }
        for put in puts {
            self.0.put(&put.key, put.value, put.expect).await.map_err(SettleError::Record)?;
        }
        for removal in removals {
            self.0.delete(&removal.key, removal.expect).await.map_err(SettleError::Record)?;
        }
        match ack {
            Some(_) => self.0.settle(Settlement { ack, ..Settlement::default() }).await,
            None => Ok(()),
        }
    }

    async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError> {
        self.0.publish(topic, events).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, BusError> {
        self.0.subscribe(topic).await
    }

    async fn forget(&self, topic: &Topic) -> Result<(), BusError> {
        self.0.forget(topic).await
    }

    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError> {
        self.0.topics().await
    }

    async fn backlog(&self, topic: &Topic) -> Result<Option<u64>, BusError> {
        self.0.backlog(topic).await
    }

    fn tail_capability(&self) -> TailCapability {
        self.0.tail_capability()
    }

    async fn tail(&self, topic: &Topic, since: Option<u64>) -> Result<TailStream, BusError> {
        self.0.tail(topic, since).await
    }
}
