//! The ports, each call through its course.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use workmanager_core_domain::{
    Checkup, Digest, Event, Topic,
    ports::{
        Blobs, Bus, BusError, Collection, Expect, Key, Page, Put, Record, Records, Revision, SettleError, Settlement,
        StoreError, Subscription, TailCapability, TailStream,
    },
    subscription::Interest,
};

use super::{Answer, Faulty, Step};

const REASON: &str = "a planned fault";

fn store_error(key: impl ToString) -> impl FnOnce(Answer) -> StoreError {
    move |answer| match answer {
        Answer::Unavailable => StoreError::Unavailable { reason: REASON.to_owned() },
        Answer::Timeout => StoreError::Timeout,
        Answer::Conflict => StoreError::Conflict { key: key.to_string() },
    }
}

/// For what has no expectation: a conflict is a refusal.
fn plain_store_error(answer: Answer) -> StoreError {
    match answer {
        Answer::Unavailable | Answer::Conflict => StoreError::Unavailable { reason: REASON.to_owned() },
        Answer::Timeout => StoreError::Timeout,
    }
}

fn bus_error(answer: Answer) -> BusError {
    match answer {
        Answer::Unavailable | Answer::Conflict => BusError::Unavailable { reason: REASON.to_owned() },
        Answer::Timeout => BusError::Timeout,
    }
}

#[async_trait]
impl<S: Records> Records for Faulty<S> {
    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.begin(Step::Get, key).take(self.inner.get(key), plain_store_error).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Revision, StoreError> {
        let course = self.begin(Step::Put, key);
        course.take(self.inner.put(key, course.value(value), expect), store_error(key)).await
    }

    async fn delete(&self, key: &Key, expect: Expect) -> Result<(), StoreError> {
        self.begin(Step::Delete, key).take(self.inner.delete(key, expect), store_error(key)).await
    }

    async fn page(
        &self,
        collection: Collection,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let course = self.begin(Step::Page, collection.as_str());
        course.take(self.inner.page(collection, prefix, after, limit), plain_store_error).await
    }
}

#[async_trait]
impl<S: Blobs> Blobs for Faulty<S> {
    async fn put(&self, bytes: Bytes) -> Result<Digest, StoreError> {
        let digest = Digest::of(&bytes);
        let course = self.begin(Step::KeepBlob, digest);
        // A torn blob has another digest, so nobody finds it.
        course.take(self.inner.put(course.value(bytes)), plain_store_error).await.map(|_| digest)
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.begin(Step::GetBlob, digest).take(self.inner.get(digest), plain_store_error).await
    }
}

#[async_trait]
impl<S: Bus> Bus for Faulty<S> {
    async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError> {
        self.begin(Step::Publish, topic).take(self.inner.publish(topic, events), bus_error).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, BusError> {
        self.begin(Step::Subscribe, topic).take(self.inner.subscribe(topic), bus_error).await
    }

    async fn forget(&self, topic: &Topic) -> Result<(), BusError> {
        self.begin(Step::Forget, topic).take(self.inner.forget(topic), bus_error).await
    }

    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError> {
        self.begin(Step::Topics, "").take(self.inner.topics(), bus_error).await
    }

    async fn settle(&self, mut settlement: Settlement) -> Result<(), SettleError> {
        let course = self.begin(Step::Settle, "");
        let (guards, puts, removals) = (&settlement.guards, &settlement.puts, &settlement.removals);
        let written = puts.iter().map(|put| &put.key).chain(removals.iter().map(|removal| &removal.key)).next();
        let (publishes, writes) = (!settlement.replies.is_empty(), written.is_some());
        let key = written.or(guards.first().map(|(key, _)| key)).map(ToString::to_string);
        let torn = |put: Put| Put { value: course.value(put.value), ..put };
        settlement.puts = settlement.puts.into_iter().map(torn).collect();
        let error = |answer| match (answer, key) {
            (Answer::Conflict, Some(key)) => SettleError::Record(StoreError::Conflict { key }),
            (answer, _) if publishes => SettleError::Publish(bus_error(answer)),
            (answer, _) if writes => SettleError::Record(plain_store_error(answer)),
            (answer, _) => SettleError::Ack(bus_error(answer)),
        };
        course.take(self.inner.settle(settlement), error).await
    }

    async fn backlog(&self, topic: &Topic) -> Result<Option<u64>, BusError> {
        self.begin(Step::Backlog, topic).take(self.inner.backlog(topic), bus_error).await
    }

    fn trouble(&self, topic: &Topic) -> Option<String> {
        self.inner.trouble(topic)
    }

    fn checkup(&self) -> Checkup {
        self.inner.checkup()
    }

    fn tail_capability(&self) -> TailCapability {
        self.inner.tail_capability()
    }

    async fn tail(&self, topic: &Topic, since: Option<u64>) -> Result<TailStream, BusError> {
        self.begin(Step::Tail, topic).take(self.inner.tail(topic, since), bus_error).await
    }

    async fn position(&self, topic: &Topic) -> Result<u64, BusError> {
        self.begin(Step::Position, topic).take(self.inner.position(topic), bus_error).await
    }
}
