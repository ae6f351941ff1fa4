//! What became of an event.

use std::{collections::BTreeMap, sync::Arc};

use tracing::warn;
use workmanager_core_delivery::quarantine::quarantine;
use workmanager_core_domain::{
    Event, EventRecord, Topic, WorkerId, document,
    event_record::{Track, TrackState},
    parked::Hold,
    ports::{Collection, Key},
    quarantine::Quarantined,
};
use workmanager_core_kit::chain;

use super::{App, Error};

/// Most records of one id that are looked at: as many sources may use it.
const MOST: usize = 100;

/// What is known of one event.
#[derive(Debug, Clone)]
pub enum Story {
    /// It has a record.
    Recorded {
        /// The record.
        record: Box<EventRecord>,
        /// What its parked parts wait for.
        holds: BTreeMap<WorkerId, Hold>,
        /// Whether it is being delivered now, so that the record is about to change.
        running: bool,
    },
    /// It is being delivered for the first time, and nothing of it is durable yet.
    Running {
        /// On which topic.
        topic: Topic,
        /// The event.
        event: Arc<Event>,
    },
    /// Its record cannot be read, and is kept aside.
    Unreadable {
        /// The quarantine's name for it.
        quarantine: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl App {
    /// Everything that is known of the events with this id, of `source` alone if it is given. The second
    /// value says whether there are more than one call tells of.
    ///
    /// # Errors
    /// `NoEvent`, or the store's.
    pub async fn explain(&self, id: &str, source: Option<&str>) -> Result<(Vec<Story>, bool), Error> {
        let mut running = self.parts.router.in_flight(id);
        running.retain(|(_, event)| source.is_none_or(|source| event.source() == source));
        let prefix = source.map_or_else(|| EventRecord::key_prefix(id), |source| EventRecord::key(source, id));
        let page = self.parts.records.page(Collection::Event, &prefix, None, MOST).await?;
        let mut stories = Vec::new();
        for found in page.records {
            match document::decode::<EventRecord>(&found.value) {
                Ok(record) if record.id == id => {
                    let before = running.len();
                    running.retain(|(_, event)| event.source() != record.source);
                    let running = running.len() < before;
                    let holds = self.holds(&record).await?;
                    stories.push(Story::Recorded { record: Box::new(record), holds, running });
                }
                // Half a digest of another id: as good as impossible, and not what was asked for.
                Ok(_) => {}
                Err(damage) => {
                    let key = Key::new(Collection::Event, found.id);
                    let reason = chain(&damage);
                    let now = self.parts.clock.now();
                    // On a full disk it is told all the same.
                    if let Err(error) = quarantine(&*self.parts.records, &key, found.value, reason.clone(), now).await {
                        warn!("`{key}` is not in the quarantine's list: {error}");
                    }
                    stories.push(Story::Unreadable { quarantine: Quarantined::id(&key), reason });
                }
            }
        }
        stories.extend(running.into_iter().map(|(topic, event)| Story::Running { topic, event }));
        if stories.is_empty() {
            return Err(Error::NoEvent { id: id.to_owned() });
        }
        Ok((stories, page.next.is_some()))
    }

    async fn holds(&self, record: &EventRecord) -> Result<BTreeMap<WorkerId, Hold>, Error> {
        let is_parked = |track: &Track| matches!(track.state, TrackState::Parked { .. });
        if !record.workers.values().any(is_parked) {
            return Ok(BTreeMap::new());
        }
        Ok(self.parts.router.holds(record).await?)
    }
}
