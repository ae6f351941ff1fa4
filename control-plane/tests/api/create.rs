//! `POST /v1/workers`: what is refused, how, and that it changes nothing.

mod bad;

use axum::body::Body;
use bad::{source, with};
use bytes::Bytes;
use serde_json::json;

use crate::harness::{ECHO, Harness, base64, raw};

#[tokio::test]
async fn fields_that_are_missing_wrong_or_unknown_are_all_named_and_nothing_changes() {
    let wm = Harness::start().await;
    wm.worker("there").await;
    let before = wm.everything().await;
    for (body, pointers) in bad::bodies() {
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
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_as_one_that_never_ends() {
    let wm = Harness::start().await;
    let broken = futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("reset"))]);
    let answer = wm.send(raw("POST", "/v1/workers", "application/json", Body::from_stream(broken))).await;
    answer.refused(400, "body-unreadable");
    tokio::time::pause();
    let silent = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = wm.send(raw("POST", "/v1/workers", "application/json", silent)).await;
    assert!(answer.refused(400, "body-unreadable").contains("30s"));
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
    for query in ["wait=soon", "wait=", "wait=-1s", "wait=6m", "wait=999ms", "wait=1s&wait=2s", "Wait=1s", "x=1"] {
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
