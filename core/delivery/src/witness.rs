//! Who sees what happens: the control plane's feed, or nobody.

use std::sync::Arc;

use workmanager_core_domain::{AttemptId, Event, Topic, Worker, dead_letter::Reason, outcome::Report};

/// Something that happened to a delivery. Everything is borrowed: to look away costs nothing.
#[derive(Debug)]
pub enum Sight<'a> {
    /// An event came in.
    Accepted {
        /// On this topic.
        topic: &'a Topic,
        /// The event.
        event: &'a Arc<Event>,
    },
    /// An attempt ended.
    Attempted {
        /// Of this worker, as it was defined when the attempt began.
        worker: &'a Worker,
        /// On this event.
        event: &'a Arc<Event>,
        /// The attempt's id.
        id: AttemptId,
        /// 1, 2, 3, …
        number: u32,
        /// How it went.
        report: &'a Report,
    },
    /// A reply is durable.
    Replied {
        /// Of this worker.
        worker: &'a Worker,
        /// Where it went; `None` if it is only kept in the event's record.
        topic: Option<&'a Topic>,
        /// The reply.
        reply: &'a Arc<Event>,
    },
    /// A delivery was given up, and that is durable.
    DeadLettered {
        /// Of this worker.
        worker: &'a Worker,
        /// The event.
        event: &'a Arc<Event>,
        /// Why.
        reason: Reason,
    },
}

/// Sees deliveries as they go. Called on the event path: it must not wait.
pub trait Witness: Send + Sync {
    /// Takes a look.
    fn saw(&self, sight: &Sight<'_>);
}

/// Nobody watches, as on AWS Lambda.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Witness for Nobody {
    fn saw(&self, _sight: &Sight<'_>) {}
}
