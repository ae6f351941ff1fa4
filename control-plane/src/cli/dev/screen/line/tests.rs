//! How happenings look, without colour.

use std::sync::Arc;

use workmanager_core_domain::{
    dead_letter::Reason,
    event::{Data, DataKind},
    outcome::{LogLine, LogStream},
};

use super::*;

fn now() -> Timestamp {
    "2026-11-25T09:05:03.007Z".parse().unwrap()
}

fn event(id: &str, data: &'static [u8]) -> Arc<Event> {
    let event = Event::builder().with("id", id).with("source", "/s").with("type", "order");
    Arc::new(event.data(Data { kind: DataKind::Json, bytes: data.into() }).build().unwrap())
}

fn attempted(outcome: &'static str, number: u32, message: &str, stack: Option<&str>) -> Happening {
    let log = |text: &str| LogLine { at: now(), stream: LogStream::Stdout, text: text.into() };
    Happening::Attempted {
        worker: "orders".parse().unwrap(),
        event: event("7", b"{}"),
        id: "att_0199a3b0-7c1e-7000-8000-000000000001".parse().unwrap(),
        number,
        outcome,
        message: message.into(),
        stack: stack.map(str::to_owned),
        duration: Duration::from_micros(4_210),
        logs: vec![log("hello"), log("\u{1b}[2Jthere")],
    }
}

#[test]
fn every_happening_is_a_line_with_its_details_below() {
    let topic = |name: &str| name.parse::<Topic>().unwrap();
    let worker = || "orders".parse().unwrap();
    let happenings = [
        Happening::FunctionStarted { pid: 42 },
        Happening::Accepted { topic: topic("orders"), event: event("7", b"{ \"n\": 1.10 }") },
        attempted("replied", 1, "", None),
        Happening::Replied { worker: worker(), topic: Some(topic("replies")), event: event("8", b"1") },
        attempted("worker-exception", 2, "ValueError: no", Some("Traceback:\n  line 1")),
        Happening::DeadLettered { worker: worker(), event: event("7", b"{}"), reason: Reason::AttemptsExhausted },
        Happening::Replied { worker: worker(), topic: None, event: event("8", b"1") },
        Happening::FunctionStopped { pid: 42, reason: "idle for 60s".into() },
    ];
    let lines: Vec<_> =
        happenings.iter().map(|happening| describe(happening).render(now(), Style::new(false))).collect();
    let expected = "\
09:05:03.007  function  process 42 started
09:05:03.007  event     orders  order  7  {\"n\":1.10}
09:05:03.007  done      orders  replied in 4.2 ms  (7)
              | hello
              | \\u{1b}[2Jthere
09:05:03.007  reply     orders -> replies  order  8  1
09:05:03.007  failed    orders  worker-exception in 4.2 ms, attempt 2  (7)
              | hello
              | \\u{1b}[2Jthere
              ValueError: no
              Traceback:
                line 1
09:05:03.007  given up  orders  on 7: attempts-exhausted
09:05:03.007  reply     orders -> no topic  order  8  1
09:05:03.007  function  process 42 stopped: idle for 60s";
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn a_failure_is_red_on_a_terminal() {
    let line = describe(&attempted("worker-exception", 1, "ValueError: no", None)).render(now(), Style::new(true));
    assert!(
        line.contains("\u{1b}[31mfailed  \u{1b}[0m") && line.contains("\u{1b}[31mValueError: no\u{1b}[0m"),
        "{line:?}"
    );
}
