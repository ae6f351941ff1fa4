//! Publishers that do not give up: an event that was not answered is sent again under its id.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use workmanager_core_domain::ports::Clock as _;
use workmanager_core_kit::SystemClock;

use crate::{
    client::Client,
    history::Publication,
    workload::{self, TOPIC},
};

/// How many publish at the same time.
const PUBLISHERS: usize = 8;
/// Before an event is sent again.
const PAUSE: Duration = Duration::from_millis(20);

/// What is published, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many events, numbered from 1 on.
    pub(crate) events: u64,
    /// From one event to the next, over all publishers.
    pub(crate) pace: Duration,
    /// When even the most patient give up.
    pub(crate) deadline: Instant,
}

/// Publishing threads.
#[derive(Debug)]
pub(crate) struct Publishers(Vec<JoinHandle<Vec<Publication>>>);

impl Publishers {
    pub(crate) fn start(port: u16, load: Load) -> Self {
        let (next, begun) = (Arc::new(AtomicU64::new(1)), Instant::now());
        let threads = (0..PUBLISHERS).map(|_| {
            let (client, next) = (Client::new(port), next.clone());
            std::thread::spawn(move || publish_all(&client, &next, load, begun))
        });
        Self(threads.collect())
    }

    /// Waits until they are through.
    pub(crate) fn finish(self) -> Vec<Publication> {
        let ended = self.0.into_iter().map(|thread| thread.join().expect("a publisher does not panic"));
        ended.flatten().collect()
    }
}

fn publish_all(client: &Client, next: &AtomicU64, load: Load, begun: Instant) -> Vec<Publication> {
    let mut publications = Vec::new();
    loop {
        let event = next.fetch_add(1, Ordering::Relaxed);
        if event > load.events || Instant::now() > load.deadline {
            return publications;
        }
        let due = begun + load.pace.mul_f64(event as f64);
        pause(due.saturating_duration_since(Instant::now()));
        publications.push(publish(client, event, load.deadline));
    }
}

fn publish(client: &Client, event: u64, deadline: Instant) -> Publication {
    let data = workload::data(event, 2 + event % 10 * 2, 0);
    let mut publication = Publication { event, tries: 0, accepted: None };
    while Instant::now() < deadline {
        publication.tries += 1;
        match client.publish(TOPIC, &event.to_string(), &data) {
            Some(answer) if answer.status == 202 => {
                publication.accepted = Some(SystemClock::new().now());
                break;
            }
            Some(answer) if answer.status == 503 => pause(PAUSE),
            Some(answer) => panic!("event {event} was refused: {} {}", answer.status, answer.text),
            None => pause(PAUSE),
        }
    }
    publication
}

/// Nobody unparks: it is the clock that is waited for.
fn pause(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
