//! What workers wrote lately. In memory, bounded, and gone with the program: an event's record keeps
//! the last lines of its attempts.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;
use workmanager_core_domain::{
    AttemptId, Event, Timestamp, WorkerId,
    outcome::{LogLine, LogStream},
};

/// Most lines that are kept for one worker.
const LINES: usize = 1_000;
/// Most bytes that are kept for one worker, each line's frame counted.
const BYTES: usize = 256 << 10;
/// Most bytes that are kept in all.
const ALL_BYTES: usize = 16 << 20;
/// How many lines of its worker a slow reader may be behind before it misses some.
const BACKLOG: usize = 1_024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
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

impl Line {
    /// What it costs to keep it.
    const fn size(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }
}

/// The lines of all workers.
#[derive(Debug, Default)]
pub struct Logs {
    rings: Mutex<Rings>,
}

#[derive(Debug, Default)]
struct Rings {
    of: HashMap<WorkerId, Ring>,
    /// Who wrote when, the most silent first.
    turns: BTreeMap<u64, WorkerId>,
    turn: u64,
    /// Who is read now. Their lines go to their own readers only.
    readers: HashMap<WorkerId, broadcast::Sender<Arc<Line>>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<Line>>,
    bytes: usize,
    turn: u64,
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
        let line = |LogLine { at, stream, text }: &LogLine| {
            Arc::new(Line { at: *at, attempt, event: event.clone(), stream: *stream, text: text.clone() })
        };
        let lines: Vec<_> = lines.iter().map(line).collect();
        self.rings().push(worker, lines);
    }

    /// What is kept of a worker, oldest first, and what comes from now on: no line is in both.
    #[must_use]
    pub fn follow(&self, worker: WorkerId) -> (Vec<Arc<Line>>, broadcast::Receiver<Arc<Line>>) {
        let mut rings = self.rings();
        rings.readers.retain(|_, readers| readers.receiver_count() > 0);
        let readers = rings.readers.entry(worker).or_insert_with(|| broadcast::Sender::new(BACKLOG)).subscribe();
        (rings.kept(worker), readers)
    }

    /// What is kept of a worker, oldest first.
    #[must_use]
    pub fn kept(&self, worker: WorkerId) -> Vec<Arc<Line>> {
        self.rings().kept(worker)
    }
}

impl Rings {
    fn kept(&self, worker: WorkerId) -> Vec<Arc<Line>> {
        self.of.get(&worker).map(|ring| ring.lines.iter().cloned().collect()).unwrap_or_default()
    }

    fn push(&mut self, worker: WorkerId, lines: Vec<Arc<Line>>) {
        if let Some(readers) = self.readers.get(&worker) {
            for line in &lines {
                // Nobody reading any more is fine.
                let _ = readers.send(line.clone());
            }
        }
        self.turn += 1;
        let ring = self.of.entry(worker).or_default();
        self.turns.remove(&ring.turn);
        ring.turn = self.turn;
        self.turns.insert(self.turn, worker);
        let before = ring.bytes;
        for line in lines {
            ring.push(line);
        }
        self.bytes = self.bytes - before + ring.bytes;
        while self.bytes > ALL_BYTES {
            self.forget_the_most_silent();
        }
    }

    fn forget_the_most_silent(&mut self) {
        let silent = self.turns.pop_first().and_then(|(_, worker)| self.of.remove(&worker));
        // What is counted is in some ring, so none left is none counted.
        self.bytes = silent.map_or(0, |ring| self.bytes - ring.bytes);
    }
}

impl Ring {
    fn push(&mut self, line: Arc<Line>) {
        self.bytes += line.size();
        self.lines.push_back(line);
        while self.lines.len() > LINES || (self.bytes > BYTES && self.lines.len() > 1) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.size());
        }
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
        let at = Timestamp::from_micros(1).unwrap();
        let event = Event::builder().with("id", "1").with("source", "/s").with("type", "t").build().unwrap();
        let line = LogLine { at, stream: LogStream::Stdout, text: text.into() };
        logs.note(worker(number), AttemptId::new(Uuid::nil()), &event, &[line]);
    }

    fn texts(logs: &Logs, number: u128) -> Vec<String> {
        logs.kept(worker(number)).iter().map(|line| line.text.clone()).collect()
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
        note(&logs, 0, "early, but not silent");
        for number in 1..200 {
            note(&logs, number, &long);
            note(&logs, number, &long);
            note(&logs, 0, "still there");
        }
        assert_eq!(texts(&logs, 199).len(), 1, "two are too large with their frames");
        assert_eq!(texts(&logs, 0).len(), 200, "who writes is not forgotten");
        assert!(texts(&logs, 1).is_empty(), "the silent go first");
        let rings = logs.rings();
        let counted: usize = rings.of.values().flat_map(|ring| &ring.lines).map(|line| line.size()).sum();
        assert_eq!((rings.bytes, rings.turns.len()), (counted, rings.of.len()));
        assert!(counted <= ALL_BYTES);
    }

    #[tokio::test]
    async fn who_follows_gets_what_comes_and_is_told_what_it_missed() {
        let logs = Logs::default();
        note(&logs, 1, "before");
        let (kept, mut lines) = logs.follow(worker(1));
        note(&logs, 1, "after");
        assert_eq!((kept.len(), lines.recv().await.unwrap().text.as_str()), (1, "after"));
        for _ in 0..BACKLOG + 3 {
            note(&logs, 2, "of another, which nobody misses");
            note(&logs, 1, "much");
        }
        assert_eq!(lines.recv().await, Err(broadcast::error::RecvError::Lagged(3)));
    }

    #[test]
    fn who_is_not_read_any_more_is_forgotten_as_a_reader() {
        let logs = Logs::default();
        drop(logs.follow(worker(1)));
        let _read = logs.follow(worker(2));
        assert_eq!(logs.rings().readers.len(), 1);
    }
}
