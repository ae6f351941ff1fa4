//! Nothing is lost and nothing is done twice without a reason while processes are killed and stopped.

use workmanager_tests_chaos::{Mix, Options, Settings, Target, run};

fn settings(events: u64, mix: Mix) -> Settings {
    let options = Options::read();
    let (seed, events) = (options.seed(), options.events.unwrap_or(events));
    Settings { seed, events, mix, report: options.report }
}

#[test]
fn events_survive_the_kill_of_every_process() {
    let outcome = run(&settings(2_000, Mix::everything()));
    outcome.expect_clean();
    for target in Target::ALL {
        assert!(outcome.summary.kills.contains_key(&target), "no {target} was killed: {}", outcome.summary);
    }
    assert!(!outcome.judgement.duplicates.is_empty(), "nothing was interrupted: {}", outcome.summary);
}

#[test]
#[ignore = "the long form of the test above; takes minutes"]
fn ten_thousand_events_survive_the_kill_of_every_process() {
    run(&settings(10_000, Mix::everything())).expect_clean();
}

#[test]
fn a_function_that_lost_many_workers_has_no_more_descriptors_than_before() {
    let outcome = run(&settings(500, Mix::workers()));
    outcome.expect_clean();
    let lived: Vec<_> = outcome.history.descriptors.iter().map(|found| found.process).collect();
    assert_eq!(lived, ["the control plane", "the function"], "both live through it");
}
