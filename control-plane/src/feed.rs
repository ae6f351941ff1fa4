//! What happens, as it happens: for people who watch, such as `dev`. Nothing depends on it, and who
//! does not keep up misses some.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;
use workmanager_core_domain::{AttemptId, Event, Topic, WorkerName, dead_letter, outcome::LogLine};

/// How many happenings a slow watcher may be behind.
const BACKLOG: usize = 1024;

/// Something that a person may want to see.
#[derive(Debug, Clone)]
pub enum Happening {
    /// An event was accepted on a topic.
    Accepted {
        /// Where.
        topic: Topic,
        /// Which.
        event: Arc<Event>,
    },
    /// A worker was run on an event.
    Attempted {
        /// Who.
        worker: WorkerName,
        /// On what.
        event: Arc<Event>,
        /// The attempt's id.
        id: AttemptId,
        /// 1, 2, 3, …
        number: u32,
        /// The outcome's code.
        outcome: &'static str,
        /// The outcome's message; empty when all went well.
        message: String,
        /// The worker's own stack, if it raised.
        stack: Option<String>,
        /// How long it took.
        duration: Duration,
        /// What it wrote.
        logs: Vec<LogLine>,
    },
    /// A reply is durable.
    Replied {
        /// Whose.
        worker: WorkerName,
        /// Where it went, if anywhere.
        topic: Option<Topic>,
        /// The reply.
        event: Arc<Event>,
    },
    /// A delivery was given up.
    DeadLettered {
        /// Whose.
        worker: WorkerName,
        /// What.
        event: Arc<Event>,
        /// Why.
        reason: dead_letter::Reason,
    },
    /// A function process came up.
    FunctionStarted {
        /// Its process id.
        pid: u32,
    },
    /// A function process went away: idle, or lost.
    FunctionStopped {
        /// Its process id.
        pid: u32,
        /// Why.
        reason: String,
    },
}

/// The feed. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Feed {
    sender: broadcast::Sender<Happening>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG) }
    }
}

impl Feed {
    /// Whether anybody watches; if not, nothing needs to be put together.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Tells whoever watches.
    pub fn tell(&self, happening: Happening) {
        // Nobody watching is fine.
        let _ = self.sender.send(happening);
    }

    /// Watches from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Happening> {
        self.sender.subscribe()
    }
}
