//! Which events are being delivered now, so that a second copy waits for the first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{Event, Topic};

/// A topic and the key of an event's record.
type Name = (Topic, Arc<str>);

/// The deliveries in flight. Bounded by their number.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    events: Mutex<HashMap<Name, Flight>>,
}

#[derive(Debug)]
struct Flight {
    event: Arc<Event>,
    /// Cancelled when the delivery ends.
    ended: CancellationToken,
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
    pub(super) fn enter(&self, topic: &Topic, key: &Arc<str>, event: &Arc<Event>) -> Entry<'_> {
        let name = (topic.clone(), key.clone());
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = events.get(&name) {
            return Entry::Second(flight.ended.clone());
        }
        events.insert(name.clone(), Flight { event: event.clone(), ended: CancellationToken::new() });
        Entry::First(Guard { flights: self, name })
    }

    /// The events with this id that are being delivered, with their topics.
    pub(super) fn with_id(&self, id: &str) -> Vec<(Topic, Arc<Event>)> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let found = events.iter().filter(|(_, flight)| flight.event.id() == id);
        found.map(|((topic, _), flight)| (topic.clone(), flight.event.clone())).collect()
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let flight = self.flights.events.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        if let Some(flight) = flight {
            flight.ended.cancel();
        }
    }
}
