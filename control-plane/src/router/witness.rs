//! Who is told what deliveries do: the feed, if somebody watches it, and the board.

use std::sync::Arc;

use workmanager_core_delivery::{Sight, Witness};
use workmanager_core_domain::{AttemptId, Event, Outcome, Worker, outcome::Report};

use super::Board;
use crate::{
    feed::{Feed, Happening},
    logs::Logs,
};

/// The feed and the board.
pub(super) struct Watchers {
    pub(super) feed: Feed,
    pub(super) board: Arc<Board>,
    pub(super) logs: Arc<Logs>,
}

impl Witness for Watchers {
    fn saw(&self, sight: &Sight<'_>) {
        if let Sight::Attempted { worker, event, id, report, .. } = sight {
            self.board.note(worker.id, report);
            self.logs.note(worker.id, *id, event, &report.logs);
        }
        if self.feed.is_watched() {
            self.feed.tell(happening(sight));
        }
    }
}

fn happening(sight: &Sight<'_>) -> Happening {
    match *sight {
        Sight::Accepted { topic, event } => Happening::Accepted { topic: topic.clone(), event: event.clone() },
        Sight::Attempted { worker, event, id, number, report } => attempted(worker, event, id, number, report),
        Sight::Replied { worker, topic, reply } => {
            Happening::Replied { worker: worker.name.clone(), topic: topic.cloned(), event: reply.clone() }
        }
        Sight::DeadLettered { worker, event, reason } => {
            Happening::DeadLettered { worker: worker.name.clone(), event: event.clone(), reason }
        }
    }
}

fn attempted(worker: &Worker, event: &Arc<Event>, id: AttemptId, number: u32, report: &Report) -> Happening {
    let stack = match &report.outcome {
        Outcome::Failed(failure) => failure.stack.clone(),
        Outcome::Replied(_)
        | Outcome::NoReply
        | Outcome::Overloaded { .. }
        | Outcome::EngineLost { .. }
        | Outcome::TimedOut { .. }
        | Outcome::Unknown { .. } => None,
    };
    Happening::Attempted {
        worker: worker.name.clone(),
        event: event.clone(),
        id,
        number,
        outcome: report.outcome.code(),
        message: report.outcome.message(),
        stack,
        duration: report.duration,
        logs: report.logs.clone(),
    }
}
