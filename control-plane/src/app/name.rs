//! Names: each is claimed by one worker.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;
use workmanager_core_domain::{
    Timestamp, Worker, WorkerId, WorkerName,
    document::Document,
    ports::{Collection, Expect},
};

use super::{
    App, Error,
    store::{self, is_conflict},
};

/// How long a claim without a worker is respected: its worker may be about to be written.
const GRACE: Duration = Duration::from_secs(60);
/// How often a name is made up before it is said that there is none.
const TRIES: u8 = 8;

const ADJECTIVES: [&str; 32] = [
    "amber", "bold", "brave", "bright", "brisk", "calm", "clever", "crisp", "daring", "eager", "fair", "fleet",
    "gentle", "glad", "golden", "happy", "keen", "kind", "lively", "lucky", "mellow", "merry", "neat", "nimble",
    "noble", "proud", "quick", "quiet", "sunny", "swift", "vivid", "witty",
];
const NOUNS: [&str; 32] = [
    "badger", "beaver", "bison", "crane", "dolphin", "eagle", "falcon", "ferret", "finch", "fox", "gecko", "hare",
    "hawk", "heron", "ibex", "jackal", "koala", "lark", "lemur", "lynx", "marten", "otter", "owl", "panda", "puffin",
    "raven", "robin", "seal", "stork", "swan", "tapir", "wren",
];

/// Who has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NameClaim {
    pub(super) worker: WorkerId,
    pub(super) at: Timestamp,
}

impl Document for NameClaim {
    const COLLECTION: Collection = Collection::Name;
    const SCHEMA: u32 = 1;
}

/// A readable name made from an id; the same for the same id and try.
fn made_up(id: Uuid, tried: u8) -> Option<WorkerName> {
    let bytes = Uuid::new_v5(&id, &[tried]).into_bytes();
    let pick = |byte: u8, words: &[&'static str; 32]| words[usize::from(byte) % words.len()];
    let suffix = u32::from_be_bytes([0, bytes[2], bytes[3], bytes[4]]);
    format!("{}-{}-{suffix:06x}", pick(bytes[0], &ADJECTIVES), pick(bytes[1], &NOUNS)).parse().ok()
}

impl App {
    /// The name that the caller wants, or one that is made up; claimed for `worker`.
    pub(super) async fn claim_some_name(
        &self,
        wanted: Option<&WorkerName>,
        worker: WorkerId,
    ) -> Result<WorkerName, Error> {
        if let Some(name) = wanted {
            self.claim_name(name, worker).await?;
            return Ok(name.clone());
        }
        for name in (0..TRIES).filter_map(|tried| made_up(worker.uuid(), tried)) {
            match self.claim_name(&name, worker).await {
                Err(Error::NameTaken { .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(name),
            }
        }
        Err(Error::NameTaken { name: "a made-up one".to_owned() })
    }

    /// The name that a worker without one will get, if nobody else has it.
    pub(super) fn likely_name(wanted: Option<&WorkerName>, worker: WorkerId) -> Option<WorkerName> {
        wanted.cloned().or_else(|| made_up(worker.uuid(), 0))
    }

    /// Claims a name. Claiming it again for the same worker is fine.
    pub(super) async fn claim_name(&self, name: &WorkerName, worker: WorkerId) -> Result<(), Error> {
        let records = &*self.parts.records;
        let claim = NameClaim { worker, at: self.parts.clock.now() };
        match store::put(records, name.as_str(), &claim, Expect::Absent).await {
            Err(error) if is_conflict(&error) => {}
            answer => return answer.map(|_| ()),
        }
        let taken = || Error::NameTaken { name: name.to_string() };
        let held = self.read::<NameClaim>(name.as_str()).await?.ok_or_else(taken)?;
        if held.value.worker == worker {
            return Ok(());
        }
        let fresh = claim.at.since(held.value.at) < GRACE;
        if fresh {
            return Err(taken());
        }
        match self.read::<Worker>(&held.value.worker.to_string()).await {
            Ok(None) => {}
            // One that cannot be read may be restored, and has its name then.
            Ok(Some(_)) | Err(Error::RecordQuarantined { .. }) => return Err(taken()),
            Err(error) => return Err(error),
        }
        // Left behind by a process that died between the claim and the worker.
        match store::put(records, name.as_str(), &claim, Expect::Revision(held.revision)).await {
            Err(error) if is_conflict(&error) => Err(taken()),
            answer => answer.map(|_| ()),
        }
    }

    /// Gives a name free, if `worker` has it. If that fails, the next start does it.
    pub(super) async fn release_name(&self, name: &WorkerName, worker: WorkerId) {
        let records = &*self.parts.records;
        let released = match store::get::<NameClaim>(records, name.as_str()).await {
            Ok(Some(held)) if held.value.worker == worker => {
                store::delete::<NameClaim>(records, name.as_str(), Expect::Revision(held.revision)).await
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = released {
            warn!("the name `{name}` stays claimed until the next start: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_are_readable_the_same_for_an_id_and_different_for_ids() {
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let name = made_up(first, 0).unwrap();
        assert_eq!(Some(name.clone()), made_up(first, 0));
        assert_ne!(Some(name.clone()), made_up(first, 1));
        assert_ne!(Some(name.clone()), made_up(second, 0));
        assert_eq!(name.as_str().split('-').count(), 3, "{name}");
    }
}
