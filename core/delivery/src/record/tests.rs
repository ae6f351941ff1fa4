use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;
use workmanager_core_domain::{
    Digest, Timestamp, WorkerId,
    outcome::{LogStream, Outcome},
};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

fn event(replytopic: Option<&str>) -> Event {
    let event = Event::builder().with("id", "1").with("source", "/s").with("type", "t");
    replytopic.map_or(event.clone(), |topic| event.with("replytopic", topic)).build().unwrap()
}

fn line(text: &str) -> LogLine {
    LogLine { at: at(1), stream: LogStream::Stdout, text: text.to_owned() }
}

fn attempted(number: u32, outcome: &str) -> AttemptRecord {
    AttemptRecord {
        id: AttemptId::new(Uuid::from_u128(u128::from(number))),
        number,
        version: 1,
        digest: Digest::of(b"v"),
        started_at: at(i64::from(number)),
        duration: Duration::ZERO,
        outcome: outcome.to_owned(),
        message: String::new(),
        log_tail: Vec::new(),
    }
}

fn track(attempts: Vec<AttemptRecord>, state: TrackState) -> Track {
    Track { worker: "w".into(), attempts, redriven_at: None, state }
}

#[test]
fn the_last_output_is_kept() {
    let report = Report {
        outcome: Outcome::NoReply,
        digest: Digest::of(b"v"),
        started_at: at(1),
        duration: Duration::ZERO,
        logs: [line("first"), line(&"a".repeat(4_000)), line(&"\u{e9}".repeat(60))].to_vec(),
        logs_truncated: false,
    };
    let kept = tail(&report.logs);
    let lengths: Vec<_> = kept.iter().map(|line| line.text.len()).collect();
    assert_eq!(lengths, [3_976, 120], "the line that does not fit keeps its end");
    assert!(tail(&vec![line(""); 10_000]).len() <= LOG_TAIL);
}

#[test]
fn a_reply_goes_where_the_event_wishes_else_where_the_worker_says_else_nowhere() {
    let worker = |topic: Option<&str>| Worker { reply_topic: topic.map(|topic| topic.parse().unwrap()), ..a_worker() };
    let publish = |topic: &str| Route::Publish(topic.parse().unwrap());
    assert_eq!(route(&event(Some("a")), &worker(Some("b"))), publish("a"));
    assert_eq!(route(&event(None), &worker(Some("b"))), publish("b"));
    assert_eq!(route(&event(None), &worker(None)), Route::Keep { note: None });
    let Route::Keep { note: Some(note) } = route(&event(Some("no topic")), &worker(Some("b"))) else {
        panic!("a wish that is no topic is not replaced by another topic")
    };
    assert!(note.contains("`replytopic` is no topic"), "{note}");
}

#[test]
fn attempts_that_do_not_count_go_first_when_there_are_too_many() {
    let mut attempts: Vec<_> = (1..=100).map(|number| attempted(number, "worker-exception")).collect();
    (101..=1_000).for_each(|number| push(&mut attempts, attempted(number, "unknown")));
    assert_eq!(attempts.len(), ATTEMPTS);
    let track = track(attempts, TrackState::Open);
    assert_eq!(tries(&track).counted, 100);
    assert_eq!(tries(&track).begun, 1_000);
}

#[test]
fn of_two_records_the_terminal_states_and_all_attempts_stay() {
    let (a, b, c) = (worker_id(1), worker_id(2), worker_id(3));
    let record = |workers: Vec<(WorkerId, Track)>| EventRecord {
        workers: workers.into_iter().collect(),
        ..EventRecord::new(&event(None), "t".parse().unwrap(), at(1))
    };
    let done = TrackState::Done { reply: None };
    let mut ours = record(vec![
        (a, track(vec![attempted(1, "worker-exception"), attempted(3, "no-reply")], done.clone())),
        (b, track(vec![attempted(1, "no-reply")], done.clone())),
    ]);
    let durable = record(vec![
        (a, track(vec![attempted(1, "worker-exception"), attempted(2, "timed-out")], TrackState::Open)),
        (b, track(vec![attempted(9, "no-reply")], TrackState::WorkerDeleted)),
        (c, track(Vec::new(), TrackState::Open)),
    ]);
    merge(&mut ours, durable);
    let numbers: Vec<_> = ours.workers[&a].attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!((numbers, &ours.workers[&a].state), (vec![1, 2, 3], &done));
    assert_eq!(ours.workers[&b].state, TrackState::WorkerDeleted, "what was durable first stays");
    assert!(ours.workers.contains_key(&c));
}

#[test]
fn a_record_that_grows_too_large_loses_output_and_keeps_what_happened() {
    let big = |number| AttemptRecord { log_tail: vec![line(&"x".repeat(LOG_TAIL))], ..attempted(number, "timed-out") };
    let attempts: Vec<_> = (1..=50).map(big).collect();
    let mut record = EventRecord::new(&event(None), "t".parse().unwrap(), at(1));
    for worker in 0..20 {
        record.workers.insert(worker_id(worker), track(attempts.clone(), TrackState::Open));
    }
    let bytes = encode(&record).unwrap();
    assert!(bytes.len() <= RECORD, "{}", bytes.len());
    let read: EventRecord = document::decode(&bytes).unwrap();
    assert!(read.workers.values().all(|track| track.attempts.len() == 50));
    let last = &read.workers[&worker_id(0)].attempts[49];
    assert_eq!(last.log_tail.len(), 1, "the latest output is the last to go");
}

#[test]
fn data_that_is_not_what_it_says_is_kept_as_bytes() {
    let data = Data { kind: DataKind::Json, bytes: Bytes::from_static(b"\xff") };
    let broken = event(None).into_builder().data(data).build().unwrap();
    assert!(structured(&broken).unwrap().contains(r#""data_base64":"/w==""#));
}

proptest! {
    #[test]
    fn no_output_is_too_much(lengths in proptest::collection::vec(0_usize..3_000, 0..12)) {
        let lines: Vec<_> = lengths.iter().map(|length| line(&"\u{1F600}a".repeat(*length))).collect();
        let kept = tail(&lines);
        prop_assert!(kept.iter().map(|line| line.text.len()).sum::<usize>() <= LOG_TAIL);
        prop_assert!(lines.is_empty() || kept.last().is_some_and(|last| lines[lines.len() - 1].text.ends_with(&last.text)));
    }
}

fn worker_id(number: u128) -> WorkerId {
    WorkerId::new(Uuid::from_u128(number))
}

fn a_worker() -> Worker {
    serde_json::from_value(serde_json::json!({
        "id": worker_id(1), "name": "w", "mimeType": "text/x-python", "topics": ["t"], "filter": null,
        "group": null, "replyTopic": null, "config": {}, "tags": {}, "engine": {}, "isolation": "shared",
        "limits": workmanager_core_domain::Limits::default(), "desired": "Running", "startedOnce": true,
        "version": 1, "latestVersion": 1, "digest": Digest::of(b"v"), "source": Digest::of(b"s"),
        "createdAt": at(1), "updatedAt": at(1)
    }))
    .unwrap()
}
