//! Which topics this deployment has subscribed to and not given up: one record for all replicas.

use std::collections::BTreeSet;

use bytes::Bytes;
use workmanager_core_domain::{
    Topic,
    ports::{Expect, Revision, StoreError},
};

use crate::{cell::Kind, dapr::Shared};

/// The record's key.
const KEY: &str = "topics";

impl Shared {
    /// The topics that are kept for us.
    pub(crate) async fn kept(&self) -> Result<BTreeSet<Topic>, StoreError> {
        Ok(self.read_topics().await?.1)
    }

    /// Whether a topic is kept for us.
    pub(crate) async fn keeps(&self, topic: &Topic) -> Result<bool, StoreError> {
        Ok(self.kept().await?.contains(topic))
    }

    /// Keeps a topic for us from now on.
    pub(crate) async fn keep(&self, topic: &Topic) -> Result<(), StoreError> {
        self.change_topics(|topics| topics.insert(topic.clone())).await
    }

    /// Gives a topic up.
    pub(crate) async fn give_up(&self, topic: &Topic) -> Result<(), StoreError> {
        self.change_topics(|topics| topics.remove(topic)).await
    }

    async fn change_topics(&self, mut change: impl FnMut(&mut BTreeSet<Topic>) -> bool) -> Result<(), StoreError> {
        loop {
            let (expect, mut topics) = self.read_topics().await?;
            if !change(&mut topics) {
                return Ok(());
            }
            let broken = |error: serde_json::Error| StoreError::Unavailable { reason: error.to_string() };
            let value = Bytes::from(serde_json::to_vec(&topics).map_err(broken)?);
            match self.cells.write(KEY, Kind::Value, value, expect).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_topics(&self) -> Result<(Expect, BTreeSet<Topic>), StoreError> {
        let Some(found) = self.cells.read(KEY).await? else { return Ok((Expect::Absent, BTreeSet::new())) };
        let damaged = |error: serde_json::Error| StoreError::Damaged { key: KEY.to_owned(), reason: error.to_string() };
        let topics = serde_json::from_slice(&found.cell.payload).map_err(damaged)?;
        Ok((Expect::Revision(Revision(found.cell.revision)), topics))
    }
}
