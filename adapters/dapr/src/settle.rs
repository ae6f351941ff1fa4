//! The end of a delivery, step by step.

use std::time::Duration;

use futures_util::future::join_all;
use workmanager_core_domain::ports::{Expect, Key, Records as _, SettleError, Settlement, StoreError};

use crate::{Dapr, outgoing};

/// For how long what was seen counts as it was: most attempts are faster, and a copy of their event that another
/// replica has is as fast.
const JUST: Duration = Duration::from_millis(250);

/// Carries a settlement out up to the first step that fails.
pub(crate) async fn settle(dapr: &Dapr, settlement: Settlement) -> Result<(), SettleError> {
    let Settlement { guards, replies, puts, removals, ack, seen_at } = settlement;
    let mut conditions: Vec<_> = guards.iter().map(|(key, revision)| (key, Expect::Revision(*revision))).collect();
    // An outcome that stands there already must not be replied to twice, so what the writes expect is looked at
    // before anything is published, unless that was just done. Only the writes themselves are sure.
    let is_just_seen = seen_at.is_some_and(|at| at.elapsed() < JUST);
    if !replies.is_empty() && !is_just_seen {
        conditions.extend(puts.iter().map(|put| (&put.key, put.expect)));
        conditions.extend(removals.iter().map(|removal| (&removal.key, removal.expect)));
    }
    // All at once; the first that does not hold is named.
    let looks = conditions.into_iter().map(|(key, expect)| look(dapr, key, expect));
    join_all(looks).await.into_iter().collect::<Result<(), _>>()?;
    for (topic, event) in replies {
        outgoing::publish(dapr.shared(), &topic, &[event]).await.map_err(SettleError::Publish)?;
    }
    for put in puts {
        dapr.put(&put.key, put.value, put.expect).await.map_err(SettleError::Record)?;
    }
    for removal in removals {
        dapr.delete(&removal.key, removal.expect).await.map_err(SettleError::Record)?;
    }
    if let Some(token) = ack {
        dapr.shared().hub.acknowledge(token);
    }
    Ok(())
}

async fn look(dapr: &Dapr, key: &Key, expect: Expect) -> Result<(), SettleError> {
    if dapr.is_as(key, expect).await.map_err(SettleError::Record)? {
        Ok(())
    } else {
        Err(SettleError::Record(StoreError::Conflict { key: key.to_string() }))
    }
}
