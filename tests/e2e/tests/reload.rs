//! New code under running events.

use serde_json::{Value, json};
use workmanager_tests_e2e::{Server, base64};

fn version(number: u32) -> String {
    // Says its number twice, from two places, with time between: mixed code would show.
    format!(
        "import time\nA = {number}\ndef Process(event):\n    time.sleep(0.02)\n    return {{'type': 'v', 'data': [A, {number}]}}\n"
    )
}

#[test]
fn a_reload_under_load_loses_nothing_and_mixes_nothing() {
    let server = Server::serve(&[]);
    let worker = server.worker("w", "in", &version(1));
    let replies = server.tail("replies", "");
    let path = format!("/v1/workers/{}/code", worker["id"].as_str().unwrap());
    let mut published = 0;
    for number in 2..=5 {
        for _ in 0..10 {
            server.publish("in", &published.to_string(), &json!(published));
            published += 1;
        }
        let body = json!({"content": base64(&version(number))});
        let loaded = server.call("PUT", &path, &body).expect(200).json();
        assert_eq!(loaded["version"], number);
    }
    server.publish("in", "last", &json!("last"));
    let mut last = 0;
    for _ in 0..=published {
        let data = replies.next()["data"].clone();
        assert_eq!(data[0], data[1], "one event saw two versions");
        last = data[0].as_u64().unwrap();
    }
    assert_eq!(last, 5, "what is published after a load runs on the new version");
}

#[test]
fn two_hundred_reloads_under_load_lose_nothing_and_a_hundred_bad_ones_change_nothing() {
    const RELOADS: u32 = 200;
    let quick = |number: u32| version(number).replace("0.02", "0.002");
    let server = Server::serve(&[]);
    server.worker("w", "in", &quick(1));
    let replies = server.tail("replies", "");
    let put = |source: &str| server.call("PUT", "/v1/workers/w/code", &json!({"content": base64(source)}));
    let (mut published, mut refused) = (0, 0);
    for number in 2..=RELOADS + 1 {
        for _ in 0..5 {
            server.publish("in", &published.to_string(), &json!(published));
            published += 1;
        }
        if number % 2 == 0 {
            let bad = put(&quick(number).replace("Process(event):", "Process(event"));
            refused += u32::from(bad.status == 422);
        }
        let _ = put(&quick(number)).expect(200);
    }
    server.publish("in", "last", &json!("last"));
    let seen: Vec<_> = (0..=published).map(|_| replies.next()["data"].clone()).collect();
    assert!(seen.iter().all(|data| data[0] == data[1]), "one event saw two versions");
    assert_eq!(seen.last().unwrap()[0], RELOADS + 1);
    assert_eq!(refused, RELOADS / 2);
}

#[test]
fn a_bad_version_is_refused_with_the_engines_words_and_the_old_one_serves() {
    let server = Server::serve(&[]);
    server.worker("w", "in", &version(1));
    for (bad, words) in [
        ("def Process(event)\n    pass\n", "SyntaxError"),
        ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"),
        ("x = 1\n", "Process"),
        ("def Process():\n    pass\n", "Process"),
    ] {
        let answer = server.call("PUT", "/v1/workers/w/code", &json!({"content": base64(bad)})).expect(422).json();
        assert_eq!(answer["code"], "load-failed");
        assert!(answer["detail"].as_str().unwrap().contains(words), "{answer} should say {words}");
    }
    let worker = server.call("GET", "/v1/workers/w", &Value::Null).expect(200).json();
    assert_eq!(worker["version"], 1);
    let replies = server.tail("replies", "");
    server.publish("in", "1", &json!(null));
    assert_eq!(replies.next()["data"], json!([1, 1]));
}
