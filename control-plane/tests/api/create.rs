//! `POST /v1/workers`: what is refused, how, and that it changes nothing.

use axum::body::Body;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::{ECHO, Harness, base64, raw};

/// A body that is fine but for `members`.
fn with(members: &str) -> String {
    format!(r#"{{"codeSource":{{"content":"{}"}},{members}}}"#, base64(ECHO))
}

/// A body whose code source has these members.
fn source(members: &str) -> String {
    format!(r#"{{"codeSource":{{{members}}}}}"#)
}

fn long(length: usize) -> String {
    "a".repeat(length)
}

/// Bodies with fields that are missing, wrong or unknown, and the pointers to them.
fn invalid() -> Vec<(String, Vec<&'static str>)> {
    let simple: &[(&str, &[&str])] = &[
        // Types
        (r#""name":7"#, &["/name"]),
        (r#""name":{}"#, &["/name"]),
        (r#""mimeType":[]"#, &["/mimeType"]),
        (r#""topic":7"#, &["/topic"]),
        (r#""topics":"a""#, &["/topics"]),
        (r#""topics":{}"#, &["/topics"]),
        (r#""topics":[1,"a",null]"#, &["/topics/0", "/topics/2"]),
        (r#""filter":true"#, &["/filter"]),
        (r#""group":1.5"#, &["/group"]),
        (r#""replyTopic":[]"#, &["/replyTopic"]),
        (r#""config":[]"#, &["/config"]),
        (r#""config":{"a":1}"#, &["/config/a"]),
        (r#""tags":"a""#, &["/tags"]),
        (r#""tags":{"a":null}"#, &["/tags/a"]),
        (r#""engine":"x""#, &["/engine"]),
        (r#""engine":{"entry":1}"#, &["/engine/entry"]),
        (r#""engine":{"invariant":"yes"}"#, &["/engine/invariant"]),
        (r#""isolation":1"#, &["/isolation"]),
        (r#""limits":[]"#, &["/limits"]),
        (r#""limits":{"timeout":30}"#, &["/limits/timeout"]),
        (r#""limits":{"memory":256}"#, &["/limits/memory"]),
        (r#""limits":{"concurrency":"1"}"#, &["/limits/concurrency"]),
        (r#""limits":{"concurrency":1.5}"#, &["/limits/concurrency"]),
        (r#""start":"true""#, &["/start"]),
        (r#""start":1"#, &["/start"]),
        // Names
        (r#""name":"""#, &["/name"]),
        (r#""name":" a""#, &["/name"]),
        (r#""name":"a b""#, &["/name"]),
        (r#""name":"a/b""#, &["/name"]),
        (r#""name":"-a""#, &["/name"]),
        (r#""name":"\u00e9""#, &["/name"]),
        (r#""name":"0199a3b0-7c1e-7000-8000-000000000001""#, &["/name"]),
        (r#""group":"""#, &["/group"]),
        (r#""group":"a|b""#, &["/group"]),
        // Topics
        (r#""topic":"""#, &["/topic"]),
        (r#""topic":"a b""#, &["/topic"]),
        (r#""topic":"../etc""#, &["/topic"]),
        (r#""topic":"a\u0000b""#, &["/topic"]),
        (r#""topic":"a","topics":["b"]"#, &["/topic"]),
        (r#""topics":[]"#, &["/topics"]),
        (r#""topics":["a","a"]"#, &["/topics/1"]),
        (r#""topics":["a","b c",""]"#, &["/topics/1", "/topics/2"]),
        (r#""replyTopic":"a b""#, &["/replyTopic"]),
        (r#""filter":"""#, &["/filter"]),
        (r#""filter":"  ""#, &["/filter"]),
        // Kinds of code
        (r#""mimeType":"""#, &["/mimeType"]),
        (r#""mimeType":"python""#, &["/mimeType"]),
        (r#""mimeType":"text/html""#, &["/mimeType"]),
        (r#""mimeType":"text/x-python; charset=utf-8""#, &["/mimeType"]),
        // Limits
        (r#""limits":{"timeout":"30"}"#, &["/limits/timeout"]),
        (r#""limits":{"timeout":"-1s"}"#, &["/limits/timeout"]),
        (r#""limits":{"timeout":"16m"}"#, &["/limits/timeout"]),
        (r#""limits":{"timeout":"0s"}"#, &["/limits/timeout"]),
        (r#""limits":{"memory":"1MiB"}"#, &["/limits/memory"]),
        (r#""limits":{"memory":"99TiB"}"#, &["/limits/memory"]),
        (r#""limits":{"concurrency":0}"#, &["/limits/concurrency"]),
        (r#""limits":{"concurrency":-1}"#, &["/limits/concurrency"]),
        (r#""limits":{"concurrency":1001}"#, &["/limits/concurrency"]),
        (r#""limits":{"concurrency":18446744073709551616}"#, &["/limits/concurrency"]),
        (r#""limits":{"maxAttempts":0}"#, &["/limits/maxAttempts"]),
        (r#""limits":{"maxAttempts":101}"#, &["/limits/maxAttempts"]),
        (r#""limits":{"maxAge":"15days"}"#, &["/limits/maxAge"]),
        (r#""limits":{"logBytes":"2MiB"}"#, &["/limits/logBytes"]),
        (r#""limits":{"cpu":1}"#, &["/limits/cpu"]),
        (r#""isolation":"dedicated""#, &["/isolation"]),
        (r#""isolation":"none""#, &["/isolation"]),
        // Config and tags
        (r#""config":{"Upper":"x"}"#, &["/config/Upper"]),
        (r#""config":{"with_score":"x"}"#, &["/config/with_score"]),
        (r#""config":{"":"x"}"#, &["/config/"]),
        (r#""config":{"a23456789012345678901":"x"}"#, &["/config/a23456789012345678901"]),
        (r#""config":{"id":"x","source":"x","type":"x"}"#, &["/config/id", "/config/source", "/config/type"]),
        (r#""config":{"specversion":"x","data":"x"}"#, &["/config/data", "/config/specversion"]),
        (r#""config":{"workmanagerhops":"0"}"#, &["/config/workmanagerhops"]),
        (r#""config":{"a":""}"#, &["/config/a"]),
        (r#""config":{"a":"x\n"}"#, &["/config/a"]),
        (r#""config":{"a":"1","a":"2"}"#, &["/config/a"]),
        (r#""tags":{"":"x"}"#, &["/tags/"]),
        (r#""tags":{"a/b~c\n":"x"}"#, &["/tags/a~1b~0c\n"]),
        (r#""tags":{"a":"1","a":"2"}"#, &["/tags/a"]),
        (r#""engine":{"entry":""}"#, &["/engine/entry"]),
        (r#""engine":{"entry":"a b"}"#, &["/engine/entry"]),
        (r#""engine":{"version":"3"}"#, &["/engine/version"]),
        // Unknown and repeated fields
        (r#""colour":"red""#, &["/colour"]),
        (r#""id":"x","status":"Running""#, &["/id", "/status"]),
        (r#""a/b":1"#, &["/a~1b"]),
        (r#""name":"a","name":"b""#, &["/name"]),
        (r#""name":"a","Name":"b""#, &["/name"]),
        (r#""topic":"a","TOPIC":"b""#, &["/topic"]),
        (r#""CodeSource":{}"#, &["/codeSource"]),
    ];
    let mut cases: Vec<_> = simple.iter().map(|(members, at)| (with(members), at.to_vec())).collect();
    cases.extend([
        (with(&format!(r#""name":"{}""#, long(129))), vec!["/name"]),
        (with(&format!(r#""topic":"{}""#, long(256))), vec!["/topic"]),
        (with(&format!(r#""tags":{{"{}":"x"}}"#, long(129))), vec!["/tags/"]),
        (with(&format!(r#""tags":{{"a":"{}"}}"#, long(1025))), vec!["/tags/a"]),
        (with(&format!(r#""config":{{"a":"{}"}}"#, long(1025))), vec!["/config/a"]),
        (with(&format!(r#""tags":{}"#, many(51))), vec!["/tags"]),
        (with(&format!(r#""config":{}"#, many(51))), vec!["/config"]),
        (
            with(&format!(r#""topics":{}"#, json!((0..101).map(|i| format!("t{i}")).collect::<Vec<_>>()))),
            vec!["/topics"],
        ),
        // Bodies that are JSON, but no object
        ("[]".into(), vec!["", "/codeSource"]),
        ("7".into(), vec!["", "/codeSource"]),
        ("null".into(), vec!["", "/codeSource"]),
        // Code
        ("{}".into(), vec!["/codeSource"]),
        (r#"{"codeSource":null}"#.into(), vec!["/codeSource"]),
        (r#"{"codeSource":"ZGVm"}"#.into(), vec!["/codeSource"]),
        (r#"{"codeSource":[]}"#.into(), vec!["/codeSource"]),
        (r#"{"content":"ZGVm"}"#.into(), vec!["/content", "/codeSource"]),
        (source(""), vec!["/codeSource"]),
        (source(r#""content":null"#), vec!["/codeSource"]),
        (source(r#""content":"""#), vec!["/codeSource/content"]),
        (source(r#""content":" \n ""#), vec!["/codeSource/content"]),
        (source(r#""content":7"#), vec!["/codeSource/content"]),
        (source(r#""content":"ZGVm!""#), vec!["/codeSource/content"]),
        (source(r#""content":"Z""#), vec!["/codeSource/content"]),
        (source(r#""content":"ZG==Vm""#), vec!["/codeSource/content"]),
        (source(r#""content":"_-__""#), vec!["/codeSource/content"]),
        (source(r#""content":"data:;base64,ZGVm""#), vec!["/codeSource/content"]),
        (source(r#""content":"ZGVm","url":"https://example.com/a.py""#), vec!["/codeSource"]),
        (source(r#""url":"ftp://example.com/a.py""#), vec!["/codeSource/url"]),
        (source(r#""url":7"#), vec!["/codeSource/url"]),
        (source(r#""content":"ZGVm","sha256":"abc""#), vec!["/codeSource/sha256"]),
        (source(&format!(r#""content":"ZGVm","sha256":"{}""#, "0".repeat(64))), vec!["/codeSource/sha256"]),
        (source(r#""content":"ZGVm","Content":"ZGVm""#), vec!["/codeSource/content"]),
        (source(r#""content":"ZGVm","language":"python""#), vec!["/codeSource/language"]),
        // All at once
        (
            r#"{"name":"","topics":["a","a"],"x":1,"limits":{"timeout":7},"codeSource":{"content":"?"}}"#.into(),
            vec!["/limits/timeout", "/codeSource/content", "/x", "/name", "/topics/1"],
        ),
    ]);
    cases
}

fn many(count: usize) -> Value {
    (0..count).map(|i| (format!("k{i}"), Value::from("v"))).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn fields_that_are_missing_wrong_or_unknown_are_all_named_and_nothing_changes() {
    let wm = Harness::start().await;
    wm.worker("there").await;
    let before = wm.everything().await;
    for (body, pointers) in invalid() {
        let answer = wm.send(raw("POST", "/v1/workers", "application/json", body.clone())).await;
        answer.refused(400, "invalid-request");
        let found = answer.pointers();
        assert_eq!(found.len(), pointers.len(), "{body}: {found:?}");
        for (found, expected) in found.iter().zip(&pointers) {
            assert!(found == expected || expected.ends_with('/') && found.starts_with(expected), "{body}: {found:?}");
        }
    }
    assert_eq!(wm.everything().await, before);
    assert!(wm.target.candidates.lock().unwrap().len() == 1, "nothing of it reached a function");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_with_its_place() {
    let wm = Harness::start().await;
    let before = wm.everything().await;
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let table: Vec<(Bytes, &str, &str)> = vec![
        (Bytes::new(), "json-malformed", "line 1"),
        (" ".into(), "json-malformed", "line 1"),
        ("{".into(), "json-malformed", "line 1"),
        ("{]".into(), "json-malformed", "line 1 column 2"),
        ("{\n\"a\": }".into(), "json-malformed", "line 2 column 6"),
        ("{\"a\":1,}".into(), "json-malformed", "column 8"),
        ("{'a':1}".into(), "json-malformed", "column 2"),
        ("{a:1}".into(), "json-malformed", "column 2"),
        ("{} {}".into(), "json-malformed", "trailing"),
        ("nul".into(), "json-malformed", "line 1"),
        ("01".into(), "json-malformed", "line 1"),
        ("NaN".into(), "json-malformed", "line 1"),
        ("\"\\ud800\"".into(), "json-malformed", "line 1"),
        ("\"a\nb\"".into(), "json-malformed", "line"),
        ("{\"codeSource\":{\"content\":\"ZGVm".into(), "json-malformed", "line 1"),
        ("\u{feff}{}".into(), "json-malformed", "line 1 column 1"),
        (Bytes::from_static(b"{\"name\":\"\xff\"}"), "invalid-utf8", "UTF-8"),
        (Bytes::from_static(b"\xff\xfe{\x00}\x00"), "invalid-utf8", "UTF-8"),
        (nested(64).into(), "json-too-deep", "64"),
        (nested(10_000).into(), "json-too-deep", "64"),
        ("[".repeat(10_000).into(), "json-too-deep", "64"),
        ("{\"a\":".repeat(10_000).into(), "json-too-deep", "64"),
    ];
    for (body, code, words) in table {
        let shown: String = String::from_utf8_lossy(&body).chars().take(60).collect();
        let answer = wm.send(raw("POST", "/v1/workers", "application/json", body)).await;
        let detail = answer.refused(400, code);
        assert!(detail.contains(words), "{shown}: {detail} should say {words}");
    }
    let deepest = wm.send(raw("POST", "/v1/workers", "application/json", nested(63))).await;
    deepest.refused(400, "invalid-request");
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn only_json_is_taken() {
    let wm = Harness::start().await;
    let before = wm.everything().await;
    let body = with(r#""name":"a""#);
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/octet-stream",
        "application/jsonx",
        "json",
        "application/cloudevents+json",
    ] {
        let answer = wm.send(raw("POST", "/v1/workers", content_type, body.clone())).await;
        assert!(answer.refused(415, "unsupported-media-type").contains("application/json"), "{content_type}");
    }
    assert_eq!(wm.everything().await, before);
    let answer = wm.send(raw("POST", "/v1/workers", "Application/JSON; charset=utf-8", body)).await;
    assert_eq!(answer.expect(201).json()["name"], "a");
}

#[tokio::test]
async fn what_is_too_large_is_refused_without_a_change() {
    let wm = Harness::start().await;
    let before = wm.everything().await;
    let code = |size: usize| source(&format!(r#""content":"{}""#, base64(vec![b'#'; size])));
    let answer = wm.send(raw("POST", "/v1/workers", "application/json", code((50 << 20) + 1))).await;
    assert!(answer.refused(413, "code-too-large").contains("52428800"));

    let mut claimed = raw("POST", "/v1/workers", "application/json", Body::empty());
    claimed.headers_mut().insert("content-length", "73400321".parse().unwrap());
    wm.send(claimed).await.refused(413, "body-too-large");
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let endless = futures_util::stream::iter((0..71).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let answer = wm.send(raw("POST", "/v1/workers", "application/json", Body::from_stream(endless))).await;
    answer.refused(413, "body-too-large");
    assert_eq!(wm.everything().await, before);

    let answer = wm.send(raw("POST", "/v1/workers", "application/json", code(50 << 20))).await;
    assert_eq!(answer.status, 201, "exactly the limit is taken");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let wm = Harness::start().await;
    let broken = futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("reset"))]);
    let answer = wm.send(raw("POST", "/v1/workers", "application/json", Body::from_stream(broken))).await;
    answer.refused(400, "body-unreadable");
}

#[tokio::test]
async fn code_that_does_not_load_is_refused_with_the_engines_words() {
    let wm = Harness::start().await;
    let before = wm.everything().await;
    let body = json!({"name": "bad", "start": true, "codeSource": {"content": base64("syntax error")}});
    let answer = wm.call("POST", "/v1/workers", &body).await;
    assert_eq!(answer.refused(422, "load-failed"), "SyntaxError: invalid syntax (line 1)");
    let failure = &answer.json()["failure"];
    assert_eq!(failure["errorType"], "SyntaxError");
    assert!(failure["stack"].as_str().unwrap().contains("worker.py"));
    assert_eq!(wm.everything().await, before);

    let dll = json!({"mimeType": "text/x-dll", "codeSource": {"content": base64("MZ")}});
    wm.call("POST", "/v1/workers", &dll).await.refused(422, "engine-unavailable");
    let url = json!({"codeSource": {"url": "https://example.com/a.py"}});
    assert!(wm.call("POST", "/v1/workers", &url).await.refused(422, "code-url-disabled").contains("content"));
    assert_eq!(wm.everything().await, before);

    wm.worker("bad").await;
}

#[tokio::test]
async fn without_a_function_nothing_is_created_and_the_caller_is_told_to_come_again() {
    let wm = Harness::start().await;
    let before = wm.everything().await;
    wm.target.set_unreachable(true);
    let body = json!({"name": "a", "codeSource": {"content": base64(ECHO)}});
    let answer = wm.call("POST", "/v1/workers", &body).await;
    answer.refused(503, "validation-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(wm.everything().await, before);
    wm.target.set_unreachable(false);
    wm.call("POST", "/v1/workers", &body).await.expect(201);
}

#[tokio::test]
async fn the_wait_is_the_callers_within_reason() {
    let wm = Harness::start().await;
    let body = json!({"codeSource": {"content": base64(ECHO)}});
    wm.call("POST", "/v1/workers?wait=1m", &body).await.expect(201);
    wm.call("POST", "/v1/workers", &body).await.expect(201);
    let waits: Vec<_> =
        wm.target.candidates.lock().unwrap().iter().map(|candidate| candidate.timeout.as_secs()).collect();
    assert_eq!(waits, [60, 30]);
    for query in ["wait=soon", "wait=", "wait=-1s", "wait=6m", "wait=1s&wait=2s", "Wait=1s", "x=1"] {
        let answer = wm.call("POST", &format!("/v1/workers?{query}"), &body).await;
        answer.refused(400, "invalid-request");
        assert!(answer.pointers()[0].starts_with('?'), "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn a_name_belongs_to_one_worker() {
    let wm = Harness::start().await;
    wm.worker("taken").await;
    let before = wm.everything().await;
    let body = json!({"name": "taken", "codeSource": {"content": base64(ECHO)}});
    assert!(wm.call("POST", "/v1/workers", &body).await.refused(409, "name-taken").contains("taken"));
    assert_eq!(wm.everything().await, before);

    let made_up = wm.create(&json!({"codeSource": {"content": base64(ECHO)}})).await["name"].clone();
    let other = wm.create(&json!({"codeSource": {"content": base64(ECHO)}})).await["name"].clone();
    assert_ne!(made_up, other);
    assert_eq!(wm.get(&format!("/v1/workers/{}", made_up.as_str().unwrap())).await.status, 200);
}

#[tokio::test]
async fn the_fields_of_the_first_example_are_taken_in_any_case_and_base64_as_it_is_wrapped() {
    let wm = Harness::start().await;
    let content = base64(ECHO);
    let (head, tail) = content.trim_end_matches('=').split_at(10);
    let body = format!(r#"{{"CODESOURCE":{{"Content":" {head}\r\n{tail} "}},"NAME":"a","mimetype":null,"Topic":"t"}}"#);
    let worker = wm.send(raw("POST", "/v1/workers", "application/json", body)).await.expect(201).json();
    assert_eq!((&worker["name"], &worker["topic"]), (&json!("a"), &json!("t")));
    assert_eq!(worker["codeSource"]["content"], content);
    let digest = workmanager_core_domain::Digest::of(ECHO.as_bytes());
    for sha256 in [digest.to_string(), digest.hex(), digest.hex().to_uppercase()] {
        wm.create(&json!({"codeSource": {"content": content, "sha256": sha256}})).await;
    }
}

#[tokio::test]
async fn a_hundred_creates_at_once_of_one_name_make_one_worker() {
    let wm = Harness::start().await;
    let body = json!({"name": "one", "codeSource": {"content": base64(ECHO)}});
    let calls = (0..100).map(|_| wm.call("POST", "/v1/workers", &body));
    let answers = futures_util::future::join_all(calls).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "name-taken");
    }
    assert_eq!(wm.get("/v1/workers").await.json()["workers"].as_array().unwrap().len(), 1);
}
