//! `GET /v1/workers`

use serde_json::{Value, json};

use crate::harness::{ECHO, Harness, base64, raw};

fn names(body: &Value) -> Vec<&str> {
    body["workers"].as_array().unwrap().iter().map(|worker| worker["name"].as_str().unwrap()).collect()
}

async fn filled() -> Harness {
    let wm = Harness::start().await;
    let content = base64(ECHO);
    for (name, topics, group, tags, start) in [
        ("a", json!(["x"]), json!("g"), json!({"team": "blue", "zone": "1"}), true),
        ("b", json!(["x", "y"]), json!(null), json!({"team": "red"}), false),
        ("c", json!(["y"]), json!("g"), json!({"team:sub": "blue:1"}), true),
        ("d", json!(["z"]), json!(null), json!({}), false),
    ] {
        let body = json!({"name": name, "topics": topics, "group": group, "tags": tags, "start": start,
            "codeSource": {"content": content}});
        wm.create(&body).await;
    }
    wm
}

#[tokio::test]
async fn each_filter_narrows_and_all_together_must_hold() {
    let wm = filled().await;
    let table: &[(&str, &[&str])] = &[
        ("", &["a", "b", "c", "d"]),
        ("status=Running", &["a", "c"]),
        ("status=stopped", &["b", "d"]),
        ("topic=x", &["a", "b"]),
        ("topic=y", &["b", "c"]),
        ("topic=none", &[]),
        ("group=g", &["a", "c"]),
        ("mimeType=text/x-python", &["a", "b", "c", "d"]),
        ("mimeType=text/x-csharp", &[]),
        ("name=d", &["d"]),
        ("name=D", &[]),
        ("tag=team:blue", &["a"]),
        ("tag=team", &["a", "b"]),
        ("tag=team:blue&tag=zone:1", &["a"]),
        ("tag=team:red&tag=zone:1", &[]),
        ("tag=team:sub:blue:1", &["c"]),
        ("tag=team%3Asub", &["c"]),
        ("status=Running&group=g&topic=y", &["c"]),
        ("limit=1000", &["a", "b", "c", "d"]),
    ];
    for (query, expected) in table {
        let body = wm.get(&format!("/v1/workers?{query}")).await.expect(200).json();
        assert_eq!(names(&body), *expected, "{query}");
        assert_eq!(body["nextCursor"], Value::Null);
    }
}

#[tokio::test]
async fn pages_follow_each_other_in_the_order_of_creation() {
    let wm = filled().await;
    let mut path = "/v1/workers?limit=1&topic=x".to_owned();
    let mut seen = Vec::new();
    loop {
        let body = wm.get(&path).await.expect(200).json();
        seen.extend(names(&body).into_iter().map(str::to_owned));
        let Some(cursor) = body["nextCursor"].as_str() else { break };
        path = format!("/v1/workers?limit=1&topic=x&cursor={cursor}");
    }
    assert_eq!(seen, ["a", "b"]);
    let all = wm.get("/v1/workers").await;
    assert!(all.text.starts_with("{\"workers\":[{\"id\":\""), "{}", all.text);
    assert!(all.text.ends_with("],\"nextCursor\":null}"), "{}", all.text);
    let one = wm.get("/v1/workers/a").await.json();
    assert_eq!(all.json()["workers"][0], one, "a list shows workers as they are");
}

#[tokio::test]
async fn a_page_ends_early_rather_than_carry_too_much_code() {
    let wm = Harness::start().await;
    for name in ["a", "b", "c"] {
        wm.worker(name).await;
    }
    let large = raw("PUT", "/v1/workers/b/code", "application/octet-stream", vec![b'#'; 17 << 20]);
    wm.send(large).await.expect(200);
    let first = wm.get("/v1/workers").await.expect(200).json();
    assert_eq!(names(&first), ["a", "b"]);
    let path = format!("/v1/workers?cursor={}", first["nextCursor"].as_str().unwrap());
    let second = wm.get(&path).await.expect(200).json();
    assert_eq!((names(&second), &second["nextCursor"]), (vec!["c"], &Value::Null));
}

#[tokio::test]
async fn parameters_that_cannot_be_read_are_named() {
    let wm = filled().await;
    for (query, pointer) in [
        ("status=Ready", "?status"),
        ("status=", "?status"),
        ("topic=a%20b", "?topic"),
        ("topic=", "?topic"),
        ("group=%2F", "?group"),
        ("mimeType=python", "?mimeType"),
        ("limit=0", "?limit"),
        ("limit=1001", "?limit"),
        ("limit=-1", "?limit"),
        ("limit=ten", "?limit"),
        ("limit=99999999999999999999", "?limit"),
        ("limit=1&limit=2", "?limit"),
        ("cursor=", "?cursor"),
        ("cursor=x", "?cursor"),
        ("cursor=..%2F..", "?cursor"),
        ("name=a&name=b", "?name"),
        ("colour=red", "?colour"),
        ("TAG=a", "?TAG"),
        ("page=2", "?page"),
    ] {
        let answer = wm.get(&format!("/v1/workers?{query}")).await;
        answer.refused(400, "invalid-request");
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    let answer = wm.get("/v1/workers?limit=0&status=x&y=1").await;
    assert_eq!(answer.pointers(), ["?status", "?limit", "?y"], "all at once");
}
