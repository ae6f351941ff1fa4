//! Leases of groups: of all workers that name one group, one attempt runs at a time, in the whole
//! deployment.
//!
//! A lease is a record with an epoch that only grows. Whoever writes it holds it for its life; another
//! replica takes it over only after it has seen it unchanged for that long by its own monotonic clock.
//! An attempt starts only if what is left of the life covers its deadline, and its outcome is settled
//! only while the record is as it was when the attempt began.
//!
//! Where several replicas share groups, [`Leases::hand_on`] is called again and again: it gives back what
//! no attempt needs here, and what was held for so long that the others must have their turn.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use workmanager_core_domain::{
    GroupName, Timestamp, document,
    lease::Lease,
    ports::{Clock, Collection, Expect, Key, Records, Revision, StoreError},
    units::Span,
};

/// How much longer than a worker's timeout its group's lease lasts.
const SPARE: Duration = Duration::from_secs(10);
/// How long a lease is kept while others may wait for it.
const TURN: Duration = Duration::from_secs(5);
/// How long it is then left to the others, who look again within [`LOOK`].
const LEFT: Duration = Duration::from_millis(600);
/// How often a group's lease is looked at while another replica holds it.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// How long to wait after somebody else was faster.
const BEATEN: Duration = Duration::from_millis(250);

/// The groups' leases, as this replica knows them.
pub(crate) struct Leases {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    /// This replica. Nobody else has this name, and an earlier process of this name is gone.
    holder: Box<str>,
    groups: Mutex<HashMap<GroupName, Group>>,
}

#[derive(Debug, Clone)]
struct Group {
    /// One attempt at a time here.
    room: Arc<Semaphore>,
    known: Known,
}

#[derive(Debug, Clone, Copy)]
enum Known {
    Nothing,
    /// Held here until then.
    Ours {
        epoch: u64,
        revision: Revision,
        since: Duration,
        until: Duration,
        /// The next attempt gives it back instead of beginning.
        is_due: bool,
    },
    /// Given back, and left to others until then.
    Left {
        until: Duration,
    },
    /// Held by another, unchanged since then.
    Theirs {
        revision: Revision,
        since: Duration,
        /// When it was looked at last.
        looked: Duration,
    },
}

/// A lease that covers an attempt. Kept until its outcome is durable.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) epoch: u64,
    /// For the settlement.
    pub(crate) guard: (Key, Revision),
    _room: OwnedSemaphorePermit,
}

/// Why there is none now.
#[derive(Debug)]
pub(crate) enum Busy {
    /// Another replica holds it; look again after this time.
    Held(Duration),
    /// The store did not say.
    Store(StoreError),
}

impl Leases {
    pub(crate) fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>, holder: Box<str>) -> Self {
        Self { records, clock, holder, groups: Mutex::default() }
    }

    fn with<T>(&self, group: &GroupName, act: impl FnOnce(&mut Group) -> T) -> T {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Group { room: Arc::new(Semaphore::new(1)), known: Known::Nothing };
        act(groups.entry(group.clone()).or_insert_with(fresh))
    }

    /// Takes the lease for an attempt that lasts at most `timeout`. Waits for other attempts here.
    pub(crate) async fn take(&self, group: &GroupName, timeout: Duration) -> Result<Held, Busy> {
        let room = self.with(group, |group| group.room.clone());
        // Nothing closes it.
        let Ok(room) = room.acquire_owned().await else { return Err(Busy::Held(BEATEN)) };
        let key = Key::new(Collection::Lease, group.as_str());
        let now = self.clock.monotonic();
        let known = self.with(group, |group| group.known);
        match known {
            Known::Left { until } if now < until => return Err(Busy::Held(until.saturating_sub(now))),
            Known::Theirs { looked, .. } if now < looked.saturating_add(LOOK) => {
                return Err(Busy::Held(looked.saturating_add(LOOK).saturating_sub(now)));
            }
            Known::Ours { epoch, revision, is_due: true, .. } => {
                self.give_back(group, epoch, revision, now.saturating_add(LEFT)).await;
                return Err(Busy::Held(LEFT));
            }
            Known::Ours { epoch, revision, until, .. } if until.saturating_sub(now) >= timeout => {
                return Ok(Held { epoch, guard: (key, revision), _room: room });
            }
            Known::Ours { .. } | Known::Left { .. } | Known::Theirs { .. } | Known::Nothing => {}
        }
        let since = match known {
            Known::Ours { since, .. } => since,
            Known::Left { .. } | Known::Theirs { .. } | Known::Nothing => now,
        };
        let life = timeout.saturating_add(SPARE);
        let (epoch, expect) = self.claim(group, &key, known, now).await?;
        let lease = Lease { holder: Some(self.holder.to_string()), epoch, life: Span(life), at: self.clock.now() };
        let value = document::encode(&lease).map_err(|error| damaged(&key, &error))?;
        match self.records.put(&key, value, expect).await {
            Ok(revision) => {
                // From before the write: it does not last longer for us than for those who read it.
                let until = now.saturating_add(life);
                self.with(group, |group| group.known = Known::Ours { epoch, revision, since, until, is_due: false });
                Ok(Held { epoch, guard: (key, revision), _room: room })
            }
            Err(StoreError::Conflict { .. }) => {
                self.with(group, |group| group.known = Known::Nothing);
                Err(Busy::Held(BEATEN))
            }
            Err(error) => {
                self.with(group, |group| group.known = Known::Nothing);
                Err(Busy::Store(error))
            }
        }
    }

    /// The epoch that may be claimed now, and over what.
    async fn claim(&self, group: &GroupName, key: &Key, known: Known, now: Duration) -> Result<(u64, Expect), Busy> {
        let Some(record) = self.records.get(key).await.map_err(Busy::Store)? else {
            return Ok((first_epoch(self.clock.now()), Expect::Absent));
        };
        let expect = Expect::Revision(record.revision);
        let lease: Lease = document::decode(&record.value).map_err(|damage| damaged(key, &damage))?;
        let next = (lease.epoch.saturating_add(1), expect);
        match (&lease.holder, known) {
            (None, _) => Ok(next),
            (Some(holder), Known::Ours { epoch, revision, .. })
                if **holder == *self.holder && revision == record.revision =>
            {
                Ok((epoch, expect))
            }
            (Some(holder), _) if **holder == *self.holder => Ok(next),
            (Some(_), Known::Theirs { revision, since, .. }) if revision == record.revision => {
                let left = lease.life.0.saturating_sub(now.saturating_sub(since));
                self.with(group, |group| group.known = Known::Theirs { revision, since, looked: now });
                if left.is_zero() { Ok(next) } else { Err(Busy::Held(left)) }
            }
            (Some(_), Known::Nothing | Known::Ours { .. } | Known::Left { .. } | Known::Theirs { .. }) => {
                let theirs = Known::Theirs { revision: record.revision, since: now, looked: now };
                self.with(group, |group| group.known = theirs);
                Err(Busy::Held(lease.life.0))
            }
        }
    }

    /// Gives back what no attempt needs here now, and sees to it that others get what was held for a whole
    /// [`TURN`] as soon as its attempt has ended.
    pub(crate) async fn hand_on(&self) {
        let now = self.clock.monotonic();
        for (group, epoch, revision, since) in self.ours() {
            let room = self.with(&group, |group| group.room.clone());
            // Kept until the lease is given back, so that no attempt begins under it.
            if let Ok(_room) = room.try_acquire_owned() {
                self.give_back(&group, epoch, revision, now).await;
            } else if now.saturating_sub(since) >= TURN {
                self.with(&group, |group| {
                    if let Known::Ours { is_due, .. } = &mut group.known {
                        *is_due = true;
                    }
                });
            }
        }
    }

    fn ours(&self) -> Vec<(GroupName, u64, Revision, Duration)> {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = |(name, group): (&GroupName, &Group)| match group.known {
            Known::Ours { epoch, revision, since, .. } => Some((name.clone(), epoch, revision, since)),
            Known::Left { .. } | Known::Theirs { .. } | Known::Nothing => None,
        };
        groups.iter().filter_map(ours).collect()
    }

    /// Gives a lease back that no attempt runs under, and leaves it to others `until` then. A write that
    /// fails gives it back at the end of its life.
    async fn give_back(&self, group: &GroupName, epoch: u64, revision: Revision, until: Duration) {
        let key = Key::new(Collection::Lease, group.as_str());
        let lease = Lease { holder: None, epoch, life: Span(Duration::ZERO), at: self.clock.now() };
        if let Ok(value) = document::encode(&lease)
            && let Err(error) = self.records.put(&key, value, Expect::Revision(revision)).await
        {
            tracing::debug!("the lease of group `{group}` is not given back: {error}");
        }
        self.with(group, |group| group.known = Known::Left { until });
    }

    /// The lease is not as it was: what is known of it is not true any more.
    pub(crate) fn lost(&self, group: &GroupName) {
        self.with(group, |group| group.known = Known::Nothing);
    }
}

/// Above every epoch of a record that was here before and is lost: an epoch grows far less often than
/// every microsecond.
fn first_epoch(now: Timestamp) -> u64 {
    u64::try_from(now.as_micros()).unwrap_or(0).max(1)
}

fn damaged(key: &Key, reason: &dyn std::error::Error) -> Busy {
    Busy::Store(StoreError::damaged(key, reason))
}

#[cfg(test)]
mod tests;
