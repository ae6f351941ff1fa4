use proptest::prelude::*;
use workmanager_core_domain::{
    outcome::{Failure, FailureKind},
    units::Span,
};

use super::*;

fn failed(retryable: bool) -> Outcome {
    failed_by(FailureKind::Exception, retryable)
}

fn failed_by(kind: FailureKind, retryable: bool) -> Outcome {
    let message = "boom".to_owned();
    Outcome::Failed(Failure { kind, retryable, error_type: None, message, stack: None, errors: Vec::new() })
}

fn said(text: &str) -> String {
    text.to_owned()
}

fn after(outcome: &Outcome, before: Tries) -> Verdict {
    decide(outcome, before, Duration::ZERO, &Limits::default(), &Backoff::default(), 1.0)
}

#[test]
fn the_table_of_the_documentation() {
    let tries = |begun, counted| Tries { begun, counted, retries: 1 };
    let retry = |tries| Verdict::Retry { after: Duration::from_millis(200), tries };
    let table = [
        (Outcome::NoReply, Verdict::Settle),
        (failed(false), Verdict::DeadLetter { reason: Reason::NotRetryable }),
        (failed(true), retry(tries(1, 1))),
        (failed_by(FailureKind::ArtefactMissing, true), retry(tries(0, 0))),
        (Outcome::EngineLost { message: said("signal 9") }, retry(tries(1, 1))),
        (Outcome::TimedOut { limit: Duration::from_secs(30) }, retry(tries(1, 1))),
        (Outcome::Unknown { message: said("no final frame") }, retry(tries(1, 0))),
        (Outcome::Overloaded { message: said("no room") }, retry(tries(0, 0))),
    ];
    for (outcome, expected) in table {
        assert_eq!(after(&outcome, Tries::default()), expected, "{outcome:?}");
    }
}

#[test]
fn the_last_attempt_that_counts_is_the_last() {
    let before = |counted| Tries { begun: 40, counted, retries: 40 };
    assert!(matches!(after(&failed(true), before(3)), Verdict::Retry { .. }));
    assert_eq!(after(&failed(true), before(4)), Verdict::DeadLetter { reason: Reason::AttemptsExhausted });
    assert!(matches!(after(&Outcome::Overloaded { message: said("") }, before(4)), Verdict::Retry { .. }));
}

#[test]
fn no_retry_is_planned_that_would_be_too_old() {
    let limits = Limits { max_age: Span(Duration::from_secs(60)), ..Limits::default() };
    let at = |age| {
        let overloaded = Outcome::Overloaded { message: said("") };
        decide(&overloaded, Tries::default(), Duration::from_millis(age), &limits, &Backoff::default(), 1.0)
    };
    assert!(matches!(at(59_799), Verdict::Retry { .. }));
    assert_eq!(at(59_800), Verdict::DeadLetter { reason: Reason::TooOld });
}

#[test]
fn an_event_in_circles_or_too_old_is_refused_before_any_attempt() {
    let event = |hops: i32| {
        let event = Event::builder().with("id", "1").with("source", "/s").with("type", "t");
        event.with(reply::HOPS, hops).build().unwrap()
    };
    let limits = Limits::default();
    assert_eq!(refuse(&event(15), Duration::ZERO, &limits), None);
    assert_eq!(refuse(&event(16), Duration::ZERO, &limits), Some(Reason::Loop));
    assert_eq!(refuse(&event(0), limits.max_age.0, &limits), Some(Reason::TooOld));
}

#[test]
fn codes_that_do_not_count_are_those_of_the_table() {
    let outcomes = [
        failed(true),
        Outcome::EngineLost { message: said("") },
        Outcome::TimedOut { limit: Duration::ZERO },
        Outcome::Unknown { message: said("") },
        Outcome::Overloaded { message: said("") },
    ];
    for outcome in outcomes {
        let Verdict::Retry { tries, .. } = after(&outcome, Tries::default()) else { panic!("{outcome:?}") };
        assert_eq!(counts(outcome.code()), tries.counted == 1, "{outcome:?}");
    }
}

proptest! {
    #[test]
    fn a_wait_is_never_longer_than_the_cap_and_grows_up_to_it(retry in 0_u32..200, jitter in 0.0_f64..=1.0) {
        let backoff = Backoff::default();
        let (wait, longest) = (backoff.wait(retry, jitter), backoff.longest(retry));
        prop_assert!(wait <= longest);
        prop_assert!(longest <= backoff.cap);
        prop_assert!(longest >= backoff.base);
        prop_assert!(backoff.longest(retry + 1) >= longest);
        prop_assert_eq!(backoff.wait(retry, 1.0), longest);
    }

    #[test]
    fn whatever_the_jitter_a_retry_is_within_the_events_age(
        retries in 0_u32..64, age in 0_u64..30_000_000, jitter in -1.0_f64..2.0,
    ) {
        let (limits, age) = (Limits::default(), Duration::from_millis(age));
        let before = Tries { begun: 0, counted: 0, retries };
        let verdict = decide(&Outcome::Overloaded { message: String::new() }, before, age, &limits, &Backoff::default(), jitter);
        match verdict {
            Verdict::Retry { after, tries } => {
                prop_assert!(age + after < limits.max_age.0);
                prop_assert_eq!(tries.retries, retries + 1);
            }
            Verdict::DeadLetter { reason } => prop_assert_eq!(reason, Reason::TooOld),
            Verdict::Settle => prop_assert!(false, "an overloaded attempt is never done"),
        }
    }
}
