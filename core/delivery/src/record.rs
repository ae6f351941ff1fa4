//! What goes into an event's record, and what is read back from it.

use bytes::Bytes;
use workmanager_core_domain::{
    AttemptId, Event, EventRecord, Topic, Worker, WorkerId, document,
    event::{Data, DataKind, InvalidEvent, to_structured},
    event_record::{AttemptRecord, ReplyRecord, Track, TrackState},
    outcome::{LogLine, Report},
    parked::Hold,
    reply::REPLY_TOPIC,
};

use crate::{
    policy::{self, Tries},
    state::State,
};

/// How much of an attempt's output stays in its record, in bytes of text.
const LOG_TAIL: usize = 4 << 10;
/// How much of an outcome's message stays.
const MESSAGE: usize = 2 << 10;
/// How much of a reply without a topic stays.
const KEPT: usize = 64 << 10;
/// How many attempts stay. More than the largest `maxAttempts`, so only attempts that do not count go.
const ATTEMPTS: usize = 128;
/// Largest record; stores take records up to 1 MiB.
const RECORD: usize = 1_000_000;

/// One attempt, for the record.
pub(crate) fn attempt(id: AttemptId, number: u32, version: u32, report: &Report) -> AttemptRecord {
    AttemptRecord {
        id,
        number,
        version,
        digest: report.digest,
        started_at: report.started_at,
        duration: report.duration,
        outcome: report.outcome.code().to_owned(),
        message: cut(report.outcome.message(), MESSAGE),
        log_tail: tail(&report.logs),
    }
}

/// Adds an attempt, and lets go of what does not count when there are too many.
pub(crate) fn push(attempts: &mut Vec<AttemptRecord>, attempt: AttemptRecord) {
    if attempts.len() >= ATTEMPTS {
        let spare = attempts.iter().position(|attempt| !policy::counts(&attempt.outcome)).unwrap_or(0);
        attempts.remove(spare);
    }
    attempts.push(attempt);
}

/// The last lines that fit.
fn tail(lines: &[LogLine]) -> Vec<LogLine> {
    let mut left = LOG_TAIL;
    let mut kept: Vec<LogLine> = lines
        .iter()
        .rev()
        .map_while(|line| {
            let start = line.text.len().saturating_sub(left);
            let text = &line.text[line.text.ceil_char_boundary(start)..];
            let fits = left > 0 && (!text.is_empty() || line.text.is_empty());
            // An empty line takes room as well, or there could be any number of them.
            left = left.saturating_sub(text.len().max(1));
            fits.then(|| LogLine { text: text.to_owned(), ..*line })
        })
        .collect();
    kept.reverse();
    kept
}

fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

/// Where a reply goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// To this topic.
    Publish(Topic),
    /// Nowhere: it stays in the record, with what a reader should know.
    Keep { note: Option<String> },
}

/// Where the reply to `event` goes: the event's wish, else the worker's, else nowhere.
pub(crate) fn route(event: &Event, worker: &Worker) -> Route {
    match (event.attribute(REPLY_TOPIC), &worker.reply_topic) {
        (Some(wish), _) => match wish.to_string().parse() {
            Ok(topic) => Route::Publish(topic),
            Err(error) => Route::Keep { note: Some(format!("the event's `{REPLY_TOPIC}` is no topic: it {error}")) },
        },
        (None, Some(topic)) => Route::Publish(topic.clone()),
        (None, None) => Route::Keep { note: None },
    }
}

/// A reply, for the record.
pub(crate) fn reply(reply: &Event, route: &Route) -> ReplyRecord {
    let (topic, kept, note) = match route {
        Route::Publish(topic) => (Some(topic.clone()), None, None),
        Route::Keep { note } => (None, structured(reply).ok().map(|text| cut(text, KEPT)), note.clone()),
    };
    ReplyRecord { id: reply.id().to_owned(), kind: reply.kind().to_owned(), topic, kept, note }
}

/// The event as a structured CloudEvent. Data that is not the text it says it is is kept as bytes.
pub(crate) fn structured(event: &Event) -> Result<String, InvalidEvent> {
    let bytes = to_structured(event).or_else(|_| {
        let data = Data { kind: DataKind::Binary, bytes: event.data().bytes.clone() };
        to_structured(&event.clone().into_builder().data(data).build()?)
    })?;
    String::from_utf8(bytes).map_err(|_| InvalidEvent::Utf8 { what: "the event".into() })
}

/// How far a worker had come. What was before it was sent round again does not count.
pub(crate) fn tries(track: &Track) -> Tries {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let attempts = || track.attempts.iter().filter(|attempt| Some(attempt.started_at) >= track.redriven_at);
    Tries {
        begun: track.attempts.last().map_or(0, |attempt| attempt.number),
        counted: count(attempts().filter(|attempt| policy::counts(&attempt.outcome)).count()),
        retries: count(attempts().count()),
    }
}

/// Where a copy from the bus goes on; `None` if the worker is done, or a parked delivery goes on.
pub(crate) fn resume(track: &Track) -> Option<State> {
    match track.state {
        TrackState::Open => Some(State::Matched { tries: tries(track) }),
        TrackState::Waiting { .. }
        | TrackState::Parked { .. }
        | TrackState::Done { .. }
        | TrackState::DeadLettered { .. }
        | TrackState::NotMatched { .. }
        | TrackState::WorkerDeleted => None,
    }
}

/// Whether `theirs` ends what `ours` is about: a track that was sent round again since is another story.
pub(crate) fn is_decided(theirs: &Track, ours: Option<&Track>) -> bool {
    theirs.state.is_terminal() && ours.is_none_or(|ours| theirs.redriven_at >= ours.redriven_at)
}

/// Whether nothing is left of a part that waits in the lot: its worker is done with the event, and with
/// what was sent round again.
pub(crate) fn is_done(record: &EventRecord, worker: WorkerId, hold: &Hold) -> bool {
    let track = record.workers.get(&worker).filter(|track| track.state.is_terminal());
    track.is_some_and(|track| hold.redrive.is_none_or(|redrive| track.redriven_at == Some(redrive.at)))
}

/// A worker that has just been matched.
pub(crate) fn open(worker: &Worker) -> Track {
    Track { worker: worker.name.as_str().to_owned(), attempts: Vec::new(), redriven_at: None, state: TrackState::Open }
}

/// Takes `durable`, which somebody else wrote meanwhile, into `ours`: what is terminal there stays, and
/// so does every attempt that only one of the two knows.
pub(crate) fn merge(ours: &mut EventRecord, durable: EventRecord) {
    for (worker, theirs) in durable.workers {
        match ours.workers.get_mut(&worker) {
            Some(track) if !is_decided(&theirs, Some(track)) => {
                let missing = theirs
                    .attempts
                    .into_iter()
                    .filter(|attempt| track.attempts.iter().all(|known| known.id != attempt.id));
                let mut attempts: Vec<_> = missing.collect();
                attempts.append(&mut track.attempts);
                attempts.sort_by_key(|attempt| attempt.started_at);
                track.attempts = attempts;
            }
            Some(_) | None => {
                ours.workers.insert(worker, theirs);
            }
        }
    }
    ours.finished_at = ours.finished_at.or(durable.finished_at);
    ours.accepted_at = ours.accepted_at.min(durable.accepted_at);
    ours.duplicates = ours.duplicates.max(durable.duplicates);
}

/// The record's bytes. One that is too large loses its oldest output first, then all output, then the
/// bodies of kept replies: what happened stays.
pub(crate) fn encode(record: &EventRecord) -> Result<Bytes, serde_json::Error> {
    let bytes = document::encode(record)?;
    if bytes.len() <= RECORD {
        return Ok(bytes);
    }
    let mut smaller = record.clone();
    let measures: [fn(&mut Track); 3] = [
        |track| {
            let older = track.attempts.len().saturating_sub(2);
            track.attempts[..older].iter_mut().for_each(|attempt| attempt.log_tail.clear());
        },
        |track| track.attempts.iter_mut().for_each(|attempt| attempt.log_tail.clear()),
        |track| {
            if let TrackState::Done { reply: Some(reply) } = &mut track.state {
                reply.kept = None;
                reply.note = Some("the reply is left out: the record is full".into());
            }
        },
    ];
    for measure in measures {
        smaller.workers.values_mut().for_each(measure);
        let bytes = document::encode(&smaller)?;
        if bytes.len() <= RECORD {
            return Ok(bytes);
        }
    }
    document::encode(&smaller)
}

#[cfg(test)]
mod tests;
