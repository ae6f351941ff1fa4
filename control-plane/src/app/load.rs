//! What is in the store when the program starts.

mod held;

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use metrics::counter;
use tracing::{error, warn};
use workmanager_core_delivery::{Roster, quarantine::quarantine};
use workmanager_core_domain::{
    Worker, WorkerId,
    document::{self, Document},
    ports::{Clock, Collection, Expect, Key, Record, Records, Revision},
};

use workmanager_core_kit::chain;

use super::{
    Error,
    name::NameClaim,
    store::{self, is_conflict},
};

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The workers that can be used.
    pub ids: HashSet<WorkerId>,
    /// The ids of records that cannot be read. They stay where they are.
    pub unreadable: Vec<String>,
    /// Name claims that were made, moved or given free.
    pub names_repaired: usize,
}

/// Puts every worker of the store into the roster, and makes the name claims fit them. One whose record
/// cannot be read is said, counted, and held: it does not run, and what is its own is kept for it. Call
/// it before the router starts, so that it knows who owns which topics.
///
/// # Errors
/// The store's.
pub async fn load(records: &dyn Records, roster: &Roster, clock: &dyn Clock) -> Result<Loaded, Error> {
    let mut loaded = Loaded::default();
    let (mut workers, mut damaged): (Vec<(Worker, Revision)>, Vec<Record>) = (Vec::new(), Vec::new());
    for record in store::pages(records, Collection::Worker, None).try_concat().await? {
        let reason = match document::decode::<Worker>(&record.value) {
            Ok(worker) if worker.id.to_string() == *record.id => {
                workers.push((worker, record.revision));
                continue;
            }
            Ok(worker) => format!("it names worker {}", worker.id),
            Err(damage) => chain(&damage),
        };
        unreadable(records, &record, reason, clock).await;
        damaged.push(record);
    }
    loaded.unreadable = damaged.iter().map(|record| record.id.to_string()).collect();
    loaded.ids = workers.iter().map(|(worker, _)| worker.id).collect();
    loaded.names_repaired = repair_names(records, &workers, &loaded.unreadable, clock).await?;
    let held = held::held(records, &damaged, clock.now()).await?;
    roster.load(workers);
    roster.hold(held);
    Ok(loaded)
}

async fn unreadable(records: &dyn Records, Record { id, value, .. }: &Record, reason: String, clock: &dyn Clock) {
    error!("worker {id} does not run, its record cannot be read: {reason}");
    counter!("workmanager_records_unreadable_total", "collection" => Worker::COLLECTION.as_str()).increment(1);
    let key = Key::new(Collection::Worker, id.clone());
    if let Err(error) = quarantine(records, &key, value.clone(), reason, clock.now()).await {
        warn!("worker {id} is not in the quarantine's list: {error}");
    }
}

/// Every worker has its name, and nobody else has one: a claim without its worker was left behind by
/// a create, a rename or a delete that did not come to its end.
async fn repair_names(
    records: &dyn Records,
    workers: &[(Worker, Revision)],
    unreadable: &[String],
    clock: &dyn Clock,
) -> Result<usize, Error> {
    let mut wanted: HashMap<&str, WorkerId> =
        workers.iter().map(|(worker, _)| (worker.name.as_str(), worker.id)).collect();
    let mut repaired = 0;
    for Record { id: name, value, revision } in store::pages(records, Collection::Name, None).try_concat().await? {
        let holder = document::decode::<NameClaim>(&value).ok().map(|claim| claim.worker);
        if let Some(worker) = wanted.get(&*name) {
            if holder == Some(*worker) {
                wanted.remove(&*name);
            } else {
                // Written anew below.
                repaired += usize::from(give_free(records, &name, revision).await?);
            }
        } else if !holder.is_some_and(|worker| unreadable.contains(&worker.to_string())) {
            repaired += usize::from(give_free(records, &name, revision).await?);
        }
    }
    for (name, worker) in wanted {
        let claim = NameClaim { worker, at: clock.now() };
        match store::put(records, name, &claim, Expect::Absent).await {
            Ok(_) => repaired += 1,
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if repaired > 0 {
        warn!("{repaired} name claims did not fit the workers and were repaired");
    }
    Ok(repaired)
}

async fn give_free(records: &dyn Records, name: &str, revision: Revision) -> Result<bool, Error> {
    match store::delete::<NameClaim>(records, name, Expect::Revision(revision)).await {
        Ok(()) => Ok(true),
        Err(error) if is_conflict(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
