//! What must not happen.

use crate::history::{Death, Descriptors, Execution};

/// Something that must not happen, and did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It was accepted, or is in the store, and has no terminal state.
    #[error("event {event} is lost: {how}")]
    Lost {
        /// Which.
        event: u64,
        /// What is there instead.
        how: String,
    },
    /// It became a dead letter, though attempts were left.
    #[error("event {event} was given up for `{worker}`: {reason}")]
    GivenUp {
        /// Which.
        event: u64,
        /// For whom.
        worker: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Something in the store cannot be read, or waits for ever.
    #[error("in the store after the stop: {what}")]
    Stuck {
        /// What.
        what: String,
    },
    /// It is done with a reply that the worker does not give, or without one that it gives.
    #[error("event {event} is done for `{worker}` with the wrong kind of answer")]
    WrongReply {
        /// Which.
        event: u64,
        /// For whom.
        worker: &'static str,
    },
    /// It is done, and the sink knows nothing of it.
    #[error("event {event} is done for `{worker}` by attempt {attempt}, which never ran to its end")]
    NeverRan {
        /// Which.
        event: u64,
        /// For whom.
        worker: &'static str,
        /// The attempt's number.
        attempt: u32,
    },
    /// A second execution, and no fault explains it.
    #[error("event {} ran again without a reason: {first:?}, then {second:?}", first.event)]
    RunAgain {
        /// The first.
        first: Execution,
        /// The second.
        second: Execution,
    },
    /// An execution began after the outcome.
    #[error("event {} ran after its outcome was known: {late:?}", late.event)]
    RunAfterItsEnd {
        /// Which.
        late: Execution,
    },
    /// Two executions at the same time.
    #[error("event {event} ran twice at the same time for `{worker}`")]
    Overlap {
        /// Which.
        event: u64,
        /// For whom.
        worker: String,
    },
    /// A reply that the record names is not in the topic.
    #[error("event {event}: its reply {id} was never published")]
    ReplyMissing {
        /// Which.
        event: u64,
        /// The reply's id.
        id: String,
    },
    /// A reply is in the topic more than once, and no fault explains it.
    #[error("event {event}: its reply {id} was published again without a reason")]
    ReplyAgain {
        /// Which.
        event: u64,
        /// The reply's id.
        id: String,
    },
    /// A reply is in the topic and no record names it.
    #[error("event {event}: the reply {id} was published and is in no record")]
    ReplyOfNothing {
        /// Which.
        event: u64,
        /// The reply's id.
        id: String,
    },
    /// Somebody knows an event that nobody published.
    #[error("event `{id}` was never published and is known to {seen}")]
    NeverPublished {
        /// Which.
        id: String,
        /// To whom.
        seen: &'static str,
    },
    /// A control plane ended by itself.
    #[error("the control plane {} ended by itself: {}", death.pid, death.status)]
    Died {
        /// Which, and how.
        death: Death,
    },
    /// A function process ran events, and no control plane says that it started it.
    #[error("no control plane's log names the function process {function}")]
    NoHome {
        /// Which.
        function: u32,
    },
    /// There are more descriptors than before.
    #[error("{} has {} descriptors, {} before", found.process, found.after, found.before)]
    Descriptors {
        /// Whose.
        found: Descriptors,
    },
    /// Something is left after the stop.
    #[error("left after the stop: {what}")]
    Left {
        /// What.
        what: String,
    },
}
