//! `GET /v1/topics/{topic}/events`

use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower_service::Service as _;

use crate::harness::{Harness, binary, event, media_type, raw};

const PATH: &str = "/v1/topics/orders/events";

async fn publish(wm: &Harness, id: &str) {
    let body = event(id, &json!({"id": id})).to_string();
    wm.send(raw("POST", PATH, "application/cloudevents+json", body)).await.expect(202);
}

/// A followed topic, read piece by piece.
struct Followed(Body);

impl Followed {
    async fn open(wm: &Harness, query: &str) -> Self {
        let request = Request::get(format!("{PATH}?follow=true{query}")).body(Body::empty()).unwrap();
        let response = wm.rest.clone().call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut followed = Self(response.into_body());
        assert!(followed.piece().await.unwrap().starts_with(": log"), "the capability comes first");
        followed
    }

    async fn piece(&mut self) -> Option<String> {
        let frame = tokio::time::timeout(Duration::from_secs(60), self.0.frame()).await.unwrap();
        frame.map(|frame| String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
    }
}

#[tokio::test]
async fn what_is_kept_is_shown_with_its_positions_and_then_it_ends() {
    let wm = Harness::start().await;
    for id in ["a", "b", "c"] {
        publish(&wm, id).await;
    }
    let answer = wm.get(PATH).await.expect(200);
    assert_eq!(media_type(&answer), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut messages = answer.text.split_terminator("\n\n");
    assert_eq!(messages.next(), Some(": log: every event that is kept, and what comes"));
    let first = messages.next().unwrap();
    let (id, data) = first.split_once('\n').unwrap();
    let position: u64 = id.strip_prefix("id: ").unwrap().parse().unwrap();
    let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data, event("a", &json!({"id": "a"})));
    assert_eq!(messages.count(), 2);

    let since = |position: u64| format!("{PATH}?since={position}");
    assert_eq!(wm.get(&since(position)).await.text.matches("data: ").count(), 2);
    let mut again = raw("GET", &since(0), "", "");
    again.headers_mut().insert("last-event-id", position.to_string().parse().unwrap());
    assert_eq!(wm.send(again).await.text.matches("data: ").count(), 2, "what was seen last wins");
    assert_eq!(wm.get(&since(u64::MAX >> 1)).await.text.matches("data: ").count(), 0);
}

#[tokio::test]
async fn what_is_kept_ends_with_its_last_event_and_not_when_it_is_quiet() {
    let wm = Harness::start().await;
    for id in ["a", "b"] {
        publish(&wm, id).await;
    }
    // From here on time passes only while somebody waits for it.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_eq!(wm.get(PATH).await.text.matches("data: ").count(), 2);
    assert_eq!(wm.get("/v1/topics/empty/events").await.text.matches("data: ").count(), 0);
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited");
}

#[tokio::test]
async fn a_followed_topic_shows_what_comes_and_from_where_it_is_asked_to() {
    let wm = Harness::start().await;
    publish(&wm, "past").await;
    let mut from_now = Followed::open(&wm, "").await;
    let mut from_the_start = Followed::open(&wm, "&since=0").await;
    assert!(from_the_start.piece().await.unwrap().contains("\"id\":\"past\""));
    publish(&wm, "next").await;
    for followed in [&mut from_now, &mut from_the_start] {
        assert!(followed.piece().await.unwrap().contains("\"id\":\"next\""));
    }
}

#[tokio::test]
async fn a_followed_topic_ends_when_the_server_stops() {
    let wm = Harness::start().await;
    let mut followed = Followed::open(&wm, "").await;
    wm.app.parts().tasks.stop();
    assert_eq!(followed.piece().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_topic_says_that_it_lives() {
    let wm = Harness::start().await;
    let mut followed = Followed::open(&wm, "").await;
    assert_eq!(followed.piece().await.unwrap(), ":\n\n");
    assert_eq!(followed.piece().await.unwrap(), ":\n\n");
}

#[tokio::test]
async fn data_with_line_ends_stays_one_message() {
    let wm = Harness::start().await;
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("content-type", "application/json"),
    ];
    wm.send(binary(PATH, &headers, "{\r\n  \"a\": \"x\\ny\",\n  \"n\": 1.10\n}")).await.expect(202);
    let text = wm.get(PATH).await.text;
    assert!(text.contains(r#""data":{    "a": "x\ny",   "n": 1.10 }}"#), "{text}");
}

#[tokio::test]
async fn parameters_that_cannot_be_read_are_named() {
    let wm = Harness::start().await;
    for (query, pointer) in [
        ("since=x", "?since"),
        ("since=-1", "?since"),
        ("since=", "?since"),
        ("follow=maybe", "?follow"),
        ("follow=true&follow=true", "?follow"),
        ("from=0", "?from"),
    ] {
        let answer = wm.get(&format!("{PATH}?{query}")).await;
        answer.refused(400, "invalid-request");
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    let mut request = raw("GET", PATH, "", "");
    request.headers_mut().insert("last-event-id", "x".parse().unwrap());
    wm.send(request).await.refused(400, "invalid-request");
}
