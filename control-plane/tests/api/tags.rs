//! `/v1/workers/{id}/tags` and `/v1/workers/{id}/tags/{key}`

use serde_json::{Value, json};

use crate::harness::{Harness, raw};

const TAGS: &str = "/v1/workers/w/tags";

async fn tags(wm: &Harness) -> Value {
    wm.get(TAGS).await.expect(200).json()
}

#[tokio::test]
async fn tags_are_replaced_patched_and_read_as_a_whole_or_one_by_one() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    assert_eq!(tags(&wm).await, json!({}));
    let put = wm.call("PUT", TAGS, &json!({"a": "1", "b/c": "2"})).await.expect(200);
    assert_eq!(put.text, r#"{"a":"1","b/c":"2"}"#);
    let worker = wm.get("/v1/workers/w").await;
    assert_eq!((put.header("etag"), &worker.json()["tags"]), (worker.header("etag"), &put.json()));
    let patched = wm.call("PATCH", TAGS, &json!({"a": null, "d": ""})).await.expect(200).json();
    assert_eq!(patched, json!({"b/c": "2", "d": ""}));

    assert_eq!(wm.get("/v1/workers/w/tags/b%2Fc").await.expect(200).text, r#"{"key":"b/c","value":"2"}"#);
    let set = wm.call("PUT", "/v1/workers/w/tags/new", &json!({"value": "x"})).await.expect(200);
    assert_eq!(set.text, r#"{"key":"new","value":"x"}"#);
    wm.call("DELETE", "/v1/workers/w/tags/d", &Value::Null).await.expect(204);
    wm.call("DELETE", "/v1/workers/w/tags/d", &Value::Null).await.refused(404, "tag-not-found");
    wm.get("/v1/workers/w/tags/d").await.refused(404, "tag-not-found");
    assert_eq!(tags(&wm).await, json!({"b/c": "2", "new": "x"}));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_changes() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.call("PUT", TAGS, &json!({"a": "1"})).await.expect(200);
    let before = wm.everything().await;
    let many = |count: usize| {
        Value::from((0..count).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>())
    };
    let long_key = "k".repeat(129);
    for method in ["PUT", "PATCH"] {
        let table: &[(Value, &str)] = &[
            (json!([]), ""),
            (json!("a"), ""),
            (json!({"a": 1}), "/a"),
            (json!({"a": {"b": "c"}}), "/a"),
            (json!({"": "x"}), "/"),
            (json!({long_key.clone(): "x"}), "/k"),
            (json!({"a": "x".repeat(1025)}), "/a"),
            (many(51), ""),
        ];
        for (body, pointer) in table {
            let answer = wm.call(method, TAGS, body).await;
            answer.refused(400, "invalid-request");
            assert!(answer.pointers()[0].starts_with(pointer), "{method} {body}: {:?}", answer.pointers());
        }
        wm.send(raw(method, TAGS, "text/plain", "{}")).await.refused(415, "unsupported-media-type");
        wm.send(raw(method, TAGS, "application/json", "{")).await.refused(400, "json-malformed");
        wm.send(raw(method, TAGS, "application/json", r#"{"a":"1","a":"2"}"#)).await.refused(400, "invalid-request");
    }
    let answer = wm.call("PUT", TAGS, &json!({"a": null})).await;
    answer.refused(400, "invalid-request");
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn one_tag_is_judged_alike() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.call("PUT", TAGS, &json!({"a": "1"})).await.expect(200);
    let before = wm.everything().await;
    let one = "/v1/workers/w/tags/a";
    for (body, pointer) in [
        (json!({}), "/value"),
        (json!({"value": null}), "/value"),
        (json!({"value": 1}), "/value"),
        (json!({"value": "x", "key": "a"}), "/key"),
        (json!("x"), ""),
        (json!({"value": "x".repeat(1025)}), "/a"),
    ] {
        let answer = wm.call("PUT", one, &body).await;
        answer.refused(400, "invalid-request");
        assert_eq!(answer.pointers()[0], pointer, "{body}");
    }
    let long_key = "k".repeat(129);
    wm.call("PUT", &format!("/v1/workers/w/tags/{long_key}"), &json!({"value": "x"}))
        .await
        .refused(400, "invalid-request");
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn elsewhere_with_a_query_or_on_an_old_revision_nothing_is_done() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.call("PUT", TAGS, &json!({"a": "1"})).await.expect(200);
    let before = wm.everything().await;
    let one = "/v1/workers/w/tags/a";
    for (method, path) in [("GET", one), ("DELETE", one), ("PUT", one), ("GET", TAGS), ("PUT", TAGS), ("PATCH", TAGS)] {
        let body = match (method, path == one) {
            ("PUT", true) => json!({"value": "x"}),
            ("PUT" | "PATCH", false) => json!({}),
            _ => Value::Null,
        };
        let elsewhere = path.replace("/w/", "/none/");
        wm.call(method, &elsewhere, &body).await.refused(404, "worker-not-found");
        let query = format!("{path}?x=1");
        wm.call(method, &query, &body).await.refused(400, "invalid-request");
        if method != "GET" {
            let mut stale = crate::harness::json_body(method, path, &body);
            stale.headers_mut().insert("if-match", "\"0\"".parse().unwrap());
            wm.send(stale).await.refused(412, "revision-conflict");
        }
    }
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn fifty_tags_fit_and_not_one_more() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    for i in 0..50 {
        let (path, value) = (format!("{TAGS}/{}{i}", "\u{e9}".repeat(100)), "\u{1F600}".repeat(1024));
        let path = path.replace('\u{e9}', "%C3%A9");
        wm.call("PUT", &path, &json!({"value": value})).await.expect(200);
    }
    wm.call("PUT", &format!("{TAGS}/more"), &json!({"value": ""})).await.refused(400, "invalid-request");
    assert_eq!(tags(&wm).await.as_object().unwrap().len(), 50);
}
