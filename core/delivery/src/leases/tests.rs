//! Two replicas and one store.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use workmanager_adapters_embedded::{Config, Location, Store};

/// A clock whose monotonic side is set by hand.
#[derive(Default)]
struct HandClock(AtomicU64);

/// Of a group that had no lease before.
const FIRST: u64 = 1_795_600_800_000_000;

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        start.plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

struct Two {
    clock: Arc<HandClock>,
    one: Leases,
    other: Leases,
    group: GroupName,
}

const TIMEOUT: Duration = Duration::from_secs(30);

fn two() -> Two {
    let clock = Arc::new(HandClock::default());
    let store = Arc::new(Store::open(Config::new(Location::Ephemeral), clock.clone()).unwrap());
    let leases = |name: &str| Leases::new(store.clone(), clock.clone(), name.into());
    Two { one: leases("one"), other: leases("other"), clock, group: "g".parse().unwrap() }
}

impl Two {
    fn at(&self, seconds: u64) {
        self.clock.0.store(seconds, Ordering::SeqCst);
    }

    async fn epoch(&self, leases: &Leases) -> Option<u64> {
        match leases.take(&self.group, TIMEOUT).await {
            Ok(held) => Some(held.epoch),
            Err(Busy::Held(_)) => None,
            Err(Busy::Store(error)) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_lease_is_taken_over_only_after_a_whole_life_in_which_it_did_not_change() {
    let two = two();
    assert_eq!(two.epoch(&two.one).await, Some(FIRST));
    assert_eq!(two.epoch(&two.other).await, None);
    two.at(20);
    // Renewed under the same epoch, because what is left does not cover an attempt.
    assert_eq!(two.epoch(&two.one).await, Some(FIRST));
    two.at(41);
    assert_eq!(two.epoch(&two.other).await, None, "it has changed since it was seen");
    two.at(80);
    assert_eq!(two.epoch(&two.other).await, None);
    two.at(81);
    assert_eq!(two.epoch(&two.other).await, Some(FIRST + 1));
    assert_eq!(two.epoch(&two.one).await, None, "it is another's now");
}

#[tokio::test]
async fn a_lease_that_covers_the_attempt_costs_no_write_and_is_held_by_one_at_a_time() {
    let two = two();
    let held = two.one.take(&two.group, TIMEOUT).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(20), two.one.take(&two.group, TIMEOUT)).await;
    assert!(waits.is_err(), "one attempt at a time");
    let guard = held.guard.clone();
    drop(held);
    two.at(5);
    assert_eq!(two.one.take(&two.group, TIMEOUT).await.unwrap().guard, guard);
}

#[tokio::test]
async fn an_earlier_life_of_this_replica_is_followed_at_once_by_a_higher_epoch() {
    let two = two();
    assert_eq!(two.epoch(&two.one).await, Some(FIRST));
    let again = Leases::new(two.one.records.clone(), two.clock.clone(), "one".into());
    assert_eq!(two.epoch(&again).await, Some(FIRST + 1));
}

#[tokio::test]
async fn after_a_record_was_lost_the_epoch_has_grown_all_the_same() {
    let two = two();
    assert_eq!(two.epoch(&two.one).await, Some(FIRST));
    two.at(1);
    two.one.records.delete(&Key::new(Collection::Lease, "g"), Expect::Any).await.unwrap();
    assert_eq!(two.epoch(&two.other).await, Some(FIRST + 1_000_000));
}

#[tokio::test]
async fn what_no_attempt_needs_is_given_back_under_a_higher_epoch_for_the_next() {
    let two = two();
    let held = two.one.take(&two.group, TIMEOUT).await.unwrap();
    two.one.hand_on().await;
    assert_eq!(two.epoch(&two.other).await, None, "an attempt runs under it");
    two.at(1);
    drop(held);
    two.one.hand_on().await;
    assert_eq!(two.epoch(&two.other).await, Some(FIRST + 1));
}

#[tokio::test]
async fn what_was_held_for_a_whole_turn_is_left_to_others_before_the_next_attempt() {
    let two = two();
    let held = two.one.take(&two.group, TIMEOUT).await.unwrap();
    two.at(4);
    two.one.hand_on().await;
    drop(held);
    let held = two.one.take(&two.group, TIMEOUT).await.unwrap();
    two.at(5);
    two.one.hand_on().await;
    drop(held);
    assert_eq!(two.epoch(&two.one).await, None, "the others come first");
    assert_eq!(two.epoch(&two.other).await, Some(FIRST + 1));
}

#[tokio::test]
async fn whoever_waits_reads_the_lease_no_more_often_than_it_looks() {
    let two = two();
    let _held = two.one.take(&two.group, TIMEOUT).await.unwrap();
    assert!(matches!(two.other.take(&two.group, TIMEOUT).await, Err(Busy::Held(left)) if left > LOOK));
    two.one.records.delete(&Key::new(Collection::Lease, "g"), Expect::Any).await.unwrap();
    // It would see that there is none any more.
    assert!(matches!(two.other.take(&two.group, TIMEOUT).await, Err(Busy::Held(LOOK))));
    two.at(1);
    assert!(two.other.take(&two.group, TIMEOUT).await.is_ok());
}
