//! What happened in a run, as each witness tells it.

use std::collections::HashMap;

use workmanager_core_domain::{EventRecord, Timestamp};

use crate::fault::Fault;

/// Everything that the judge knows.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The workers that every event is for.
    pub workers: Vec<Expected>,
    /// What was published.
    pub publications: Vec<Publication>,
    /// The event records in the store after the stop.
    pub records: Vec<EventRecord>,
    /// Records in the store that cannot be read, or wait for something that will not come: in words.
    pub stuck: Vec<String>,
    /// What the sink was told.
    pub executions: Vec<Execution>,
    /// What the reply topic holds.
    pub replies: Vec<Reply>,
    /// What was done to whom.
    pub faults: Vec<Fault>,
    /// Which control plane started a function process.
    pub homes: HashMap<u32, u32>,
    /// Control planes that ended before they were told to.
    pub deaths: Vec<Death>,
    /// How many descriptors who lived from the first fault to the last had before and after.
    pub descriptors: Vec<Descriptors>,
    /// What was there after the stop and should not be, in words.
    pub leftovers: Vec<String>,
}

/// A worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub name: &'static str,
    /// Whether it answers to the reply topic.
    pub replies: bool,
}

/// One event's publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The event's number.
    pub event: u64,
    /// How often it was sent.
    pub tries: u32,
    /// When 202 was answered.
    pub accepted: Option<Timestamp>,
}

/// One run of a worker on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The event's number.
    pub event: u64,
    /// The worker's name.
    pub worker: String,
    /// The attempt that the worker was told.
    pub attempt: u32,
    /// The worker's process.
    pub process: u32,
    /// Its parent, which is the function process.
    pub function: u32,
    /// When it began.
    pub started: Timestamp,
    /// When it was over, if it came so far.
    pub finished: Option<Timestamp>,
}

/// One event of the reply topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The reply's id.
    pub id: String,
    /// The event that it answers.
    pub event: u64,
    /// The attempt that it comes from.
    pub attempt: u32,
    /// Its place in the topic.
    pub position: u64,
    /// When it was made.
    pub time: Timestamp,
}

/// The end of a control plane that nobody had told to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The process.
    pub pid: u32,
    /// Exit code or signal, and the last words of its log.
    pub status: String,
}

/// Open descriptors of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptors {
    /// Whose.
    pub process: &'static str,
    /// Before the first fault.
    pub before: usize,
    /// After the last, with nothing to do.
    pub after: usize,
}
