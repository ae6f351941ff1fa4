//! When a worker gets a pause.

use uuid::Uuid;
use workmanager_core_domain::Outcome;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn circuits() -> (Circuits, WorkerId) {
    let circuit = Circuit { deaths: 3, window: 1_000 * MS, pause: 100 * MS, longest: 300 * MS };
    (Circuits::new(circuit), WorkerId::new(Uuid::nil()))
}

fn lost() -> Outcome {
    Outcome::EngineLost { message: "killed".into() }
}

#[test]
fn only_deaths_in_a_row_and_close_together_open_it() {
    let (circuits, worker) = circuits();
    for (at, outcome, pause) in [
        (0, lost(), None),
        (1, lost(), None),
        (2, Outcome::NoReply, None),
        (3, lost(), None),
        (4, Outcome::Overloaded { message: "no room".into() }, None),
        (5, lost(), None),
        (2_000, lost(), None),
        (2_001, lost(), None),
        (2_002, Outcome::Unknown { message: "gone".into() }, Some(100 * MS)),
    ] {
        assert_eq!(circuits.note(worker, &outcome, at * MS), pause, "at {at}: {outcome:?}");
    }
}

#[test]
fn after_a_pause_one_attempt_is_tried_and_decides() {
    let (circuits, worker) = circuits();
    for at in 0..3 {
        circuits.note(worker, &lost(), at * MS);
    }
    assert_eq!(circuits.ask(worker, 50 * MS), Leave::In(52 * MS));
    assert_eq!(circuits.note(worker, &lost(), 60 * MS), None, "it had begun before");
    assert_eq!(circuits.ask(worker, 102 * MS), Leave::Granted);
    assert_eq!(circuits.ask(worker, 103 * MS), Leave::In(99 * MS), "one at a time");
    assert_eq!(circuits.note(worker, &lost(), 110 * MS), Some(200 * MS));
    assert_eq!(circuits.ask(worker, 310 * MS), Leave::Granted);
    assert_eq!(circuits.note(worker, &lost(), 310 * MS), Some(300 * MS), "not longer than the longest");
    assert_eq!(circuits.pause(worker, 400 * MS), Some(210 * MS));
    assert_eq!(circuits.ask(worker, 610 * MS), Leave::Granted);
    assert_eq!(circuits.note(worker, &Outcome::NoReply, 611 * MS), None);
    assert_eq!((circuits.ask(worker, 612 * MS), circuits.pause(worker, 612 * MS)), (Leave::Granted, None));
}
