//! Two replicas and one store.

use std::sync::atomic::{AtomicU64, Ordering};

use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_domain::Timestamp;

use super::*;

/// A clock whose monotonic side is set by hand.
#[derive(Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        "2026-11-25T10:00:00Z".parse().unwrap()
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
    assert_eq!(two.epoch(&two.one).await, Some(1));
    assert_eq!(two.epoch(&two.other).await, None);
    two.at(20);
    // Renewed under the same epoch, because what is left does not cover an attempt.
    assert_eq!(two.epoch(&two.one).await, Some(1));
    two.at(41);
    assert_eq!(two.epoch(&two.other).await, None, "it has changed since it was seen");
    two.at(80);
    assert_eq!(two.epoch(&two.other).await, None);
    two.at(81);
    assert_eq!(two.epoch(&two.other).await, Some(2));
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
    assert_eq!(two.epoch(&two.one).await, Some(1));
    let again = Leases::new(two.one.records.clone(), two.clock.clone(), "one".into());
    assert_eq!(two.epoch(&again).await, Some(2));
}
