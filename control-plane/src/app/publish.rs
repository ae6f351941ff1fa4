//! Events in, and a look at what passes.

use std::sync::Arc;

use workmanager_core_domain::{
    Event, Topic,
    ports::{BusError, TailCapability, TailStream},
};

use super::{App, Error};

/// A topic that is followed.
pub struct Tail {
    /// What the bus can show.
    pub capability: TailCapability,
    /// The events.
    pub events: TailStream,
}

impl App {
    /// Publishes all `events` or none, and says their ids once they are durable.
    ///
    /// # Errors
    /// The bus's.
    pub async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), Error> {
        if !events.is_empty() {
            self.parts.bus.publish(topic, events).await?;
        }
        Ok(())
    }

    /// What the bus can show of a topic.
    #[must_use]
    pub fn tail_capability(&self) -> TailCapability {
        self.parts.bus.tail_capability()
    }

    /// Where a topic ends now, if the bus can say.
    ///
    /// # Errors
    /// The bus's.
    pub async fn tail_end(&self, topic: &Topic) -> Result<Option<u64>, Error> {
        match self.parts.bus.position(topic).await {
            Ok(position) => Ok(Some(position)),
            Err(BusError::Unsupported(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Follows a topic, after position `since` or from now on.
    ///
    /// # Errors
    /// `NoTailHistory` for `since` on a bus that has none; the bus's.
    pub async fn tail(&self, topic: &Topic, since: Option<u64>) -> Result<Tail, Error> {
        let capability = self.parts.bus.tail_capability();
        if capability == TailCapability::Live && since.is_some() {
            return Err(Error::NoTailHistory);
        }
        match self.parts.bus.tail(topic, since).await {
            Ok(events) => Ok(Tail { capability, events }),
            Err(BusError::Unsupported(_)) if since.is_some() => Err(Error::NoTailHistory),
            Err(error) => Err(error.into()),
        }
    }
}
