//! A private topic with a dead-letter topic of its own, and what comes of the events of one look.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use dapr::dapr::proto::runtime::v1::{
    SubscribeTopicEventsRequestAlpha1 as Request, SubscribeTopicEventsResponseAlpha1 as Response,
    subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Said,
};
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, timeout, timeout_at},
};
use tonic::Streaming;

use crate::{
    dapr::Shared,
    intake,
    sidecar::Message,
    status::Failure,
    stream::{Answer, answer, connect},
};

/// How long a stream may take to open, and to close.
const OPEN: Duration = Duration::from_secs(30);
const CLOSE: Duration = Duration::from_secs(5);

/// Where an event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// On the topic.
    Topic,
    /// On the dead-letter topic.
    Redo,
}

/// An event that came.
pub(super) struct Copy {
    /// Its id.
    pub(super) id: String,
    pub(super) way: Way,
    /// Its name on the stream.
    name: String,
}

/// The two topics.
pub(super) struct Probe<'a> {
    shared: &'a Shared,
    name: String,
    /// Tells this look's events from those that others left.
    run: String,
    topic: Line,
    redo: Line,
}

/// One stream.
struct Line {
    answers: UnboundedSender<Request>,
    events: Streaming<Response>,
}

impl Line {
    async fn open(shared: &Shared, topic: &str, redo: &str) -> Result<Self, Failure> {
        let opened = timeout(OPEN, connect(shared, topic, redo)).await;
        // The first message says that it is open.
        let (answers, events, _) = opened.map_err(|_| Failure::Elapsed)??;
        Ok(Self { answers, events })
    }

    /// The next event: its id and its name here.
    async fn next(&mut self) -> Result<(String, String), Failure> {
        loop {
            let ended = || Failure::Unknown("the sidecar has ended the stream".to_owned());
            let message = self.events.message().await?.ok_or_else(ended)?;
            if let Some(Said::EventMessage(event)) = message.subscribe_topic_events_response_type {
                let id = intake::read(&event.data).map(|read| read.event.id().to_owned()).unwrap_or_default();
                return Ok((id, event.id));
            }
        }
    }

    /// Ends it once our answers are on their way.
    async fn close(self) {
        let Self { answers, mut events } = self;
        drop(answers);
        let _ = timeout(CLOSE, async { while let Ok(Some(_)) = events.message().await {} }).await;
    }
}

impl<'a> Probe<'a> {
    pub(super) async fn open(shared: &'a Shared, app: &str) -> Result<Self, Failure> {
        let name = format!("wm-checkup-{app}");
        let dead = format!("{name}-redo");
        let redo = Line::open(shared, &dead, &dead).await?;
        let topic = Line::open(shared, &name, &dead).await?;
        Ok(Self { shared, name, run: run(), topic, redo })
    }

    /// Begins another look: what is left of the one before is done with.
    pub(super) fn begin(&mut self) {
        self.run = run();
    }

    /// Publishes an event of this look.
    pub(super) async fn publish(&self, number: usize) -> Result<(), Failure> {
        let run = &self.run;
        let event = serde_json::json!({ "specversion": "1.0", "id": format!("{run}-{number}"),
                                        "source": "/workmanager", "type": "workmanager.checkup" });
        let message = Message { body: event.to_string().into_bytes(), metadata: HashMap::new() };
        self.shared.sidecar.publish(&self.name, message).await
    }

    /// The next event of this look; `None` when time is up. What others left is done with.
    pub(super) async fn next(&mut self, until: Instant) -> Result<Option<Copy>, Failure> {
        loop {
            let next = async {
                tokio::select! {
                    came = self.topic.next() => came.map(|came| (Way::Topic, came)),
                    came = self.redo.next() => came.map(|came| (Way::Redo, came)),
                }
            };
            let Ok(came) = timeout_at(until, next).await else { return Ok(None) };
            let (way, (id, name)) = came?;
            let copy = Copy { id, way, name };
            if copy.id.starts_with(&self.run) {
                return Ok(Some(copy));
            }
            self.answer(&copy, Answer::Success);
        }
    }

    /// Whether it was published under one of these numbers.
    pub(super) fn is_one_of(&self, copy: &Copy, mut numbers: RangeInclusive<usize>) -> bool {
        numbers.any(|number| copy.id == format!("{}-{number}", self.run))
    }

    pub(super) fn answer(&self, copy: &Copy, with: Answer) {
        let line = match copy.way {
            Way::Topic => &self.topic,
            Way::Redo => &self.redo,
        };
        // A stream that has ended is said by the next read.
        let _ = line.answers.send(answer(&copy.name, with));
    }

    pub(super) async fn close(self) {
        tokio::join!(self.topic.close(), self.redo.close());
    }
}

fn run() -> String {
    format!("{:016x}", fastrand::u64(..))
}
