//! One stream of events, held open until it is ended, whatever happens to the sidecar.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use dapr::dapr::proto::runtime::v1::{
    SubscribeTopicEventsRequestAlpha1 as Request, SubscribeTopicEventsRequestInitialAlpha1 as Initial,
    SubscribeTopicEventsRequestProcessedAlpha1 as Processed, SubscribeTopicEventsResponseAlpha1 as Response,
    TopicEventRequest, TopicEventResponse,
    subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked,
    subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Said,
    topic_event_response::TopicEventResponseStatus,
};
use futures_util::stream;
use tokio::sync::mpsc::{self, UnboundedSender};
use tonic::Streaming;
use workmanager_core_domain::Topic;

use crate::{
    dapr::Shared,
    hub::Connection,
    line::{Line, State},
    status::Failure,
};

/// How long the sidecar may take to open a stream: after a crash of this process it first ends the old ones,
/// one after another, and a busy one takes half a second.
const OPEN: Duration = Duration::from_secs(120);
/// How long a stream that is ended may take to pass our last answers on.
const CLOSE: Duration = Duration::from_secs(5);
/// Pauses between two tries to open, in milliseconds.
const PAUSES: [u64; 6] = [20, 50, 100, 250, 500, 1_000];

/// What the sidecar is told of an event. Never that it shall drop one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is done with.
    Success,
    /// It shall come again; by way of the redo topic, because Redis has no other.
    Retry,
}

/// Whose events a stream brings.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// One topic's.
    Topic(Topic),
    /// Those that came back, of all topics.
    Redo,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => write!(f, "topic `{topic}`"),
            Self::Redo => f.write_str("the redo topic"),
        }
    }
}

/// An answer as the stream takes it.
pub(crate) fn answer(name: &str, answer: Answer) -> Request {
    let status = match answer {
        Answer::Success => TopicEventResponseStatus::Success,
        Answer::Retry => TopicEventResponseStatus::Retry,
    };
    let status = Some(TopicEventResponse { status: status as i32 });
    let processed = Processed { id: name.to_owned(), status };
    Request { subscribe_topic_events_request_type: Some(Asked::EventProcessed(processed)) }
}

/// The private topic to which the sidecar sends what it gives up.
pub(crate) fn redo_topic(app: &str) -> String {
    format!("wm-redo-{app}")
}

/// Keeps a stream open until `line` is stopped.
pub(crate) async fn run(shared: Arc<Shared>, source: Source, line: Arc<Line>) {
    let mut failures = 0;
    while !line.stop.is_cancelled() {
        let failure = match once(&shared, &source, &line).await {
            Ok(()) => return,
            Err(failure) => failure,
        };
        let reason = failure.reason().to_owned();
        if let State::Open = line.moved(State::Failed(failure)) {
            failures = 0;
            tracing::warn!("the stream of {source} has ended and is opened again: {reason}");
        }
        let pause = PAUSES[failures.min(PAUSES.len() - 1)];
        failures += 1;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(pause + fastrand::u64(0..=pause))) => {}
            () = line.stop.cancelled() => {}
        }
    }
}

/// Opens the stream and takes its events in until it ends. `Ok` if that was our wish.
async fn once(shared: &Arc<Shared>, source: &Source, line: &Line) -> Result<(), Failure> {
    let redo = redo_topic(shared.app().await?);
    let topic = match source {
        Source::Topic(topic) => topic.as_str(),
        Source::Redo => &redo,
    };
    let (answers, mut events, mut first) = tokio::select! {
        opened = tokio::time::timeout(OPEN, connect(shared, topic, &redo)) => opened.map_err(|_| Failure::Elapsed)??,
        () = line.stop.cancelled() => return Ok(()),
    };
    let connection = Connection { number: shared.hub.number(), answers };
    let _lost = Lost { shared, connection: connection.number };
    loop {
        let message = match first.take() {
            Some(message) => Some(message),
            None => tokio::select! {
                message = events.message() => message?,
                () = line.again.notified() => {
                    return Err(Failure::Unknown("the sidecar does not list it as open".to_owned()));
                }
                () = line.stop.cancelled() => break,
            },
        };
        match message.and_then(|message| message.subscribe_topic_events_response_type) {
            Some(Said::InitialResponse(_)) => {
                line.moved(State::Open);
            }
            Some(Said::EventMessage(event)) => take_in(shared, source, event, &connection),
            None => return Err(Failure::Unknown("the sidecar has ended the stream".to_owned())),
        }
    }
    // Our last answers are on their way before this half ends; what comes meanwhile comes again elsewhere.
    drop(connection);
    drop(_lost);
    if !shared.tasks.stopping().is_cancelled() {
        let _ = tokio::time::timeout(CLOSE, async { while let Ok(Some(_)) = events.message().await {} }).await;
    }
    Ok(())
}

/// A stream that was asked for: where answers go, what comes, and its first message.
pub(crate) type Connected = (UnboundedSender<Request>, Streaming<Response>, Option<Response>);

/// Asks for a topic's events. What is given up goes to `dead_letter_topic`.
pub(crate) async fn connect(shared: &Shared, topic: &str, dead_letter_topic: &str) -> Result<Connected, Failure> {
    let initial = Initial {
        pubsub_name: shared.sidecar.pubsub().to_owned(),
        topic: topic.to_owned(),
        // The exact bytes, and a name of its own for each delivery.
        metadata: HashMap::from([("rawPayload".to_owned(), "true".to_owned())]),
        dead_letter_topic: Some(dead_letter_topic.to_owned()),
    };
    let (answers, requests) = mpsc::unbounded_channel();
    let initial = Request { subscribe_topic_events_request_type: Some(Asked::InitialRequest(initial)) };
    // Nothing can be wrong yet: the receiver is in the next line.
    let _ = answers.send(initial);
    let requests = stream::unfold(requests, |mut requests| async { Some((requests.recv().await?, requests)) });
    let mut events = shared.sidecar.client().subscribe_topic_events_alpha1(requests).await?.into_inner();
    let first = events.message().await?;
    Ok((answers, events, first))
}

fn take_in(shared: &Arc<Shared>, source: &Source, event: TopicEventRequest, connection: &Connection) {
    if let Some(work) = crate::intake::take_in(shared, source, event, connection) {
        shared.tasks.spawn_infallible(work);
    }
}

/// Whatever ends a connection, what it brought is not waited for any more.
struct Lost<'a> {
    shared: &'a Shared,
    connection: u64,
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        self.shared.hub.lost(self.connection);
    }
}
