//! Topics: events in, events out.

use std::{pin::Pin, sync::Arc, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use super::{Expect, Key, Revision, StoreError};
use crate::{Checkup, ErrorKind, Event, Timestamp, Topic, subscription::Interest};

/// Names one delivery to the bus it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryToken(pub u64);

/// An event that waits for its outcome. Until it is settled, the bus delivers it again after a crash.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// For [`Settlement::ack`].
    pub token: DeliveryToken,
    /// The topic it came on.
    pub topic: Topic,
    /// The event.
    pub event: Arc<Event>,
    /// When the bus accepted it.
    pub accepted_at: Timestamp,
    /// Whether it may have been delivered before: then the event record must be read first.
    pub redelivered: bool,
}

/// A record to be written with an outcome.
#[derive(Debug, Clone)]
pub struct Put {
    /// Where.
    pub key: Key,
    /// What.
    pub value: Bytes,
    /// Under which condition.
    pub expect: Expect,
}

/// A record to be deleted with an outcome.
#[derive(Debug, Clone)]
pub struct Removal {
    /// Which.
    pub key: Key,
    /// Under which condition.
    pub expect: Expect,
}

/// The end of a delivery, or of one attempt of it. The adapter carries it out in this order: guards
/// looked at, replies published, records written, records deleted, delivery acknowledged. The embedded
/// adapter does all in one transaction; others stop at the first step that fails and say which it was.
/// What a record tells of is therefore put before that record.
#[derive(Debug, Clone, Default)]
pub struct Settlement {
    /// Records that must be as they were read; else nothing happens, as with a put's condition.
    pub guards: Vec<(Key, Revision)>,
    /// Events to publish first.
    pub replies: Vec<(Topic, Arc<Event>)>,
    /// Records to write then, one after another.
    pub puts: Vec<Put>,
    /// Records to delete then.
    pub removals: Vec<Removal>,
    /// The delivery to acknowledge at last; `None` while it stays open.
    pub ack: Option<DeliveryToken>,
    /// When the conditions of its puts were last seen to hold. Who goes step by step, and looks at them before it
    /// publishes, may leave that out shortly after.
    pub seen_at: Option<Instant>,
}

/// Which step of a settlement failed. The steps before it are durable, those after it did not happen;
/// whether the failed one did is not known unless its error says so.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// A reply was not published.
    #[error("the reply was not published")]
    Publish(#[source] BusError),
    /// A record was not written.
    #[error("the outcome was not recorded")]
    Record(#[source] StoreError),
    /// The delivery was not acknowledged: it will come again.
    #[error("the delivery was not acknowledged")]
    Ack(#[source] BusError),
}

/// Why the bus did not do it.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus is not there now; nothing was accepted.
    #[error("the bus is unavailable: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// No answer in time: the events may have been accepted.
    #[error("the bus did not answer in time")]
    Timeout,
    /// No space left; nothing was accepted.
    #[error("the bus is full")]
    Full,
    /// This bus cannot do that.
    #[error("this bus cannot {0}")]
    Unsupported(&'static str),
}

impl BusError {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } | Self::Full => ErrorKind::Unavailable,
            Self::Timeout => ErrorKind::Timeout,
            Self::Unsupported(_) => ErrorKind::Unsupported,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "bus-unavailable",
            Self::Timeout => "bus-timeout",
            Self::Full => "bus-full",
            Self::Unsupported(_) => "bus-unsupported",
        }
    }
}

/// What `GET /v1/topics/{topic}/events` can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailCapability {
    /// Every event of every topic, from the past too.
    Log,
    /// What this deployment took in or published, from now on, best effort.
    Live,
}

/// An event seen by a tail.
#[derive(Debug, Clone)]
pub struct Tailed {
    /// Its place in the log: give it as `since` to go on after it.
    pub position: u64,
    /// When the bus accepted it.
    pub accepted_at: Timestamp,
    /// The event.
    pub event: Arc<Event>,
}

/// Events of a topic as they come. Ends when the bus does.
pub type TailStream = Pin<Box<dyn Stream<Item = Result<Tailed, BusError>> + Send>>;

/// A topic's deliveries, shared by all streams of this deployment.
#[async_trait]
pub trait Subscription: Send {
    /// The next delivery; `None` once the bus is stopped. Cancel-safe: a delivery is never lost in a
    /// dropped future.
    async fn next(&mut self) -> Option<Result<Delivery, BusError>>;
}

/// Durable topics with one consumer group for this deployment.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Publishes all `events` or none; durable when it returns.
    ///
    /// # Errors
    /// The bus's.
    async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError>;

    /// Opens the deployment's subscription. From the first call on the bus keeps the topic's events
    /// for us, until [`Bus::forget`]; dropping the subscription keeps them.
    ///
    /// # Errors
    /// The bus's.
    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, BusError>;

    /// Gives the topic up: what nobody has taken yet is dropped.
    ///
    /// # Errors
    /// The bus's.
    async fn forget(&self, topic: &Topic) -> Result<(), BusError>;

    /// The topics whose events are kept for us, and why.
    ///
    /// # Errors
    /// The bus's.
    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError>;

    /// Carries a settlement out.
    ///
    /// # Errors
    /// Which step failed, and why.
    async fn settle(&self, settlement: Settlement) -> Result<(), SettleError>;

    /// Why no events of a subscribed `topic` come now, while the bus reaches out for them again; `None` if
    /// they come.
    fn trouble(&self, _topic: &Topic) -> Option<String> {
        None
    }

    /// What was found out about what the bus and the store beside it stand on.
    fn checkup(&self) -> Checkup {
        Checkup::None
    }

    /// Events on `topic` that wait for an outcome, delivered or not; `None` if the bus cannot say.
    ///
    /// # Errors
    /// The bus's.
    async fn backlog(&self, topic: &Topic) -> Result<Option<u64>, BusError>;

    /// What [`Bus::tail`] can show.
    fn tail_capability(&self) -> TailCapability;

    /// Follows a topic, without taking anything from it: after position `since`, or from now on.
    ///
    /// # Errors
    /// `Unsupported` for `since` on a bus whose tail is live only; otherwise the bus's.
    async fn tail(&self, topic: &Topic, since: Option<u64>) -> Result<TailStream, BusError>;

    /// Where the topic ends: the position of the last event that a tail of it can show now, 0 if there
    /// is none.
    ///
    /// # Errors
    /// `Unsupported` on a bus whose tail is live only; otherwise the bus's.
    async fn position(&self, _topic: &Topic) -> Result<u64, BusError> {
        Err(BusError::Unsupported("say where a topic ends"))
    }
}
