//! What workers wrote lately. In memory, bounded, and gone with the program: an event's record keeps
//! the last lines of its attempts.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;
use workmanager_core_domain::{
    AttemptId, Event, Timestamp, WorkerId,
    outcome::{LogLine, LogStream},
};

/// Most lines that are kept for one worker.
const LINES: usize = 1_000;
/// Most bytes of text that are kept for one worker.
const BYTES: usize = 256 << 10;
/// Most bytes of text that are kept in all.
const ALL_BYTES: usize = 16 << 20;
/// How many lines a slow reader may be behind before it misses some.
const BACKLOG: usize = 4_096;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who wrote it.
    pub worker: WorkerId,
    /// When it was read.
    pub at: Timestamp,
    /// The attempt in which it was written.
    pub attempt: AttemptId,
    /// The event that the attempt was about.
    pub event: Arc<str>,
    /// Where it was written.
    pub stream: LogStream,
    /// The text.
    pub text: String,
}

/// The lines of all workers.
#[derive(Debug)]
pub struct Logs {
    rings: Mutex<Rings>,
    lines: broadcast::Sender<Arc<Line>>,
}

#[derive(Debug, Default)]
struct Rings {
    of: HashMap<WorkerId, Ring>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
}

impl Default for Logs {
    fn default() -> Self {
        Self { rings: Mutex::default(), lines: broadcast::Sender::new(BACKLOG) }
    }
}

impl Logs {
    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what an attempt has written.
    pub fn note(&self, worker: WorkerId, attempt: AttemptId, event: &Event, lines: &[LogLine]) {
        if lines.is_empty() {
            return;
        }
        let event: Arc<str> = event.id().into();
        let mut rings = self.rings();
        for LogLine { at, stream, text } in lines {
            let line = Line { worker, at: *at, attempt, event: event.clone(), stream: *stream, text: text.clone() };
            let line = Arc::new(line);
            rings.push(line.clone());
            // Nobody reading is fine.
            let _ = self.lines.send(line);
        }
    }

    /// What is kept of a worker, oldest first, and what comes from now on: no line is in both.
    #[must_use]
    pub fn follow(&self, worker: WorkerId) -> (Vec<Arc<Line>>, broadcast::Receiver<Arc<Line>>) {
        let rings = self.rings();
        let kept = rings.of.get(&worker).map(|ring| ring.lines.iter().cloned().collect()).unwrap_or_default();
        (kept, self.lines.subscribe())
    }
}

impl Rings {
    fn push(&mut self, line: Arc<Line>) {
        let size = line.text.len() + 1;
        let ring = self.of.entry(line.worker).or_default();
        ring.lines.push_back(line);
        ring.bytes += size;
        self.bytes += size;
        while ring.lines.len() > LINES || (ring.bytes > BYTES && ring.lines.len() > 1) {
            self.bytes -= ring.pop();
        }
        while self.bytes > ALL_BYTES && self.drop_oldest() {}
    }

    /// Forgets the worker that has been silent for longest.
    fn drop_oldest(&mut self) -> bool {
        let silent = self.of.iter().min_by_key(|(_, ring)| ring.lines.back().map(|line| line.at));
        let Some(worker) = silent.map(|(worker, _)| *worker) else { return false };
        let bytes = self.of.remove(&worker).map_or(0, |ring| ring.bytes);
        self.bytes -= bytes;
        bytes > 0
    }
}

impl Ring {
    fn pop(&mut self) -> usize {
        let size = self.lines.pop_front().map_or(0, |line| line.text.len() + 1);
        self.bytes -= size;
        size
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn worker(number: u128) -> WorkerId {
        WorkerId::new(Uuid::from_u128(number))
    }

    fn note(logs: &Logs, number: u128, text: &str) {
        let at = Timestamp::from_micros(i64::try_from(number).unwrap()).unwrap();
        let event = Event::builder().with("id", "1").with("source", "/s").with("type", "t").build().unwrap();
        let line = LogLine { at, stream: LogStream::Stdout, text: text.into() };
        logs.note(worker(number), AttemptId::new(Uuid::nil()), &event, &[line]);
    }

    fn texts(logs: &Logs, number: u128) -> Vec<String> {
        logs.follow(worker(number)).0.iter().map(|line| line.text.clone()).collect()
    }

    #[test]
    fn the_last_lines_of_each_worker_are_kept() {
        let logs = Logs::default();
        for number in 0..LINES + 5 {
            note(&logs, 1, &number.to_string());
        }
        note(&logs, 2, "other");
        let kept = texts(&logs, 1);
        assert_eq!((kept.len(), kept[0].as_str()), (LINES, "5"));
        assert_eq!(texts(&logs, 2), ["other"]);
    }

    #[test]
    fn the_bytes_are_bounded_for_each_and_for_all() {
        let (logs, long) = (Logs::default(), "x".repeat(BYTES / 2));
        for number in 0..200 {
            note(&logs, number, &long);
            note(&logs, number, &long);
        }
        assert_eq!(texts(&logs, 199).len(), 1, "two are one byte each too large");
        assert!(logs.rings().bytes <= ALL_BYTES);
        assert!(texts(&logs, 0).is_empty(), "the silent go first");
    }

    #[tokio::test]
    async fn who_follows_gets_what_comes_and_is_told_what_it_missed() {
        let logs = Logs::default();
        note(&logs, 1, "before");
        let (kept, mut lines) = logs.follow(worker(1));
        note(&logs, 1, "after");
        assert_eq!((kept.len(), lines.recv().await.unwrap().text.as_str()), (1, "after"));
        for _ in 0..BACKLOG + 3 {
            note(&logs, 1, "much");
        }
        assert_eq!(lines.recv().await, Err(broadcast::error::RecvError::Lagged(3)));
    }
}
