//! How many tries at once a worker may have: a function that is down must not make the load larger.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use workmanager_core_domain::WorkerId;

/// What one more try costs, in attempts: one attempt in ten may be tried twice.
const PRICE: u32 = 10;
/// What can be spent before anything was earned.
const CREDIT: u32 = 10 * PRICE;
/// Workers that owe anything. When there are more, those that do not owe yet get no credit.
const MOST: usize = 10_000;

/// What each worker owes; those that owe nothing are not in it.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<HashMap<WorkerId, u32>>);

impl Budget {
    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt begins: a tenth of a try is paid back.
    pub(super) fn earn(&self, worker: WorkerId) {
        let mut owed = self.lock();
        if let Some(owes) = owed.get_mut(&worker) {
            *owes -= 1;
            if *owes == 0 {
                owed.remove(&worker);
            }
        }
    }

    /// Whether the worker may try once more.
    pub(super) fn spend(&self, worker: WorkerId) -> bool {
        let mut owed = self.lock();
        let owes = owed.get(&worker).copied().unwrap_or(0) + PRICE;
        if owes > CREDIT || (owed.len() >= MOST && !owed.contains_key(&worker)) {
            return false;
        }
        owed.insert(worker, owes);
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn worker(n: u128) -> WorkerId {
        WorkerId::new(Uuid::from_u128(n))
    }

    #[test]
    fn one_attempt_in_ten_may_be_tried_twice_once_the_credit_is_spent() {
        let budget = Budget::default();
        let spent = (0..100).filter(|_| budget.spend(worker(1))).count();
        assert_eq!(spent, 10);
        assert!(budget.spend(worker(2)), "another worker has its own");
        let tries = (0..100).filter(|_| {
            budget.earn(worker(1));
            budget.spend(worker(1))
        });
        assert_eq!(tries.count(), 10);
    }

    #[test]
    fn who_owes_nothing_takes_no_room() {
        let budget = Budget::default();
        assert!(budget.spend(worker(1)));
        (0..20).for_each(|_| budget.earn(worker(1)));
        assert!(budget.lock().is_empty());
        for n in 0..=MOST as u128 {
            assert_eq!(budget.spend(worker(n)), n < MOST as u128, "{n}");
        }
    }
}
