//! Which events are being delivered now, so that a second copy waits for the first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;
use workmanager_core_domain::Topic;

/// A topic and the key of an event's record.
type Name = (Topic, Arc<str>);

/// The deliveries in flight. Bounded by their number.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    // Cancelled when the delivery ends.
    events: Mutex<HashMap<Name, CancellationToken>>,
}

/// What a delivery finds.
pub(super) enum Entry<'a> {
    /// It is the first.
    First(Guard<'a>),
    /// Another copy is in flight until this is cancelled.
    Second(CancellationToken),
}

/// Keeps other copies waiting until it is dropped.
pub(super) struct Guard<'a> {
    flights: &'a InFlight,
    name: Name,
}

impl InFlight {
    pub(super) fn enter(&self, topic: &Topic, key: &Arc<str>) -> Entry<'_> {
        let name = (topic.clone(), key.clone());
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = events.get(&name) {
            return Entry::Second(ended.clone());
        }
        events.insert(name.clone(), CancellationToken::new());
        Entry::First(Guard { flights: self, name })
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let ended = self.flights.events.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        if let Some(ended) = ended {
            ended.cancel();
        }
    }
}
