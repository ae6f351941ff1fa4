//! The judge: reads a history and says what must not have happened.
//!
//! - An event that was accepted has one terminal state for each worker, and nothing is left to do.
//! - Done means that the attempt which the record names ran to its end, as the sink knows, and that its
//!   reply is in the reply topic, once.
//! - An execution more than one is a duplicate. It is explained if the earlier one's process, its function
//!   or its control plane was killed before the next began, and while the outcome could still be lost: a
//!   child that had gone on to another event had answered. A zygote explains nothing, because children
//!   live on without it, and neither does a pause.
//! - Once an outcome is durable nothing runs any more, and no two executions of one event by one worker
//!   overlap.

mod explain;
mod violation;

use std::collections::{BTreeMap, HashMap, HashSet};

use workmanager_core_domain::{
    EventRecord,
    event_record::{AttemptRecord, Track, TrackState},
};

pub use explain::Duplicate;
use explain::Suspects;
pub use violation::Violation;

use crate::history::{Execution, Expected, History, Reply};

/// How exactly two clocks' readings of one moment agree: records have microseconds, and are rounded.
const ROUNDING: std::time::Duration = std::time::Duration::from_millis(1);
/// How many descriptors more at the end are no leak: connections come and go.
const DESCRIPTORS: usize = 8;

/// What the judge found.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What must not have happened.
    pub violations: Vec<Violation>,
    /// Second executions that a fault explains.
    pub duplicates: Vec<Duplicate>,
    /// Replies that were published again, which a fault explains.
    pub duplicate_replies: usize,
}

/// Judges a history.
#[must_use]
pub fn judge(history: &History) -> Judgement {
    let mut judge = Judge { history, found: Judgement::default() };
    judge.unknown();
    judge.outcomes();
    judge.executions();
    judge.replies();
    judge.processes();
    judge.found
}

struct Judge<'h> {
    history: &'h History,
    found: Judgement,
}

/// The number in an event's id.
fn number(record: &EventRecord) -> Option<u64> {
    record.id.parse().ok()
}

/// The track of a worker by its name.
fn track<'r>(record: &'r EventRecord, worker: &str) -> Option<&'r Track> {
    record.workers.values().find(|track| track.worker == worker)
}

/// The attempt that ended a track, if it ended well.
fn success(track: &Track) -> Option<&AttemptRecord> {
    match track.state {
        TrackState::Done { .. } => track.attempts.last(),
        _ => None,
    }
}

/// Executions by event and worker, oldest first.
fn grouped(history: &History) -> BTreeMap<(u64, &str), Vec<&Execution>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for execution in &history.executions {
        groups.entry((execution.event, execution.worker.as_str())).or_default().push(execution);
    }
    groups.values_mut().for_each(|group| group.sort_by_key(|execution| execution.started));
    groups
}

impl Judge<'_> {
    fn blame(&mut self, violation: Violation) {
        self.found.violations.push(violation);
    }

    /// Nobody saw what was not published, and every name is known.
    fn unknown(&mut self) {
        let history = self.history;
        let published: HashSet<u64> = history.publications.iter().map(|publication| publication.event).collect();
        for record in &history.records {
            if !number(record).is_some_and(|number| published.contains(&number)) {
                self.blame(Violation::NeverPublished { id: record.id.clone(), seen: "the store" });
            }
        }
        let strangers = |event: &u64| !published.contains(event);
        for event in history.executions.iter().map(|execution| execution.event).filter(strangers) {
            self.blame(Violation::NeverPublished { id: event.to_string(), seen: "the sink" });
        }
        for event in history.replies.iter().map(|reply| reply.event).filter(strangers) {
            self.blame(Violation::NeverPublished { id: event.to_string(), seen: "the reply topic" });
        }
    }

    /// One terminal state for each worker of what was accepted, and of whatever else is in the store.
    fn outcomes(&mut self) {
        let history = self.history;
        let records: HashMap<u64, &EventRecord> =
            history.records.iter().filter_map(|record| Some((number(record)?, record))).collect();
        let accepted = history.publications.iter().filter(|publication| publication.accepted.is_some());
        for event in accepted.map(|publication| publication.event).filter(|event| !records.contains_key(event)) {
            self.blame(Violation::Lost { event, how: "it has no record".into() });
        }
        for (event, record) in records {
            for worker in &history.workers {
                match track(record, worker.name) {
                    Some(track) => self.outcome(event, *worker, track),
                    None => self.blame(Violation::Lost { event, how: format!("`{}` has no track", worker.name) }),
                }
            }
        }
        for what in &history.stuck {
            self.blame(Violation::Stuck { what: what.clone() });
        }
    }

    fn outcome(&mut self, event: u64, worker: Expected, track: &Track) {
        let name = worker.name;
        match &track.state {
            TrackState::Done { reply } if reply.is_some() == worker.replies => {}
            TrackState::Done { .. } => self.blame(Violation::WrongReply { event, worker: name }),
            TrackState::DeadLettered { reason, .. } => {
                self.blame(Violation::GivenUp { event, worker: name, reason: reason.code() });
            }
            state => self.blame(Violation::Lost { event, how: format!("`{name}` is {state:?}") }),
        }
    }

    /// What ran, compared with what the records say ran.
    fn executions(&mut self) {
        let history = self.history;
        let groups = grouped(history);
        for record in &history.records {
            let Some(event) = number(record) else { continue };
            for worker in &history.workers {
                let Some(attempt) = track(record, worker.name).and_then(success) else { continue };
                let none = Vec::new();
                let runs = groups.get(&(event, worker.name)).unwrap_or(&none);
                self.success(record, worker.name, attempt, runs);
            }
        }
        let suspects = Suspects::new(history);
        for ((event, worker), runs) in &groups {
            for pair in runs.windows(2) {
                let (first, second) = (pair[0], pair[1]);
                if first.finished.is_some_and(|finished| finished > second.started) {
                    self.blame(Violation::Overlap { event: *event, worker: (*worker).to_owned() });
                }
                match suspects.explain(first, second) {
                    Some(duplicate) => self.found.duplicates.push(duplicate),
                    None => self.blame(Violation::RunAgain { first: first.clone(), second: second.clone() }),
                }
            }
        }
    }

    /// The attempt that ended well ran to its end before the record was written, and nothing ran after it.
    fn success(&mut self, record: &EventRecord, worker: &'static str, attempt: &AttemptRecord, runs: &[&Execution]) {
        let is_since = |run: &&&Execution| run.started.plus(ROUNDING) >= attempt.started_at;
        let mut since = runs.iter().filter(is_since);
        let over = record.finished_at.map(|at| at.plus(ROUNDING));
        let has_run = |run: &&Execution| {
            run.attempt == attempt.number && run.finished.is_some_and(|end| over.is_none_or(|over| end <= over))
        };
        if !since.next().is_some_and(has_run) {
            let event = number(record).unwrap_or_default();
            self.blame(Violation::NeverRan { event, worker, attempt: attempt.number });
        }
        for late in since {
            self.blame(Violation::RunAfterItsEnd { late: (*late).clone() });
        }
    }

    /// Every reply that a record names is published, once, and nothing else is.
    fn replies(&mut self) {
        let history = self.history;
        let mut published: HashMap<&str, Vec<&Reply>> = HashMap::new();
        for reply in &history.replies {
            published.entry(&reply.id).or_default().push(reply);
        }
        for record in &history.records {
            let Some(event) = number(record) else { continue };
            for track in record.workers.values() {
                let TrackState::Done { reply: Some(reply) } = &track.state else { continue };
                if reply.topic.is_none() {
                    continue;
                }
                let copies = published.remove(reply.id.as_str()).unwrap_or_default();
                let attempt = success(track).map(|attempt| attempt.number);
                if !copies.iter().any(|copy| copy.event == event && Some(copy.attempt) == attempt) {
                    self.blame(Violation::ReplyMissing { event, id: reply.id.clone() });
                }
                self.copies(&copies);
            }
        }
        for replies in published.into_values() {
            let reply = replies[0];
            self.blame(Violation::ReplyOfNothing { event: reply.event, id: reply.id.clone() });
        }
    }

    /// A second publication is explained if the control plane was killed before it was made.
    fn copies(&mut self, copies: &[&Reply]) {
        let mut ordered = copies.to_vec();
        ordered.sort_by_key(|copy| copy.position);
        for pair in ordered.windows(2) {
            if Suspects::new(self.history).control_plane_killed(pair[0].time, pair[1].time) {
                self.found.duplicate_replies += 1;
            } else {
                self.blame(Violation::ReplyAgain { event: pair[1].event, id: pair[1].id.clone() });
            }
        }
    }

    /// Nobody died by itself, and nothing is left.
    fn processes(&mut self) {
        let history = self.history;
        let suspects = Suspects::new(history);
        for death in history.deaths.iter().filter(|death| !suspects.was_killed(death.pid)) {
            self.blame(Violation::Died { death: death.clone() });
        }
        for function in suspects.homeless(&history.executions) {
            self.blame(Violation::NoHome { function });
        }
        for descriptors in history.descriptors.iter().filter(|found| found.after > found.before + DESCRIPTORS) {
            self.blame(Violation::Descriptors { found: descriptors.clone() });
        }
        for what in &history.leftovers {
            self.blame(Violation::Left { what: what.clone() });
        }
    }
}

#[cfg(test)]
mod tests;
