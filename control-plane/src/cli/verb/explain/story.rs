//! An event's story in words.

use std::time::Duration;

use serde::Deserialize;
use workmanager_core_domain::{Timestamp, units::Span};

use crate::cli::output::{Style, plain};

/// An event, as the API tells of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    topic: Option<String>,
    state: String,
    accepted_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    #[serde(default)]
    duplicates: u32,
    #[serde(default)]
    workers: Vec<Part>,
    quarantine: Option<String>,
    message: Option<String>,
}

/// One worker's part.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    name: String,
    state: String,
    reason: Option<String>,
    until: Option<Timestamp>,
    filter: Option<String>,
    message: Option<String>,
    reply: Option<Reply>,
    dead_letter: Option<String>,
    redriven_at: Option<Timestamp>,
    #[serde(default)]
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    topic: Option<String>,
    kept: Option<String>,
    note: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    number: u32,
    version: u32,
    started_at: Timestamp,
    #[serde(rename = "durationUs")]
    duration_us: u64,
    outcome: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    log_tail: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    text: String,
}

impl Event {
    /// Its story, without a line end.
    pub(super) fn tell(&self, style: Style) -> String {
        let known = |text: &Option<String>| plain(text.as_deref().unwrap_or("unknown")).into_owned();
        if let Some(quarantine) = &self.quarantine {
            let reason = plain(self.message.as_deref().unwrap_or_default()).into_owned();
            return format!("its record cannot be read ({reason}) and is kept as quarantine entry `{quarantine}`");
        }
        let id = known(&self.id);
        let mut lines = vec![format!("event {} ({}) from {}", style.bold(&id), known(&self.kind), known(&self.source))];
        match self.accepted_at {
            Some(at) => lines.push(format!("accepted on topic `{}` at {at}", known(&self.topic))),
            None => lines.push(format!("accepted on topic `{}`, and being delivered now", known(&self.topic))),
        }
        if let (Some(from), Some(to)) = (self.accepted_at, self.finished_at) {
            lines.push(format!("every worker was done with it after {}", short(to.since(from))));
        }
        match self.duplicates {
            0 => {}
            1 => lines.push("it came once more, and the copy was dropped".to_owned()),
            count => lines.push(format!("it came {count} times more, and the copies were dropped")),
        }
        if self.state == "Running" && self.accepted_at.is_some() {
            lines.push("it is being delivered now: more may follow".to_owned());
        }
        for part in &self.workers {
            lines.push(String::new());
            lines.extend(part.tell(self.accepted_at, style));
        }
        lines.join("\n")
    }
}

impl Part {
    fn tell(&self, accepted_at: Option<Timestamp>, style: Style) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", style.bold(&plain(&self.name)), self.end(accepted_at, style))];
        let mut again = self.redriven_at;
        for attempt in &self.attempts {
            if let Some(at) = again.take_if(|at| *at <= attempt.started_at) {
                lines.push(sent_round(at, accepted_at));
            }
            lines.extend(attempt.tell(accepted_at, style));
        }
        lines.extend(again.map(|at| sent_round(at, accepted_at)));
        lines.extend(self.reply.as_ref().map(Reply::tell));
        if let Some(letter) = &self.dead_letter {
            lines.push(format!(
                "  dead letter {letter}; send it round again: workmanager dead-letters redrive {letter}"
            ));
        }
        lines
    }

    /// Where it stands, in words.
    fn end(&self, accepted_at: Option<Timestamp>, style: Style) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        let message = plain(self.message.as_deref().unwrap_or_default()).into_owned();
        let filter = plain(self.filter.as_deref().unwrap_or_default()).into_owned();
        let since = |until: Timestamp| accepted_at.map(|at| format!(" (+{})", short(until.since(at))));
        let until = self.until.map(|until| format!("{until}{}", since(until).unwrap_or_default()));
        match (self.state.as_str(), reason) {
            ("Done", _) => style.green(&format!("done after {}", counted(self.attempts.len()))),
            ("NotMatched", "filter-false") => format!("not for it: its filter `{filter}` is false"),
            ("NotMatched", _) => format!("not for it: its filter `{filter}` cannot be evaluated: {message}"),
            ("DeadLettered", _) => {
                style.red(&format!("given up after {}: {}", counted(self.attempts.len()), why(reason)))
            }
            ("Waiting", _) => {
                let at = until.map(|until| format!(" at {until}")).unwrap_or_default();
                style.yellow(&format!("{} failed, tried again{at}", counted(self.attempts.len())))
            }
            ("Parked", _) => {
                let at = until.map(|until| format!(", until {until} at the latest")).unwrap_or_default();
                style.yellow(&format!("waits: {}{at}", why(reason)))
            }
            ("WorkerDeleted", _) => "the worker was deleted before it was done".to_owned(),
            ("Open", _) => "not done yet".to_owned(),
            (other, _) => other.to_owned(),
        }
    }
}

impl Attempt {
    fn tell(&self, accepted_at: Option<Timestamp>, style: Style) -> Vec<String> {
        let (since, took) = (since(self.started_at, accepted_at), short(Duration::from_micros(self.duration_us)));
        let Self { number, version, outcome, .. } = self;
        let mut line = format!("  {since:>9}  attempt {number}, version {version}, {took}: {outcome}");
        if !self.message.is_empty() {
            line = format!("{line}: {}", plain(&self.message.replace('\n', " ")));
        }
        let written = self.log_tail.iter().map(|line| style.dim(&format!("             | {}", plain(&line.text))));
        std::iter::once(line).chain(written).collect()
    }
}

/// How long after the acceptance.
fn since(at: Timestamp, accepted_at: Option<Timestamp>) -> String {
    accepted_at.map(|accepted_at| format!("+{}", short(at.since(accepted_at)))).unwrap_or_default()
}

fn sent_round(at: Timestamp, accepted_at: Option<Timestamp>) -> String {
    format!("  {:>9}  sent round again: attempts and age count anew", since(at, accepted_at))
}

impl Reply {
    fn tell(&self) -> String {
        let note = self.note.as_ref().map(|note| format!("; {}", plain(note))).unwrap_or_default();
        let (id, kind) = (plain(&self.id), plain(&self.kind));
        match &self.topic {
            Some(topic) => format!("  reply {id} ({kind}) published on `{topic}`{note}"),
            None => {
                let kept = self.kept.as_deref().map(|kept| format!("\n             | {}", cut(&plain(kept))));
                let kept = kept.unwrap_or_default();
                format!("  reply {id} ({kind}) kept in this record: it has no topic to go to{note}{kept}")
            }
        }
    }
}

/// What of a kept reply is shown; `--output json` has all of it.
fn cut(text: &str) -> String {
    const SHOWN: usize = 500;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn counted(attempts: usize) -> String {
    if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") }
}

/// What a code means. One that is not known here is shown as it is.
fn why(code: &str) -> &str {
    match code {
        "attempts-exhausted" => "all attempts failed (attempts-exhausted)",
        "not-retryable" => "another attempt would fail the same way (not-retryable)",
        "too-old" => "it is older than the worker's maxAge (too-old)",
        "loop" => "it came round too often as the reply to another (loop)",
        "backlog-overflow" => "too many events wait for the stopped worker (backlog-overflow)",
        "retry" => "for its next attempt (retry)",
        "slow" => "its attempt takes long (slow)",
        "busy" => "for a free place of the worker (busy)",
        "stopped" => "for the worker to be started (stopped)",
        "artefact-missing" => "for the code to be compiled again (artefact-missing)",
        "group-busy" => "for another worker of its group (group-busy)",
        "lane-busy" => "for an earlier event with the same partitionkey (lane-busy)",
        "circuit-open" => "the worker's engine died again and again, and gets a pause (circuit-open)",
        "reply-pending" => "its reply is known, and is published later (reply-pending)",
        "redriven" => "it was sent round again (redriven)",
        other => other,
    }
}

/// A length of time, as exactly as a reader needs it.
fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros}us"),
        1_000..10_000 => format!("{:.1}ms", seconds * 1e3),
        10_000..1_000_000 => format!("{:.0}ms", seconds * 1e3),
        1_000_000..60_000_000 => format!("{seconds:.2}s"),
        _ => Span(Duration::from_secs(time.as_secs())).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"id":"7","source":"/shop","type":"order","topic":"orders","state":"Open",
        "acceptedAt":"2026-11-25T10:00:00Z","finishedAt":null,"duplicates":1,"workers":[
        {"id":"0199a3b0-7c1e-7000-8000-000000000001","name":"a","state":"Waiting","reason":"retry",
         "until":"2026-11-25T10:00:09Z","filter":null,"message":"boom","reply":null,"deadLetter":null,"redrivenAt":null,
         "attempts":[{"id":"att_0199a3b0-7c1e-7000-8000-000000000001","number":1,"version":3,"digest":"sha256:00",
         "startedAt":"2026-11-25T10:00:00.012Z","durationUs":4210,"outcome":"worker-exception","message":"boom",
         "logTail":[{"at":"2026-11-25T10:00:00Z","stream":"stdout","text":"\u001b[2Jhi"}]}]},
        {"id":"0199a3b0-7c1e-7000-8000-000000000002","name":"b","state":"Done","reason":null,"until":null,"filter":null,
         "message":null,"reply":{"id":"r","type":"done","topic":"replies"},"deadLetter":null,"redrivenAt":null,"attempts":[]},
        {"id":"0199a3b0-7c1e-7000-8000-000000000003","name":"c","state":"NotMatched","reason":"filter-false","until":null,
         "filter":"false","message":null,"reply":null,"deadLetter":null,"redrivenAt":null,"attempts":[]},
        {"id":"0199a3b0-7c1e-7000-8000-000000000004","name":"d","state":"DeadLettered","reason":"too-old","until":null,
         "filter":null,"message":null,"reply":null,"deadLetter":"dl_1","redrivenAt":null,"attempts":[]},
        {"id":"0199a3b0-7c1e-7000-8000-000000000005","name":"e","state":"Parked","reason":"stopped",
         "until":"2026-11-25T16:00:00Z","attempts":[]},
        {"id":"0199a3b0-7c1e-7000-8000-000000000006","name":"f","state":"Done",
         "reply":{"id":"r2","type":"done","topic":null,"kept":"{\"total\":3}"},"redrivenAt":"2026-11-25T10:01:00Z",
         "attempts":[
         {"number":1,"version":1,"startedAt":"2026-11-25T10:00:00Z","durationUs":900,"outcome":"timed-out"},
         {"number":2,"version":2,"startedAt":"2026-11-25T10:01:00Z","durationUs":1000,"outcome":"replied"}]}]}"#;

    const STORY: &str = "\
event 7 (order) from /shop
accepted on topic `orders` at 2026-11-25T10:00:00Z
it came once more, and the copy was dropped

a: 1 attempt failed, tried again at 2026-11-25T10:00:09Z (+9.00s)
      +12ms  attempt 1, version 3, 4.2ms: worker-exception: boom
             | \\u{1b}[2Jhi

b: done after 0 attempts
  reply r (done) published on `replies`

c: not for it: its filter `false` is false

d: given up after 0 attempts: it is older than the worker's maxAge (too-old)
  dead letter dl_1; send it round again: workmanager dead-letters redrive dl_1

e: waits: for the worker to be started (stopped), until 2026-11-25T16:00:00Z (+6h) at the latest

f: done after 2 attempts
       +0us  attempt 1, version 1, 900us: timed-out
        +1m  sent round again: attempts and age count anew
        +1m  attempt 2, version 2, 1.0ms: replied
  reply r2 (done) kept in this record: it has no topic to go to
             | {\"total\":3}";

    const FINISHED: &str = r#"{"id":"8","source":"/shop","type":"order","topic":"orders","state":"Finished",
        "acceptedAt":"2026-11-25T10:00:00Z","finishedAt":"2026-11-25T10:00:00.0421Z","workers":[]}"#;

    #[test]
    fn a_story_is_read_from_its_beginning_to_where_it_stands() {
        let event: Event = serde_json::from_str(EVENT).unwrap();
        assert_eq!(event.tell(Style::new(false)), STORY);
        let event: Event = serde_json::from_str(FINISHED).unwrap();
        let story = "event 8 (order) from /shop\naccepted on topic `orders` at 2026-11-25T10:00:00Z\n\
                     every worker was done with it after 42ms";
        assert_eq!(event.tell(Style::new(false)), story);
    }
}
