//! Control planes that share one store.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, WorkerId, document::Document, ports::Collection, units::Span};

/// A control plane among several, and the partition of the parked deliveries that it alone writes; the
/// record's id names both. Others take the partition over once it has left, or once a whole `life` has
/// passed in which its record did not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// How long it may be silent. Clocks are not compared: others wait that long by a clock of their own.
    pub life: Span,
    /// Whether it has stopped in order.
    pub left: bool,
    /// When it was last heard of, for people.
    pub at: Timestamp,
}

impl Document for Replica {
    const COLLECTION: Collection = Collection::Replica;
    const SCHEMA: u32 = 1;
}

/// Which workers' definitions changed last, for those who know the others already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recent {
    /// How many changes there have been.
    pub count: u64,
    /// The last of them, the newest at the end.
    pub workers: VecDeque<WorkerId>,
}

impl Recent {
    /// The id of the one record.
    pub const ID: &str = "workers";
    /// How many changes it holds.
    const LENGTH: usize = 256;

    /// One more change.
    pub fn add(&mut self, worker: WorkerId) {
        self.count += 1;
        self.workers.push_back(worker);
        while self.workers.len() > Self::LENGTH {
            self.workers.pop_front();
        }
    }

    /// Who changed after the first `count` changes; `None` if they are more than are known, or another
    /// count.
    pub fn since(&self, count: u64) -> Option<impl Iterator<Item = WorkerId> + '_> {
        let news = usize::try_from(self.count.checked_sub(count)?).ok()?;
        let first = self.workers.len().checked_sub(news)?;
        Some(self.workers.range(first..).copied())
    }
}

impl Document for Recent {
    const COLLECTION: Collection = Collection::Recent;
    const SCHEMA: u32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_as_long_as_it_is_known() {
        let worker = |number: u8| WorkerId::new(uuid::Uuid::from_bytes([number; 16]));
        let mut recent = Recent::default();
        for number in 0..=255 {
            recent.add(worker(number));
        }
        let since = |recent: &Recent, count| recent.since(count).map(Iterator::collect::<Vec<_>>);
        assert_eq!(since(&recent, 254), Some(vec![worker(254), worker(255)]));
        assert_eq!(since(&recent, 256), Some(vec![]));
        assert_eq!(since(&recent, 0).map(|all| all.len()), Some(256));
        recent.add(worker(0));
        assert_eq!(since(&recent, 0), None, "one more than is known");
        assert_eq!(since(&recent, 258), None, "the record was lost and made anew");
    }
}
