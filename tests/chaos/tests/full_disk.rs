//! A disk that is full stops the intake, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{collections::BTreeSet, time::Duration};

use workmanager_core_domain::ports::Clock as _;
use workmanager_core_kit::SystemClock;
use workmanager_tests_chaos::{Answer, History, Lab, Publication, Tmpfs, oracle};
use workmanager_tests_e2e::{skip, within};

/// What is taken from the disk at first, and given back at last.
const BALLAST: usize = 12 << 20;
/// Large enough that a few hundred fill the disk.
const LARGE: usize = 64 << 10;
/// Publishes after the first that was refused.
const REFUSED: u64 = 100;

/// Publishes numbered events, and remembers what was answered.
struct Publisher<'l> {
    lab: &'l Lab,
    history: History,
}

impl Publisher<'_> {
    fn publish(&mut self, padding: usize) -> Answer {
        let event = self.history.publications.len() as u64 + 1;
        // The workers are slower than the publisher: outcomes become due while the disk is full.
        let answer = self.lab.publish(event, 20, padding).unwrap();
        let accepted = (answer.status == 202).then(|| SystemClock::new().now());
        self.history.publications.push(Publication { event, tries: 1, accepted });
        answer
    }
}

#[test]
fn a_full_disk_refuses_events_loses_none_and_heals_when_there_is_room_again() {
    let Some(disk) = Tmpfs::mount("32m") else {
        return skip("mount", "a tmpfs cannot be mounted without leave to");
    };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; BALLAST]).unwrap();
    let lab = Lab::open(Some(disk.path().join("data")));
    let mut publisher = Publisher { lab: &lab, history: History::default() };

    let mut refusals = BTreeSet::new();
    while refusals.is_empty() {
        let answer = publisher.publish(LARGE);
        if answer.status != 202 {
            refusals.insert((answer.status, answer.code()));
        }
        assert!(publisher.history.publications.len() < 1_000, "the disk does not fill");
    }
    let accepted = publisher.history.publications.len() - 1;
    assert!(lab.finished() < accepted * 2, "no outcome is due any more");
    // Small ones find room for longer.
    for number in 0..REFUSED {
        let answer = publisher.publish(if number % 2 == 0 { LARGE } else { 0 });
        if answer.status != 202 {
            refusals.insert((answer.status, answer.code()));
        }
    }
    for (status, code) in &refusals {
        assert!(*status == 503 && ["store-full", "bus-full"].contains(&code.as_str()), "{refusals:?}");
    }
    assert_eq!(lab.client().get("/health/live").unwrap().status, 200);
    // There is a reserve for the outcomes of what was taken in before.
    let taken = publisher.history.publications.iter().filter(|publication| publication.accepted.is_some()).count();
    within(Duration::from_secs(60), "what was accepted is done while the disk is full", || {
        (lab.finished() == taken * 2).then_some(())
    });

    std::fs::remove_file(&ballast).unwrap();
    within(Duration::from_secs(10), "events are taken again", || {
        (publisher.publish(LARGE).status == 202).then_some(())
    });
    let mut history = publisher.history;
    lab.quiet();
    let _logs = lab.close(&mut history);
    assert_eq!(oracle::judge(&history).violations, []);
}
