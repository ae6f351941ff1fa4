use std::{collections::BTreeMap, time::Duration};

use workmanager_core_domain::{
    AttemptId, DeadLetterId, Digest, EventRecord, Timestamp, WorkerId,
    dead_letter::Reason,
    event_record::{AttemptRecord, ReplyRecord, Track, TrackState},
    ports::Ids as _,
};
use workmanager_core_kit::UuidV7;

use super::*;
use crate::{
    fault::{Fault, Kind, Target},
    history::{Death, Descriptors, Publication},
};

const AUDIT: Expected = Expected { name: "audit", replies: false };
const ANSWER: Expected = Expected { name: "answer", replies: true };
const PLANE: u32 = 10;
const FUNCTION: u32 = 20;
const CHILD: u32 = 30;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_micros(1_000_000_000 + millis * 1000).unwrap()
}

fn attempt(number: u32, from: i64, to: i64) -> AttemptRecord {
    AttemptRecord {
        id: AttemptId::new(UuidV7.next()),
        number,
        version: 1,
        digest: Digest::of(b"code"),
        started_at: at(from),
        duration: Duration::from_millis(u64::try_from(to - from).unwrap()),
        outcome: "replied".into(),
        message: String::new(),
        log_tail: Vec::new(),
    }
}

fn run(worker: &Expected, attempt: u32, process: u32, from: i64, to: Option<i64>) -> Execution {
    let (started, finished) = (at(from), to.map(at));
    Execution { event: 1, worker: worker.name.into(), attempt, process, function: FUNCTION, started, finished }
}

fn kill(target: Target, pid: u32, millis: i64) -> Fault {
    Fault { at: at(millis), target, pid, kind: Kind::Kill }
}

fn done(worker: &Expected, attempts: Vec<AttemptRecord>) -> (WorkerId, Track) {
    let reply =
        ReplyRecord { id: "reply-1".into(), kind: "t".into(), topic: "replies".parse().ok(), kept: None, note: None };
    let state = TrackState::Done { reply: worker.replies.then_some(reply) };
    let track = Track { worker: worker.name.into(), attempts, redriven_at: None, state };
    (WorkerId::new(UuidV7.next()), track)
}

/// One event that both workers ran once, from 100 to 110 and from 120 to 130.
fn good() -> History {
    let workers = [done(&AUDIT, vec![attempt(1, 99, 111)]), done(&ANSWER, vec![attempt(1, 119, 131)])];
    let record = EventRecord {
        source: "/chaos".into(),
        id: "1".into(),
        kind: "test".into(),
        topic: "work".parse().unwrap(),
        accepted_at: at(90),
        finished_at: Some(at(132)),
        duplicates: 0,
        workers: BTreeMap::from(workers),
    };
    History {
        workers: vec![AUDIT, ANSWER],
        publications: vec![Publication { event: 1, tries: 1, accepted: Some(at(90)) }],
        records: vec![record],
        executions: vec![run(&AUDIT, 1, CHILD, 100, Some(110)), run(&ANSWER, 1, CHILD + 1, 120, Some(130))],
        replies: vec![Reply { id: "reply-1".into(), event: 1, attempt: 1, position: 5, time: at(131) }],
        homes: HashMap::from([(FUNCTION, PLANE)]),
        ..History::default()
    }
}

fn state<'h>(history: &'h mut History, worker: &Expected) -> &'h mut TrackState {
    let tracks = history.records[0].workers.values_mut();
    &mut tracks.into_iter().find(|track| track.worker == worker.name).unwrap().state
}

#[track_caller]
fn blamed(change: impl FnOnce(&mut History)) -> Violation {
    let mut history = good();
    change(&mut history);
    let mut violations = judge(&history).violations;
    assert_eq!(violations.len(), 1, "{violations:?}");
    violations.remove(0)
}

#[test]
fn a_good_history_is_good() {
    let judgement = judge(&good());
    assert_eq!(judgement.violations, []);
    assert_eq!((judgement.duplicates.len(), judgement.duplicate_replies), (0, 0));
}

#[test]
fn an_accepted_event_without_a_record_is_lost_and_one_that_was_not_answered_is_not() {
    let publication = |accepted| Publication { event: 2, tries: 3, accepted };
    let lost = blamed(|history| history.publications.push(publication(Some(at(90)))));
    assert!(matches!(lost, Violation::Lost { event: 2, .. }), "{lost}");
    let mut history = good();
    history.publications.push(publication(None));
    assert_eq!(judge(&history).violations, []);
}

#[test]
fn an_event_without_a_terminal_state_is_lost_even_if_nobody_was_answered() {
    let open = blamed(|history| {
        *state(history, &AUDIT) = TrackState::Open;
        history.publications[0].accepted = None;
    });
    assert!(matches!(open, Violation::Lost { event: 1, .. }), "{open}");
    let missing = blamed(|history| history.records[0].workers.retain(|_, track| track.worker != AUDIT.name));
    assert!(matches!(missing, Violation::Lost { event: 1, .. }), "{missing}");
    let stuck = blamed(|history| history.stuck.push("a parked delivery".into()));
    assert!(matches!(stuck, Violation::Stuck { .. }), "{stuck}");
}

#[test]
fn a_dead_letter_is_not_what_was_asked_for() {
    let given_up = blamed(|history| {
        let dead_letter = DeadLetterId::new(UuidV7.next());
        *state(history, &AUDIT) = TrackState::DeadLettered { reason: Reason::TooOld, dead_letter };
    });
    assert!(matches!(given_up, Violation::GivenUp { event: 1, worker: "audit", .. }), "{given_up}");
}

#[test]
fn a_success_that_nobody_ran_is_seen() {
    let never = blamed(|history| history.executions.retain(|run| run.worker != AUDIT.name));
    assert!(matches!(never, Violation::NeverRan { event: 1, worker: "audit", .. }), "{never}");
    let unfinished = blamed(|history| history.executions[0].finished = None);
    assert!(matches!(unfinished, Violation::NeverRan { .. }), "{unfinished}");
    let later = blamed(|history| history.executions[0].finished = Some(at(150)));
    assert!(matches!(later, Violation::NeverRan { .. }), "{later}");
    let other = blamed(|history| history.executions[0].attempt = 2);
    assert!(matches!(other, Violation::NeverRan { .. }), "{other}");
}

#[test]
fn a_kill_on_its_path_explains_a_duplicate_and_nothing_else_does() {
    let faults = [
        (Target::Child, CHILD + 5, 60, true),
        (Target::Function, FUNCTION, 60, true),
        (Target::ControlPlane, PLANE, 60, true),
        // Hit before its first line reached us, as a control plane's death takes its time.
        (Target::ControlPlane, PLANE, 49, true),
        (Target::Child, CHILD + 6, 60, false),
        (Target::Function, FUNCTION + 1, 60, false),
        (Target::ControlPlane, PLANE + 1, 60, false),
        (Target::Zygote, FUNCTION + 9, 60, false),
        // Too late.
        (Target::Child, CHILD + 5, 105, false),
        (Target::Function, FUNCTION, 105, false),
    ];
    for (target, pid, millis, explains) in faults {
        let mut history = good();
        history.executions.push(run(&AUDIT, 1, CHILD + 5, 50, None));
        history.faults = vec![kill(target, pid, millis)];
        let judgement = judge(&history);
        let duplicates: Vec<_> = judgement.duplicates.iter().map(|duplicate| duplicate.killed).collect();
        assert_eq!(duplicates == [target], explains, "{target} {pid} at {millis}: {judgement:?}");
        let again = matches!(judgement.violations[..], [Violation::RunAgain { .. }]);
        assert_eq!(again, !explains, "{target} {pid} at {millis}: {judgement:?}");
    }
}

#[test]
fn a_pause_explains_no_duplicate() {
    let again = blamed(|history| {
        history.executions.push(run(&AUDIT, 1, CHILD + 5, 50, None));
        history.faults = vec![Fault { kind: Kind::Pause { millis: 800 }, ..kill(Target::Child, CHILD + 5, 60) }];
    });
    assert!(matches!(again, Violation::RunAgain { .. }), "{again}");
}

#[test]
fn a_child_that_had_gone_on_to_another_event_had_answered() {
    let again = blamed(|history| {
        history.publications.push(Publication { event: 2, tries: 1, accepted: None });
        history.executions.push(run(&AUDIT, 1, CHILD + 5, 50, Some(55)));
        history.executions.push(Execution { event: 2, ..run(&AUDIT, 1, CHILD + 5, 56, None) });
        history.faults = vec![kill(Target::Child, CHILD + 5, 60)];
    });
    assert!(matches!(again, Violation::RunAgain { .. }), "{again}");
}

#[test]
fn nothing_runs_after_the_outcome_or_twice_at_the_same_time() {
    let mut late = good();
    late.executions.push(run(&AUDIT, 2, CHILD + 5, 140, Some(150)));
    late.faults = vec![kill(Target::Function, FUNCTION, 139)];
    let violations = judge(&late).violations;
    assert!(matches!(violations[..], [Violation::RunAfterItsEnd { .. }]), "{violations:?}");

    let mut overlap = good();
    overlap.executions.push(run(&AUDIT, 1, CHILD + 5, 95, Some(105)));
    overlap.faults = vec![kill(Target::Function, FUNCTION, 97)];
    let violations = judge(&overlap).violations;
    assert!(matches!(violations[..], [Violation::Overlap { event: 1, .. }]), "{violations:?}");
}

#[test]
fn every_reply_is_published_once() {
    let missing = blamed(|history| history.replies.clear());
    assert!(matches!(missing, Violation::ReplyMissing { event: 1, .. }), "{missing}");
    let other = blamed(|history| history.replies[0].attempt = 7);
    assert!(matches!(other, Violation::ReplyMissing { event: 1, .. }), "{other}");
    let again = |history: &mut History| {
        history.replies.push(Reply { position: 6, time: at(141), ..history.replies[0].clone() });
    };
    let violation = blamed(again);
    assert!(matches!(violation, Violation::ReplyAgain { event: 1, .. }), "{violation}");
    let mut explained = good();
    again(&mut explained);
    explained.faults = vec![kill(Target::ControlPlane, PLANE, 135)];
    let judgement = judge(&explained);
    assert_eq!((judgement.violations, judgement.duplicate_replies), (vec![], 1));
    let nothing = blamed(|history| {
        history.replies.push(Reply { id: "reply-9".into(), ..history.replies[0].clone() });
    });
    assert!(matches!(nothing, Violation::ReplyOfNothing { event: 1, .. }), "{nothing}");
    let kept = blamed(|history| {
        let TrackState::Done { reply: Some(reply) } = state(history, &ANSWER).clone() else { unreachable!() };
        *state(history, &AUDIT) = TrackState::Done { reply: Some(ReplyRecord { topic: None, ..reply }) };
    });
    assert!(matches!(kept, Violation::WrongReply { event: 1, worker: "audit" }), "{kept}");
}

#[test]
fn what_nobody_published_is_seen_wherever_it_is() {
    let mut history = good();
    history.publications.clear();
    let violations = judge(&history).violations;
    let mut seen: Vec<_> = violations
        .iter()
        .map(|violation| match violation {
            Violation::NeverPublished { seen, .. } => *seen,
            other => panic!("{other}"),
        })
        .collect();
    seen.dedup();
    assert_eq!(seen, ["the store", "the sink", "the reply topic"]);
}

#[test]
fn whoever_died_by_itself_or_is_left_is_named() {
    let death = Death { pid: PLANE, status: "signal: 11".into() };
    let died = blamed(|history| history.deaths.push(death.clone()));
    assert!(matches!(died, Violation::Died { .. }), "{died}");
    let mut killed = good();
    killed.deaths.push(death);
    killed.faults = vec![kill(Target::ControlPlane, PLANE, 200)];
    assert_eq!(judge(&killed).violations, []);
    let left = blamed(|history| history.leftovers.push("process 77".into()));
    assert!(matches!(left, Violation::Left { .. }), "{left}");
    let homeless = blamed(|history| history.homes.clear());
    assert!(matches!(homeless, Violation::NoHome { function: FUNCTION }), "{homeless}");
    let counted = |after| Descriptors { process: "function", before: 30, after };
    let more = blamed(|history| history.descriptors.push(counted(60)));
    assert!(matches!(more, Violation::Descriptors { .. }), "{more}");
    let mut same = good();
    same.descriptors.push(counted(31));
    assert_eq!(judge(&same).violations, []);
}
