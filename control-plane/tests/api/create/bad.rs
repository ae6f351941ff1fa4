//! Bodies for a new worker with fields that are missing, wrong or unknown, and the pointers to them.

use serde_json::{Value, json};

use crate::harness::{ECHO, base64};

/// A body that is fine but for `members`.
pub(super) fn with(members: &str) -> String {
    format!(r#"{{"codeSource":{{"content":"{}"}},{members}}}"#, base64(ECHO))
}

/// A body whose code source has these members.
pub(super) fn source(members: &str) -> String {
    format!(r#"{{"codeSource":{{{members}}}}}"#)
}

/// Members of a body that is fine but for them.
const MEMBERS: &[(&str, &[&str])] = &[
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
    (r#""filter":"event.type ==""#, &["/filter"]),
    (r#""filter":"evt.type == 'x'""#, &["/filter"]),
    (r#""filter":"1 +""#, &["/filter"]),
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

/// Members of a code source.
const SOURCES: &[(&str, &str)] = &[
    ("", "/codeSource"),
    (r#""content":null"#, "/codeSource"),
    (r#""content":"""#, "/codeSource/content"),
    (r#""content":" \n ""#, "/codeSource/content"),
    (r#""content":7"#, "/codeSource/content"),
    (r#""content":"ZGVm!""#, "/codeSource/content"),
    (r#""content":"Z""#, "/codeSource/content"),
    (r#""content":"ZG==Vm""#, "/codeSource/content"),
    (r#""content":"_-__""#, "/codeSource/content"),
    (r#""content":"data:;base64,ZGVm""#, "/codeSource/content"),
    (r#""content":"ZGVm","url":"https://example.com/a.py""#, "/codeSource"),
    (r#""url":"ftp://example.com/a.py""#, "/codeSource/url"),
    (r#""url":7"#, "/codeSource/url"),
    (r#""content":"ZGVm","sha256":"abc""#, "/codeSource/sha256"),
    (r#""content":"ZGVm","Content":"ZGVm""#, "/codeSource/content"),
    (r#""content":"ZGVm","language":"python""#, "/codeSource/language"),
];

/// Whole bodies.
const BODIES: &[(&str, &[&str])] = &[
    ("[]", &["", "/codeSource"]),
    ("7", &["", "/codeSource"]),
    ("null", &["", "/codeSource"]),
    ("{}", &["/codeSource"]),
    (r#"{"codeSource":null}"#, &["/codeSource"]),
    (r#"{"codeSource":"ZGVm"}"#, &["/codeSource"]),
    (r#"{"codeSource":[]}"#, &["/codeSource"]),
    (r#"{"content":"ZGVm"}"#, &["/content", "/codeSource"]),
    (
        r#"{"name":"","topics":["a","a"],"x":1,"limits":{"timeout":7},"codeSource":{"content":"?"}}"#,
        &["/limits/timeout", "/codeSource/content", "/x", "/name", "/topics/1"],
    ),
];

/// Members that are too long or too many.
fn sizes() -> [(String, &'static str); 9] {
    let long = |length: usize| "a".repeat(length);
    let topics: Vec<_> = (0..101).map(|i| format!("t{i}")).collect();
    [
        (with(&format!(r#""name":"{}""#, long(129))), "/name"),
        (with(&format!(r#""topic":"{}""#, long(256))), "/topic"),
        (with(&format!(r#""tags":{{"{}":"x"}}"#, long(129))), "/tags/"),
        (with(&format!(r#""tags":{{"a":"{}"}}"#, long(1025))), "/tags/a"),
        (with(&format!(r#""config":{{"a":"{}"}}"#, long(1025))), "/config/a"),
        (with(&format!(r#""tags":{}"#, many(51))), "/tags"),
        (with(&format!(r#""config":{}"#, many(51))), "/config"),
        (with(&format!(r#""topics":{}"#, json!(topics))), "/topics"),
        (source(&format!(r#""content":"ZGVm","sha256":"{}""#, "0".repeat(64))), "/codeSource/sha256"),
    ]
}

fn many(count: usize) -> Value {
    (0..count).map(|i| (format!("k{i}"), Value::from("v"))).collect::<serde_json::Map<_, _>>().into()
}

/// All of them.
pub(super) fn bodies() -> Vec<(String, Vec<&'static str>)> {
    let members = MEMBERS.iter().map(|(members, at)| (with(members), at.to_vec()));
    let sources = SOURCES.iter().map(|(members, at)| (source(members), vec![*at]));
    let bodies = BODIES.iter().map(|(body, at)| ((*body).to_owned(), at.to_vec()));
    members.chain(sources).chain(bodies).chain(sizes().map(|(body, at)| (body, vec![at]))).collect()
}
