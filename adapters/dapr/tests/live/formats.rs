//! What others publish and subscribe to, in the ways that the sidecar offers.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use dapr::dapr::proto::runtime::v1::{
    SubscribeTopicEventsRequestAlpha1 as Request, SubscribeTopicEventsRequestInitialAlpha1 as Initial,
    TopicEventRequest, dapr_client::DaprClient,
    subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Asked,
    subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Said,
};
use futures_util::{StreamExt as _, stream};
use workmanager_core_domain::{
    Event, document,
    event::{Data, DataKind},
    ports::{Bus as _, Collection, Records as _},
    quarantine::Quarantined,
};
use workmanager_tests_contracts::{
    Fixture as _,
    sample::{acknowledge, event, take, topic},
    within,
};

use crate::machine::{Live, Machine};

const STRUCTURED: &str = "application/cloudevents+json";

/// Publishes over the sidecar's HTTP API, as any program does.
pub(crate) fn publish(machine: &Machine, target: &str, content_type: &str, body: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", machine.http_port)).unwrap();
    let head = format!(
        "POST /v1.0/publish/pubsub/{target} HTTP/1.1\r\nhost: daprd\r\nconnection: close\r\n\
         content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_publishing_brings_the_data() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let (bus, orders) = (live.store(), topic("orders"));
        let mut subscription = bus.subscribe(&orders).await.unwrap();
        let table: [(&str, &str, DataKind, &str); 5] = [
            ("application/json", r#"{"a":1}"#, DataKind::Json, r#"{"a":1}"#),
            ("text/plain", "hello", DataKind::Text, "hello"),
            (
                STRUCTURED,
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":12345678901234567890}}"#,
                DataKind::Json,
                r#"{"n":12345678901234567890}"#,
            ),
            (
                STRUCTURED,
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json","data_base64":"e30="}"#,
                DataKind::Json,
                "{}",
            ),
            (
                STRUCTURED,
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AAE="}"#,
                DataKind::Binary,
                "\u{0}\u{1}",
            ),
        ];
        for (content_type, body, kind, data) in table {
            publish(&live.machine, "orders", content_type, body.as_bytes());
            let delivery = take(&mut subscription).await;
            let came = delivery.event.data();
            assert_eq!((came.kind, &*came.bytes), (kind, data.as_bytes()), "{content_type}: {body}");
            for name in ["topic", "pubsubname", "traceid", "traceparent"] {
                assert!(delivery.event.attribute(name).is_none(), "the sidecar's `{name}` is taken off");
            }
            acknowledge(&*bus, delivery.token).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_past_its_expiration_is_not_delivered() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let (bus, orders) = (live.store(), topic("orders"));
        let with = |id: &str, end: &str| {
            format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","expiration":"{end}"}}"#)
        };
        let with_none = |id: &str| format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t"}}"#);
        publish(&live.machine, "orders", STRUCTURED, with("late", "2020-01-01T00:00:00Z").as_bytes());
        publish(
            &live.machine,
            "orders?metadata.ttlInSeconds=600",
            STRUCTURED,
            with("early", "2999-01-01T00:00:00Z").as_bytes(),
        );
        // Its end is not in it: the sidecar works it out.
        publish(&live.machine, "orders?metadata.ttlInSeconds=1", STRUCTURED, with_none("short").as_bytes());
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        let mut subscription = bus.subscribe(&orders).await.unwrap();
        for expected in ["early", "marker"] {
            let delivery = take(&mut subscription).await;
            assert_eq!(delivery.event.id(), expected);
            acknowledge(&*bus, delivery.token).await.unwrap();
            bus.publish(&orders, &[event("marker")]).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_no_event_is_kept_in_quarantine_and_holds_up_nothing() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let (bus, orders) = (live.store(), topic("orders"));
        let mut subscription = bus.subscribe(&orders).await.unwrap();
        for _ in 0..2 {
            publish(&live.machine, "orders?metadata.rawPayload=true", "application/octet-stream", b"no event");
        }
        bus.publish(&orders, &[event("good")]).await.unwrap();
        assert_eq!(take(&mut subscription).await.event.id(), "good");
        let kept = loop {
            let page = bus.page(Collection::Quarantine, "event.", None, 10).await.unwrap();
            if !page.records.is_empty() {
                break page.records;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(kept.len(), 1, "the same bytes are kept once");
        let entry: Quarantined = document::decode(&kept[0].value).unwrap();
        assert_eq!((&*entry.bytes, entry.collection), (&b"no event"[..], Collection::Event));
    })
    .await;
}

/// What a subscriber gets that lets the sidecar read the event, as the SDKs do.
async fn read_by_the_sidecar(machine: &Machine, topic: &str) -> impl Future<Output = TopicEventRequest> {
    let mut client = DaprClient::connect(format!("http://127.0.0.1:{}", machine.grpc_port)).await.unwrap();
    let initial = Initial {
        pubsub_name: "pubsub".to_owned(),
        topic: topic.to_owned(),
        metadata: HashMap::new(),
        dead_letter_topic: None,
    };
    let initial = Request { subscribe_topic_events_request_type: Some(Asked::InitialRequest(initial)) };
    let requests = stream::iter([initial]).chain(stream::pending());
    let mut events = client.subscribe_topic_events_alpha1(requests).await.unwrap().into_inner();
    async move {
        loop {
            let message = events.message().await.unwrap().expect("the stream goes on");
            if let Some(Said::EventMessage(event)) = message.subscribe_topic_events_response_type {
                return event;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_subscribers_get_our_data_and_its_trace() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let Some(live) = Live::redis().await else { return };
    within(async {
        for (kind, data, expected) in [
            (DataKind::Json, "{\"a\": 1}", "{\"a\":1}"),
            (DataKind::Text, "hello", "hello"),
            (DataKind::Binary, "\u{0}\u{1}", "\u{0}\u{1}"),
        ] {
            let replies = topic(&format!("replies-{kind:?}").to_lowercase());
            let next = read_by_the_sidecar(&live.machine, replies.as_str()).await;
            let builder = Event::builder().with("id", "7").with("source", "/w").with("type", "t");
            let data = Data { kind, bytes: bytes::Bytes::from_static(data.as_bytes()) };
            let reply = Arc::new(builder.with("traceparent", TRACE).data(data).build().unwrap());
            live.store().publish(&replies, &[reply]).await.unwrap();
            let came = next.await;
            assert_eq!((came.id.as_str(), came.source.as_str()), ("7", "/w"), "{kind:?}");
            assert_eq!(came.data, expected.as_bytes(), "{kind:?}");
            let parent = came.extensions.unwrap().fields["traceparent"].kind.clone();
            assert!(format!("{parent:?}").contains(TRACE), "{kind:?}: {parent:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_goes_to_its_topic_whether_somebody_takes_it_or_not() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let (bus, orders, given_up) = (live.store(), topic("orders"), topic("given-up"));
        let _other = bus.subscribe(&topic("other")).await.unwrap();
        drop(bus.subscribe(&orders).await.unwrap());
        bus.forget(&given_up).await.unwrap();
        // As the sidecar sends round what it gives up: the bytes that the topic had.
        let back = |id: &str, topic: &workmanager_core_domain::Topic| {
            let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","topic":"{topic}"}}"#);
            publish(&live.machine, "wm-redo-wm?metadata.rawPayload=true", "application/json", body.as_bytes());
        };
        back("dropped", &given_up);
        back("held", &orders);
        while live.machine.redis("XLEN orders") != ":1" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let mut subscription = bus.subscribe(&orders).await.unwrap();
        assert_eq!(take(&mut subscription).await.event.id(), "held");
        back("taken", &orders);
        assert_eq!(take(&mut subscription).await.event.id(), "taken");
        assert_eq!(live.machine.redis("XLEN orders"), ":1", "it came by the way back alone");
        assert_eq!(live.machine.redis("XLEN given-up"), ":0");
    })
    .await;
}
