//! One worker's part of one delivery: where it is, and the only moves there are.

use std::{sync::Arc, time::Duration};

use workmanager_core_domain::{Event, Timestamp, dead_letter::Reason, parked::ParkReason};

use crate::policy::Tries;

/// Where a delivery is, for one worker.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// The event is for the worker; an attempt can begin.
    Matched {
        /// So far.
        tries: Tries,
    },
    /// An attempt is running.
    Attempting {
        /// Before it.
        tries: Tries,
        /// When it began.
        since: Timestamp,
    },
    /// The next attempt waits for its time.
    Waiting {
        /// So far.
        tries: Tries,
        /// When it is due.
        until: Timestamp,
    },
    /// Kept for later.
    Parked {
        /// So far.
        tries: Tries,
        /// Why.
        reason: ParkReason,
    },
    /// The worker has answered; whatever happens, it is not run again.
    ReplyPending {
        /// Its answer, not durable yet.
        reply: Arc<Event>,
    },
    /// Terminal: the worker is done with it.
    Done {
        /// Its answer.
        reply: Option<Arc<Event>>,
    },
    /// Terminal: it failed for good.
    DeadLettered {
        /// Why.
        reason: Reason,
    },
    /// Terminal: another outcome of the same event and worker was durable first.
    Overtaken,
    /// Terminal: the worker is gone.
    WorkerDeleted,
}

/// What can happen to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// An attempt begins.
    Begin,
    /// The attempt ended.
    Ended(Ended),
    /// The time of the next attempt has come.
    Due,
    /// It is kept for later.
    Park(ParkReason),
    /// What kept it is over.
    Resume,
    /// The answer is durable where it belongs.
    Published,
    /// No attempt may start any more.
    GiveUp(Reason),
    /// Another outcome is durable already.
    Overtake,
    /// The worker was deleted.
    Delete,
}

/// How an attempt ended, as far as the way on is concerned.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// Without an answer.
    NoReply,
    /// With an answer.
    Replied(Arc<Event>),
    /// In a failure that is tried again.
    Retry {
        /// How long from now.
        after: Duration,
        /// So far.
        tries: Tries,
    },
    /// In a failure for good.
    GiveUp(Reason),
}

/// A move that there is not: a mistake in our own code.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("a delivery that is {state} cannot {input}")]
pub struct IllegalStep {
    /// Where it was.
    pub state: &'static str,
    /// What should have happened.
    pub input: &'static str,
}

impl State {
    /// The state's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Matched { .. } => "matched",
            Self::Attempting { .. } => "attempting",
            Self::Waiting { .. } => "waiting",
            Self::Parked { .. } => "parked",
            Self::ReplyPending { .. } => "reply-pending",
            Self::Done { .. } => "done",
            Self::DeadLettered { .. } => "dead-lettered",
            Self::Overtaken => "overtaken",
            Self::WorkerDeleted => "worker-deleted",
        }
    }

    /// Whether nothing will happen any more.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Matched { .. }
            | Self::Attempting { .. }
            | Self::Waiting { .. }
            | Self::Parked { .. }
            | Self::ReplyPending { .. } => false,
            Self::Done { .. } | Self::DeadLettered { .. } | Self::Overtaken | Self::WorkerDeleted => true,
        }
    }

    /// The state after `input`.
    ///
    /// # Errors
    /// There is no such move; `Due` before its time is none either.
    pub fn step(self, input: Input, now: Timestamp) -> Result<Self, IllegalStep> {
        let illegal = IllegalStep { state: self.name(), input: input.name() };
        let next = match self {
            Self::Matched { tries } => from_matched(tries, input, now),
            Self::Attempting { .. } => from_attempting(input, now),
            Self::Waiting { tries, until } => from_waiting(tries, until, input, now),
            Self::Parked { tries, .. } => from_parked(tries, input),
            Self::ReplyPending { reply } => from_reply_pending(reply, input),
            Self::Done { .. } | Self::DeadLettered { .. } | Self::WorkerDeleted => from_ended(&input),
            Self::Overtaken => None,
        };
        next.ok_or(illegal)
    }
}

fn from_matched(tries: Tries, input: Input, now: Timestamp) -> Option<State> {
    match input {
        Input::Begin => Some(State::Attempting { tries, since: now }),
        Input::Park(reason) => Some(State::Parked { tries, reason }),
        Input::GiveUp(reason) => Some(State::DeadLettered { reason }),
        Input::Overtake => Some(State::Overtaken),
        Input::Delete => Some(State::WorkerDeleted),
        Input::Ended(_) | Input::Due | Input::Resume | Input::Published => None,
    }
}

fn from_attempting(input: Input, now: Timestamp) -> Option<State> {
    match input {
        Input::Ended(Ended::NoReply) => Some(State::Done { reply: None }),
        Input::Ended(Ended::Replied(reply)) => Some(State::ReplyPending { reply }),
        Input::Ended(Ended::Retry { after, tries }) => Some(State::Waiting { tries, until: now.plus(after) }),
        Input::Ended(Ended::GiveUp(reason)) => Some(State::DeadLettered { reason }),
        Input::Overtake => Some(State::Overtaken),
        // An attempt goes to its end, whatever becomes of its worker meanwhile.
        Input::Begin
        | Input::Due
        | Input::Park(_)
        | Input::Resume
        | Input::Published
        | Input::GiveUp(_)
        | Input::Delete => None,
    }
}

fn from_waiting(tries: Tries, until: Timestamp, input: Input, now: Timestamp) -> Option<State> {
    match input {
        Input::Due => (now >= until).then_some(State::Matched { tries }),
        Input::Park(reason) => Some(State::Parked { tries, reason }),
        Input::GiveUp(reason) => Some(State::DeadLettered { reason }),
        Input::Overtake => Some(State::Overtaken),
        Input::Delete => Some(State::WorkerDeleted),
        Input::Begin | Input::Ended(_) | Input::Resume | Input::Published => None,
    }
}

fn from_parked(tries: Tries, input: Input) -> Option<State> {
    match input {
        Input::Resume => Some(State::Matched { tries }),
        Input::Park(reason) => Some(State::Parked { tries, reason }),
        Input::GiveUp(reason) => Some(State::DeadLettered { reason }),
        Input::Overtake => Some(State::Overtaken),
        Input::Delete => Some(State::WorkerDeleted),
        Input::Begin | Input::Ended(_) | Input::Due | Input::Published => None,
    }
}

fn from_reply_pending(reply: Arc<Event>, input: Input) -> Option<State> {
    match input {
        Input::Published => Some(State::Done { reply: Some(reply) }),
        Input::Overtake => Some(State::Overtaken),
        // The worker has run: only the answer's way is left, with or without the worker.
        Input::Begin
        | Input::Ended(_)
        | Input::Due
        | Input::Park(_)
        | Input::Resume
        | Input::GiveUp(_)
        | Input::Delete => None,
    }
}

/// What ended here gives way only to an outcome that was durable first.
const fn from_ended(input: &Input) -> Option<State> {
    match input {
        Input::Overtake => Some(State::Overtaken),
        Input::Begin
        | Input::Ended(_)
        | Input::Due
        | Input::Park(_)
        | Input::Resume
        | Input::Published
        | Input::GiveUp(_)
        | Input::Delete => None,
    }
}

impl Input {
    /// What happens, as in "it cannot …".
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Begin => "begin an attempt",
            Self::Ended(_) => "end an attempt",
            Self::Due => "become due",
            Self::Park(_) => "be parked",
            Self::Resume => "be resumed",
            Self::Published => "become durable",
            Self::GiveUp(_) => "be given up",
            Self::Overtake => "be overtaken",
            Self::Delete => "lose its worker",
        }
    }
}

#[cfg(test)]
mod tests;
