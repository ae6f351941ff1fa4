//! What is an orphan and what is not, where every child that nobody knows is one. A process of its own: that holds for
//! all that it starts.

use std::{os::unix::process::ExitStatusExt as _, process::Command, time::Duration};

use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Child, Errand, own_all_children};

const LONG: Duration = Duration::from_secs(30);

fn sleep(seconds: &str) -> Command {
    let mut command = Command::new("sleep");
    command.arg(seconds);
    command
}

#[tokio::test]
async fn a_program_of_ours_outlives_the_sweep_at_the_end_of_a_process() {
    own_all_children().unwrap();
    let tasks = Tasks::new();
    let errand = Errand::start(sleep("600")).unwrap();
    let mut stranger = sleep("600").spawn().unwrap();
    let engine = Child::start(sleep("0"), &tasks).unwrap();
    assert!(engine.ended(LONG).await.is_some());
    // It was swept, so the sweep has been there.
    let swept = tokio::task::spawn_blocking(move || stranger.wait()).await.unwrap();
    assert!(swept.map_or(true, |status| status.signal() == Some(9)));
    let ended = tokio::task::spawn_blocking(move || errand.wait(Duration::from_millis(50))).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::TimedOut, "it was killed");
}
