//! Workers whose records cannot be read: what else is known of them, so that nothing of theirs is lost
//! until they are repaired or given up.

use std::collections::BTreeMap;

use workmanager_core_delivery::Standing;
use workmanager_core_domain::{
    Digest, Limits, MimeType, Timestamp, Worker, WorkerId, document,
    ports::{Collection, Key, Record, Records, Revision},
    version::EngineSettings,
    worker::{Desired, Isolation, Ordering},
};

use crate::app::{Error, quarantine::copy_of};

/// What each of these is held as: its second copy, or what its own bytes still tell, or its id alone.
pub(super) async fn held(
    records: &dyn Records,
    damaged: &[Record],
    now: Timestamp,
) -> Result<Vec<(Worker, Revision, Standing)>, Error> {
    let mut held = Vec::with_capacity(damaged.len());
    for record in damaged {
        // What has no worker's id is no worker.
        let Ok(id) = record.id.parse::<WorkerId>() else { continue };
        let copy = records.get(&copy_of(&Key::new(Collection::Worker, record.id.clone()))).await?;
        let copy = copy.and_then(|copy| document::decode::<Worker>(&copy.value).ok());
        let told = copy.filter(|worker| worker.id == id);
        let told = told.or_else(|| document::salvage::<Worker>(&record.value).filter(|worker| worker.id == id));
        match told {
            Some(worker) => held.push((worker, record.revision, Standing::Held)),
            None => held.extend(stand_in(id, now).map(|worker| (worker, record.revision, Standing::Unknown))),
        }
    }
    Ok(held)
}

/// A worker of which the id alone is known. It names no topic, and gives nothing up before it must.
fn stand_in(id: WorkerId, now: Timestamp) -> Option<Worker> {
    Some(Worker {
        id,
        name: format!("quarantined-{id}").parse().ok()?,
        mime_type: MimeType::Python,
        topics: Vec::new(),
        filter: None,
        group: None,
        reply_topic: None,
        config: BTreeMap::new(),
        tags: BTreeMap::new(),
        engine: EngineSettings::default(),
        isolation: Isolation::default(),
        ordering: Ordering::default(),
        limits: Limits { max_age: Limits::MAX_AGE, ..Limits::default() },
        desired: Desired::Stopped,
        started_once: true,
        version: 0,
        latest_version: 0,
        digest: Digest::of(&[]),
        source: Digest::of(&[]),
        created_at: now,
        updated_at: now,
    })
}
