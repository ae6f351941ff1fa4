//! What is in memory of topics: queues of those we take events from, and followers' wake-up calls.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{Topic, subscription::Interest};

use crate::queue::{Queue, Waiting};

/// What a committed transaction means for those who wait in memory, in the order it happened.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Events of the topic are kept for us from now on.
    Subscribed {
        /// The topic.
        topic: Topic,
        /// The last position before.
        position: u64,
    },
    /// They are not any more.
    Forgotten(Topic),
    /// An event is in the log.
    Published {
        /// Where.
        topic: Topic,
        /// What.
        waiting: Waiting,
        /// Whether it waits for an outcome.
        pending: bool,
    },
    /// An event has its outcome.
    Acknowledged {
        /// The topic it was on.
        topic: Topic,
        /// Its position.
        position: u64,
    },
}

/// All topics. The writer thread changes it, after each commit and before it answers.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    queues: Mutex<HashMap<Topic, Arc<Queue>>>,
    followers: Mutex<HashMap<Topic, watch::Sender<u64>>>,
    committed: AtomicU64,
    stopped: CancellationToken,
}

impl Hub {
    /// A hub as it is found at start: `position` is the last of the log, `held` are the subscribed
    /// topics with their numbers of waiting events.
    pub(crate) fn new(position: u64, held: Vec<(Topic, u64)>) -> Self {
        let queue = |(topic, pending): (Topic, u64)| (topic.clone(), Arc::new(Queue::found(topic, position, pending)));
        Self {
            queues: Mutex::new(held.into_iter().map(queue).collect()),
            committed: AtomicU64::new(position),
            ..Self::default()
        }
    }

    /// The queue of a subscribed topic.
    pub(crate) fn queue(&self, topic: &Topic) -> Option<Arc<Queue>> {
        self.queues().get(topic).cloned()
    }

    /// The subscribed topics, in the order of their names.
    pub(crate) fn topics(&self) -> Vec<(Topic, Interest)> {
        let mut topics: Vec<_> = self.queues().iter().map(|(topic, queue)| (topic.clone(), queue.interest())).collect();
        topics.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        topics
    }

    /// The last position of the log that is durable.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Tells when the topic has more in the log.
    pub(crate) fn follow(&self, topic: &Topic) -> watch::Receiver<u64> {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|_, sender| sender.receiver_count() > 0);
        followers.entry(topic.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Cancelled once the store is closed.
    pub(crate) fn stopped(&self) -> &CancellationToken {
        &self.stopped
    }

    /// Ends every subscription and tail.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
    }

    /// Makes a commit known. `position` is the log's last.
    pub(crate) fn apply(&self, effects: Vec<Effect>, position: u64) {
        self.committed.store(position, Ordering::Release);
        for effect in effects {
            match effect {
                Effect::Subscribed { topic, position } => {
                    let queue = || Arc::new(Queue::fresh(topic.clone(), position));
                    self.queues().entry(topic.clone()).or_insert_with(queue);
                }
                Effect::Forgotten(topic) => {
                    if let Some(queue) = self.queues().remove(&topic) {
                        queue.end();
                    }
                }
                Effect::Published { topic, waiting, pending } => {
                    self.wake_followers(&topic, waiting.position);
                    if let Some(queue) = self.queue(&topic).filter(|_| pending) {
                        queue.offer(waiting);
                    }
                }
                Effect::Acknowledged { topic, position } => {
                    if let Some(queue) = self.queue(&topic) {
                        queue.acknowledge(position);
                    }
                }
            }
        }
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, HashMap<Topic, Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_followers(&self, topic: &Topic, position: u64) {
        let followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(follower) = followers.get(topic) {
            follower.send_replace(position);
        }
    }
}
