//! No function process outlives its control plane, however early that one dies.

use workmanager_core_domain::ports::Clock as _;
use workmanager_core_kit::SystemClock;
use workmanager_tests_chaos::{History, Lab, Publication, oracle};

/// How often the control plane is killed; most of the time it has been soon enough by then.
const KILLS: usize = 40;

#[test]
fn a_function_whose_control_plane_dies_at_once_does_not_stay() {
    let (lab, mut history) = (Lab::open(None), History::default());
    // What is not acknowledged makes every control plane start a function process.
    let answer = lab.publish(1, 500, 0).expect("the control plane answers");
    assert_eq!(answer.status, 202, "{}", answer.text);
    history.publications.push(Publication { event: 1, tries: 1, accepted: Some(SystemClock::new().now()) });
    for _ in 0..KILLS {
        lab.kill_with_newborn();
    }
    lab.quiet();
    let _logs = lab.close(&mut history);
    assert_eq!(oracle::judge(&history).violations, []);
}
