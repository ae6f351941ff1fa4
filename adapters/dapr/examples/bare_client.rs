//! The floor under the way through Dapr: a stream of events in, an event out for each, and nothing else: no worker's
//! process, no record, no second look. Benchmarks run it beside a control plane, on the same sidecar.
//!
//! `bare_client PORT FROM TO` serves the sidecar's gRPC port: each event's data on the topic FROM goes to the topic TO.

use std::collections::HashMap;

use dapr::dapr::proto::runtime::v1::{
    PublishEventRequest, SubscribeTopicEventsRequestAlpha1 as Request,
    SubscribeTopicEventsRequestInitialAlpha1 as Initial, SubscribeTopicEventsRequestProcessedAlpha1 as Processed,
    TopicEventResponse, dapr_client::DaprClient,
    subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType,
    subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType,
    topic_event_response::TopicEventResponseStatus,
};
use futures_util::stream;
use tokio::sync::mpsc;
use workmanager_core_kit::Tasks;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The component's name.
const PUBSUB: &str = "pubsub";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, from, to] = &arguments[..] else { return Err("usage: bare_client PORT FROM TO".into()) };
    let client = DaprClient::connect(format!("http://127.0.0.1:{port}")).await?;
    let (tasks, (answers, requests)) = (Tasks::new(), mpsc::unbounded_channel());
    let initial = Initial {
        pubsub_name: PUBSUB.to_owned(),
        topic: from.clone(),
        metadata: HashMap::new(),
        dead_letter_topic: None,
    };
    answers.send(request(SubscribeTopicEventsRequestType::InitialRequest(initial)))?;
    let requests = stream::unfold(requests, |mut requests| async { Some((requests.recv().await?, requests)) });
    let mut events = client.clone().subscribe_topic_events_alpha1(requests).await?.into_inner();
    while let Some(message) = events.message().await? {
        let Some(SubscribeTopicEventsResponseType::EventMessage(event)) = message.subscribe_topic_events_response_type
        else {
            continue;
        };
        let (mut client, answers, topic) = (client.clone(), answers.clone(), to.clone());
        tasks.spawn_infallible(async move {
            let reply = PublishEventRequest {
                pubsub_name: PUBSUB.to_owned(),
                topic,
                data: event.data,
                data_content_type: event.data_content_type,
                metadata: HashMap::new(),
            };
            let status = match client.publish_event(reply).await {
                Ok(_) => TopicEventResponseStatus::Success,
                Err(_) => TopicEventResponseStatus::Retry,
            };
            let status = Some(TopicEventResponse { status: status as i32 });
            // The stream may have ended; then the event comes again.
            let _ = answers
                .send(request(SubscribeTopicEventsRequestType::EventProcessed(Processed { id: event.id, status })));
        });
    }
    Ok(())
}

const fn request(of: SubscribeTopicEventsRequestType) -> Request {
    Request { subscribe_topic_events_request_type: Some(of) }
}
