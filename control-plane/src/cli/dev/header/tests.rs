//! Headers as people write them.

use super::*;

fn filter(line: &str) -> Option<String> {
    Header::read(line).unwrap_or_else(|error| panic!("{line}: {error}")).filter
}

#[test]
fn a_header_says_what_the_worker_needs() {
    let source = "#!/usr/bin/env python3\n\n# Takes orders.\n\
        # workmanager: topic=orders, returns filter=event.type == \"a\" && event.data.n >= 2 reply-topic=replies\n\
        #workmanager: group=g timeout=60s memory=64MiB concurrency=2 max-attempts=3\n\
        def Process(event): ...\n";
    let header = Header::read(source).unwrap();
    let fields = header.fields(&"unused".parse().unwrap());
    let expected = json!({
        "topics": ["orders", "returns"], "filter": "event.type == \"a\" && event.data.n >= 2",
        "replyTopic": "replies", "group": "g",
        "limits": { "timeout": "1m", "memory": "64MiB", "concurrency": 2, "maxAttempts": 3 },
    });
    assert_eq!(Value::Object(fields), expected);
}

#[test]
fn a_file_without_a_header_has_the_defaults_and_its_own_name_as_topic() {
    let header = Header::read("\u{feff}// Takes orders.\nusing System;\n").unwrap();
    let fields = Value::Object(header.fields(&"orders".parse().unwrap()));
    assert_eq!(fields["topics"], json!(["orders"]));
    assert_eq!((&fields["filter"], &fields["replyTopic"]), (&Value::Null, &Value::Null));
    assert_eq!(fields["limits"]["timeout"], "30s");
}

#[test]
fn a_filter_needs_no_quotes_and_may_have_them() {
    let table = [
        ("# workmanager: filter=event.type == 'a' topic=t", "event.type == 'a'"),
        ("# workmanager: filter=\"event.type == 'a'\" topic=t", "event.type == 'a'"),
        (r#"# workmanager: filter="event.type == \"a\"""#, r#"event.type == "a""#),
        (
            r#"# workmanager: filter="a" == event.type || event.type == "b""#,
            r#""a" == event.type || event.type == "b""#,
        ),
        (r#"# workmanager: filter=event.data.text == "x topic=y" topic=t"#, r#"event.data.text == "x topic=y""#),
        (r#"# workmanager: filter=a==1 && b != 2 && c<=3"#, "a==1 && b != 2 && c<=3"),
        ("// workmanager: filter=true", "true"),
        ("\u{feff}# workmanager: filter=true", "true"),
    ];
    for (line, expected) in table {
        assert_eq!(filter(line).as_deref(), Some(expected), "{line}");
    }
}

#[test]
fn code_ends_the_header() {
    assert_eq!(filter("import os\n# workmanager: filter=true\n"), None);
    assert_eq!(filter(&format!("{}# workmanager: filter=true\n", "#\n".repeat(FIRST_LINES))), None);
    assert_eq!(filter("# workmanager filter=true\n"), None, "without the colon it is a comment like any other");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let table = [
        ("# workmanager: topci=orders", "line 1: `topci` is not a setting; there are topic, filter"),
        ("#\n# workmanager: topic=a/b", "line 2: `topic` must match"),
        ("# workmanager: topic=a topic=b", "line 1: `topic` is there twice"),
        ("# workmanager: topic=a\n# workmanager: topic=b", "line 2: `topic` is there twice"),
        ("# workmanager: topic=", "line 1: `topic` must not be empty"),
        ("# workmanager: orders", "line 1: `orders` is not of the form key=value"),
        ("# workmanager: orders topic=a", "line 1: `orders` is not of the form key=value"),
        ("# workmanager: timeout=30", "line 1: `timeout` `30` is not a duration"),
        ("# workmanager: concurrency=0", "line 1: `concurrency`"),
        ("#\n# workmanager: timeout=1h", "line 2: `timeout` must be from 1ms to 15m"),
    ];
    for (source, expected) in table {
        let error = Header::read(source).unwrap_err().to_string();
        assert!(error.contains(expected), "{source:?}: {error}");
    }
}
