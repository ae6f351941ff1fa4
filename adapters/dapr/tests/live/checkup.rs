//! A sidecar whose files are not as they are shipped is found out, line by line.

use std::time::Duration;

use futures_util::future::join_all;
use workmanager_core_domain::{Checkup, ports::Bus as _};
use workmanager_tests_contracts::{Fixture as _, within};

use crate::machine::{Broker, Dies, Live, Store};

/// What is found with the shipped files after `alter` was given each one's name and text: files and lines.
async fn found(store: Store, broker: Broker, alter: &dyn Fn(&str, String) -> String) -> Option<Vec<(String, String)>> {
    let live = Live::altered(store, broker, alter).await?;
    let findings = live.store().findings().await.unwrap();
    assert!(findings.iter().all(|finding| finding.reason.len() > 30), "{findings:?}");
    Some(findings.into_iter().map(|finding| (finding.file, finding.line)).collect())
}

/// The same where `from` is replaced in one file.
async fn with(file: &str, from: &str, to: &str) -> Option<Vec<(String, String)>> {
    let alter = |name: &str, text: String| {
        if name != file {
            return text;
        }
        assert!(text.contains(from), "{file} has {from}");
        text.replace(from, to)
    };
    found(Store::Redis, Broker::Redis, &alter).await
}

/// What is replaced by what in which file, and which line is found then.
const ALTERED: [(&str, &str, &str, &str); 10] = [
    ("resiliency.yaml", "inbound:\n          retry: workmanager", "inbound: {}", "inbound"),
    ("resiliency.yaml", "      pubsub:", "      other:", "inbound"),
    ("resiliency.yaml", "duration: 300ms", "duration: 10ms", "duration"),
    ("resiliency.yaml", "duration: 300ms", "duration: 7s", "duration"),
    ("resiliency.yaml", "maxRetries: 1", "maxRetries: 3", "maxRetries"),
    ("pubsub.yaml", "value: \"100\"", "value: \"10\"", "concurrency"),
    ("pubsub.yaml", "value: \"10000\"", "value: \"4000\"", "processingTimeout"),
    ("pubsub.yaml", "value: \"10000\"", "value: \"60000\"", "processingTimeout, redeliverInterval"),
    ("pubsub.yaml", "value: \"2000\"", "value: \"2s\"", "processingTimeout, redeliverInterval"),
    ("statestore.yaml", "    - name: keyPrefix\n      value: workmanager\n", "", "keyPrefix"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_altered_line_is_found_and_no_other() {
    // Mostly they wait, for half a minute each.
    for some in ALTERED.chunks(5) {
        let looks = some.iter().map(|(file, from, to, line)| async move {
            let Some(found) = with(file, from, to).await else { return };
            assert_eq!(found, [(format!("deploy/dapr/{file}"), (*line).to_owned())], "{from} became {to}");
        });
        join_all(looks).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_in_what_is_shipped_though_two_look_at_the_same_time() {
    let Some(live) = Live::redis().await else { return };
    let (one, other) = (live.store(), live.machine.client().await);
    let (one, other) = tokio::join!(one.findings(), other.findings());
    assert_eq!((one.unwrap(), other.unwrap()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_nothing_is_found() {
    let Some(live) = Live::new(Store::Memory, Broker::Memory, Dies::Client).await else { return };
    let lines: Vec<_> = live.store().findings().await.unwrap().into_iter().map(|one| (one.file, one.line)).collect();
    let expected = ["pubsub.yaml", "statestore.yaml"].map(|file| (format!("deploy/dapr/{file}"), "type".to_owned()));
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_in_a_store_in_sqlite() {
    let Some(found) = found(Store::Sqlite, Broker::Redis, &|_, text| text).await else { return };
    assert_eq!(found, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_bus_on_rabbitmq_its_component_is_found_and_nothing_else() {
    let Some(found) = found(Store::Sqlite, Broker::Rabbit, &|_, text| text).await else { return };
    assert_eq!(found, [("deploy/dapr/rabbitmq/pubsub.yaml".to_owned(), "type".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_sends_events_elsewhere_is_found() {
    let more = "\n---\napiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: stray}\n\
                spec: {pubsubname: pubsub, topic: orders, routes: {default: /orders}}\n";
    let alter = |name: &str, text: String| if name == "pubsub.yaml" { text + more } else { text };
    let Some(found) = found(Store::Redis, Broker::Redis, &alter).await else { return };
    assert_eq!(found, [("deploy/dapr/".to_owned(), "kind: Subscription".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_gets_stuck_says_why_and_what_it_has_found() {
    let Some(mut live) = Live::new(Store::Memory, Broker::Redis, Dies::Client).await else { return };
    live.machine.kill_redis();
    let store = live.store();
    store.check_up();
    within(async {
        let (findings, reason) = loop {
            match store.checkup() {
                Checkup::Failed { findings, reason } => break (findings, reason),
                other => assert_eq!(other, Checkup::Running),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let files: Vec<_> = findings.iter().map(|finding| &*finding.file).collect();
        assert_eq!(files, ["deploy/dapr/statestore.yaml"]);
        assert!(!reason.is_empty());
    })
    .await;
}
