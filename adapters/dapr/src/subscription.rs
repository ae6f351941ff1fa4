//! Taking events from a topic.

use std::{pin::pin, sync::Arc};

use async_trait::async_trait;
use workmanager_core_domain::{
    Topic,
    ports::{BusError, Delivery, Subscription},
};

use crate::{
    dapr::Shared,
    hub::{Channel, Turn},
};

/// One taker of a topic's events. Dropping it gives back what is not settled.
pub(crate) struct Taker {
    shared: Arc<Shared>,
    topic: Topic,
    channel: Arc<Channel>,
    number: u64,
}

impl Taker {
    /// A taker that the hub has counted already.
    pub(crate) fn joined(shared: Arc<Shared>, topic: Topic, channel: Arc<Channel>) -> Self {
        let number = shared.hub.number();
        Self { shared, topic, channel, number }
    }
}

#[async_trait]
impl Subscription for Taker {
    async fn next(&mut self) -> Option<Result<Delivery, BusError>> {
        let stopping = self.shared.tasks.stopping();
        loop {
            let mut changed = pin!(self.channel.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if stopping.is_cancelled() {
                return None;
            }
            match self.shared.hub.take(&self.channel, self.number) {
                Turn::Delivery(delivery) => return Some(Ok(delivery)),
                Turn::Ended => return None,
                Turn::Nothing => {}
            }
            tokio::select! {
                () = changed => {}
                () = stopping.cancelled() => return None,
            }
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.shared.hub.leave(&self.topic, &self.channel, self.number);
    }
}
