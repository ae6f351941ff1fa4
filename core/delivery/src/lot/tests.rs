//! Who is taken when.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;

fn worker(number: u8) -> WorkerId {
    WorkerId::new(Uuid::from_bytes([number; 16]))
}

fn key(id: &str) -> Key {
    Key::new(Collection::Parked, id)
}

fn start() -> Timestamp {
    "2026-11-25T10:00:00Z".parse().unwrap()
}

fn parked(holds: &[(u8, ParkReason, u64)]) -> Parked {
    let hold = |reason, seconds| Hold {
        reason,
        until: start().plus(Duration::from_secs(seconds)),
        reply: None,
        redrive: None,
    };
    let workers: BTreeMap<_, _> =
        holds.iter().map(|(number, reason, seconds)| (worker(*number), hold(*reason, *seconds))).collect();
    Parked { topic: "orders".parse().unwrap(), accepted_at: start(), position: 0, event: String::new(), workers }
}

/// Whether nothing is taken within a second of test time.
async fn nothing(lot: &Lot, roster: &Roster, now: u64) -> bool {
    let next = lot.next(roster, || Duration::from_secs(now));
    tokio::time::timeout(Duration::from_secs(1), next).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_time_is_taken_then_in_order_and_once() {
    let (lot, roster, began) = (Lot::new(Parking::default()), Roster::default(), Instant::now());
    let clocks = Clocks { now: start(), monotonic: Duration::from_secs(100) };
    lot.keep(&key("late"), &parked(&[(1, ParkReason::Retry, 20)]), clocks);
    lot.keep(&key("early"), &parked(&[(1, ParkReason::Retry, 10), (2, ParkReason::Retry, 15)]), clocks);
    let monotonic = || Duration::from_secs(100) + began.elapsed();
    assert_eq!(lot.next(&roster, monotonic).await, (key("early"), worker(1)));
    assert_eq!(began.elapsed().as_secs(), 10);
    // While it runs, its other part is not taken.
    assert_eq!(lot.next(&roster, monotonic).await, (key("late"), worker(1)));
    assert_eq!(began.elapsed().as_secs(), 20);
    assert!(nothing(&lot, &roster, 1_000).await);
    lot.release(&key("early"));
    lot.release(&key("late"));
    assert_eq!(lot.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_holds_up_nothing() {
    let (lot, roster) = (Lot::new(Parking::default()), Roster::default());
    let clocks = Clocks { now: start(), monotonic: Duration::from_secs(100) };
    lot.keep(&key("a"), &parked(&[(1, ParkReason::Retry, 10)]), clocks);
    // Whatever the wall clock says now, ten seconds have passed.
    assert_eq!(lot.next(&roster, || Duration::from_secs(110)).await.0, key("a"));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_anew_waits_anew() {
    let (lot, roster) = (Lot::new(Parking::default()), Roster::default());
    let clocks = Clocks { now: start(), monotonic: Duration::ZERO };
    lot.keep(&key("a"), &parked(&[(1, ParkReason::Redriven, 0)]), clocks);
    lot.keep(&key("a"), &parked(&[(1, ParkReason::Retry, 10)]), clocks);
    assert!(nothing(&lot, &roster, 9).await);
    assert_eq!(lot.next(&roster, || Duration::from_secs(10)).await.0, key("a"));
    assert!(nothing(&lot, &roster, 100).await);
}

#[tokio::test(start_paused = true)]
async fn a_lane_is_unblocked_by_the_one_before() {
    let (lot, roster) = (Lot::new(Parking::default()), Roster::default());
    let clocks = Clocks { now: start(), monotonic: Duration::ZERO };
    lot.keep(&key("second"), &parked(&[(1, ParkReason::LaneBusy, 1_000)]), clocks);
    assert!(nothing(&lot, &roster, 1).await);
    lot.unblock("second", worker(2));
    assert!(nothing(&lot, &roster, 1).await, "another worker's lane");
    lot.unblock("second", worker(1));
    assert_eq!(lot.next(&roster, || Duration::from_secs(1)).await.0, key("second"));
}
