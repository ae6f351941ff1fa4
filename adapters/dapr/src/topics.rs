//! Which topics this deployment has subscribed to and not given up: one record for all replicas.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use workmanager_core_domain::{
    Topic,
    ports::{Expect, Revision, StoreError},
};

use crate::{cell::Kind, dapr::Shared};

/// The record's key.
const KEY: &str = "topics";

/// The record.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Topics {
    kept: BTreeSet<Topic>,
    /// Those that were given up a moment ago, and when, in microseconds since 1970.
    given_up: BTreeMap<Topic, u64>,
}

/// How a topic stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is kept for us.
    Kept,
    /// It was given up a moment ago. Whoever did so may not have known that another replica takes it; that one
    /// keeps it again with its next comparison.
    JustGivenUp,
    /// It is not ours.
    GivenUp,
}

impl Shared {
    /// The topics that are kept for us.
    pub(crate) async fn kept(&self) -> Result<BTreeSet<Topic>, StoreError> {
        Ok(self.read_topics().await?.1.kept)
    }

    /// How a topic stands.
    pub(crate) async fn standing(&self, topic: &Topic) -> Result<Standing, StoreError> {
        let topics = self.read_topics().await?.1;
        Ok(if topics.kept.contains(topic) {
            Standing::Kept
        } else if topics.given_up.get(topic).is_some_and(|at| self.is_just(*at)) {
            Standing::JustGivenUp
        } else {
            Standing::GivenUp
        })
    }

    /// Keeps topics for us from now on.
    pub(crate) async fn keep(&self, more: &[Topic]) -> Result<(), StoreError> {
        self.change_topics(|topics| {
            let before = topics.kept.len();
            topics.kept.extend(more.iter().cloned());
            topics.kept.len() != before
        })
        .await
    }

    /// Gives a topic up.
    pub(crate) async fn give_up(&self, topic: &Topic) -> Result<(), StoreError> {
        self.change_topics(|topics| {
            topics.given_up.retain(|_, at| self.is_just(*at));
            topics.kept.remove(topic) && {
                topics.given_up.insert(topic.clone(), self.cells.now());
                true
            }
        })
        .await
    }

    /// Whether every replica that is open for a topic may not yet have compared since.
    fn is_just(&self, at: u64) -> bool {
        let grace = u64::try_from((2 * self.compare_every).as_micros()).unwrap_or(u64::MAX);
        self.cells.now() < at.saturating_add(grace)
    }

    async fn change_topics(&self, mut change: impl FnMut(&mut Topics) -> bool) -> Result<(), StoreError> {
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

    async fn read_topics(&self) -> Result<(Expect, Topics), StoreError> {
        let Some(found) = self.cells.read(KEY).await? else { return Ok((Expect::Absent, Topics::default())) };
        let damaged = |error: serde_json::Error| StoreError::Damaged { key: KEY.to_owned(), reason: error.to_string() };
        let topics = serde_json::from_slice(&found.cell.payload).map_err(damaged)?;
        Ok((Expect::Revision(Revision(found.cell.revision)), topics))
    }
}
