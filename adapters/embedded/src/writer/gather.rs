//! Who shares a transaction.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use super::{Message, Queued};

/// How many operations share one transaction.
const GROUP: usize = 512;
/// A group is closed when its operations write this many bytes.
const GROUP_BYTES: usize = 8 << 20;
/// A group waits for others at most this part of what its commit takes, so nobody waits much longer.
const WAIT_PART: u32 = 4;
/// And at most this long.
const LONGEST_WAIT: Duration = Duration::from_millis(1);

/// What is to be written, in the order it came.
pub(super) struct Queue {
    messages: Receiver<Message>,
    /// How many were in the last group: they have their answers now, and come again soon.
    expected: usize,
    wait: Duration,
}

/// What goes into one transaction.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) group: Vec<Queued>,
    /// Nothing comes after it.
    pub(super) end: bool,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(messages: Receiver<Message>) -> Self {
        Self { messages, expected: 0, wait: Duration::ZERO }
    }

    /// Waits for the first, up to `patience`, and takes all that wait with it.
    ///
    /// If the last group was larger, this one waits a little for those who were in it. Without that,
    /// the first to come again would have a sync for himself, and all others would wait for it.
    pub(super) fn gather(&mut self, patience: Duration) -> Gathered {
        let mut gathered = Gathered::default();
        match self.messages.recv_timeout(patience) {
            Ok(first) => gathered.add(first),
            Err(RecvTimeoutError::Timeout) => return gathered,
            Err(RecvTimeoutError::Disconnected) => gathered.end = true,
        }
        self.take_waiting(&mut gathered);
        let until = Instant::now() + self.wait;
        while gathered.group.len() < self.expected && !gathered.is_full() && !gathered.end {
            match self.messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(message) => gathered.add(message),
                Err(_) => break,
            }
        }
        self.take_waiting(&mut gathered);
        gathered
    }

    /// Says how the last group went.
    pub(super) fn committed(&mut self, operations: usize, took: Duration) {
        self.expected = operations;
        self.wait = (took / WAIT_PART).min(LONGEST_WAIT);
    }

    /// Nothing is let in after the message to close, so what is behind it is all there is: it comes
    /// into this group, however large.
    fn take_waiting(&self, gathered: &mut Gathered) {
        while gathered.end || !gathered.is_full() {
            match self.messages.try_recv() {
                Ok(message) => gathered.add(message),
                Err(_) => return,
            }
        }
    }
}

impl Gathered {
    fn add(&mut self, message: Message) {
        match message {
            Message::Write(queued) => {
                self.bytes += queued.job.size();
                self.group.push(queued);
            }
            Message::Close => self.end = true,
        }
    }

    fn is_full(&self) -> bool {
        self.group.len() >= GROUP || self.bytes >= GROUP_BYTES
    }
}
