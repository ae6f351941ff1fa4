//! Whose turn it is.

use std::time::Duration;

use futures_util::FutureExt as _;
use uuid::Uuid;

use super::*;

fn turn(position: u64) -> Turn {
    Turn { accepted_at: "2026-11-25T10:00:00Z".parse().unwrap(), position, id: Some(position.to_string().into()) }
}

#[tokio::test]
async fn it_is_the_turn_of_the_first_and_of_those_who_do_not_stand_in_line() {
    let (lanes, worker) = (Lanes::default(), WorkerId::new(Uuid::nil()));
    let (lane, other) = (Lane::Key("k".into()), Lane::Key("other".into()));
    for position in [2, 1, 3] {
        lanes.enter(worker, &lane, &turn(position));
    }
    lanes.enter(worker, &other, &turn(9));
    let is_first = |position| lanes.turn(worker, &lane, &turn(position)).now_or_never().is_some();
    assert_eq!([is_first(1), is_first(2), is_first(3), is_first(4)], [true, false, false, true]);
    assert!(lanes.turn(worker, &other, &turn(9)).now_or_never().is_some());
    assert!(lanes.turn(worker, &Lane::None, &turn(2)).now_or_never().is_some());

    let second = turn(2);
    let mut waiting = Box::pin(lanes.turn(worker, &lane, &second));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!(lanes.leave(worker, &lane, &turn(3)), None, "the first has not changed");
    assert_eq!(lanes.leave(worker, &lane, &turn(1)), Some(turn(2)));
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap();
    assert_eq!(lanes.leave(worker, &lane, &turn(2)), None);
    assert_eq!(lanes.rows().len(), 1, "an empty lane is forgotten");
}
