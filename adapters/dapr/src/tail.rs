//! Following a topic: what this process publishes and takes in, from now on.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::stream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{
    Event, Timestamp, Topic,
    ports::{TailStream, Tailed},
};

/// How many events a follower may be behind before it misses some.
const BEHIND: usize = 1_024;
/// Of how many events is known that they were shown, so that one that is published and taken in here is shown once.
const KNOWN: usize = 1_024;

/// The followers of all topics.
#[derive(Debug, Default)]
pub(crate) struct Tails(Mutex<HashMap<Topic, Shown>>);

#[derive(Debug)]
struct Shown {
    followers: broadcast::Sender<Tailed>,
    position: u64,
    known: VecDeque<(Box<str>, Box<str>)>,
}

impl Tails {
    /// Shows an event to those who follow its topic, if they have not seen it.
    pub(crate) fn show(&self, topic: &Topic, event: &Arc<Event>, accepted_at: Timestamp) {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shown) = topics.get_mut(topic) else { return };
        if shown.followers.receiver_count() == 0 {
            topics.remove(topic);
            return;
        }
        let is_known = |(source, id): &(Box<str>, Box<str>)| **id == *event.id() && **source == *event.source();
        if shown.known.iter().any(is_known) {
            return;
        }
        if shown.known.len() == KNOWN {
            shown.known.pop_front();
        }
        shown.known.push_back((event.source().into(), event.id().into()));
        shown.position += 1;
        // Without a follower there is nobody to tell.
        let _ = shown.followers.send(Tailed { position: shown.position, accepted_at, event: event.clone() });
    }

    /// Everything of `topic` that is shown from now on.
    pub(crate) fn follow(&self, topic: &Topic, stopping: CancellationToken) -> TailStream {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Shown { followers: broadcast::Sender::new(BEHIND), position: 0, known: VecDeque::new() };
        let events = topics.entry(topic.clone()).or_insert_with(fresh).followers.subscribe();
        Box::pin(stream::unfold((events, stopping), |(mut events, stopping)| async {
            loop {
                let next = tokio::select! {
                    next = events.recv() => next,
                    () = stopping.cancelled() => return None,
                };
                match next {
                    Ok(tailed) => return Some((Ok(tailed), (events, stopping))),
                    // It was too slow; a live tail does its best and no more.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }
}
