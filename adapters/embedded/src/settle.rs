//! Settlements: all of one in one transaction.

use workmanager_core_domain::{
    Topic,
    ports::{DeliveryToken, Expect, Key, Put, Removal, Revision, SettleError, Settlement},
};

use crate::{
    failure::Failure,
    hub::Effect,
    log::{self, Entry},
    records,
    writer::{Batch, Refusal, Work},
};

/// A settlement whose replies are ready for the log.
pub(crate) struct Settle {
    guards: Vec<(Key, Revision)>,
    replies: Vec<(Topic, Entry)>,
    puts: Vec<Put>,
    removals: Vec<Removal>,
    ack: Option<DeliveryToken>,
}

impl Settle {
    pub(crate) fn new(settlement: Settlement) -> Result<Self, String> {
        let Settlement { guards, replies, puts, removals, ack, seen_at: _ } = settlement;
        let entry = |(topic, event)| Entry::new(&event).map(|entry| (topic, entry));
        Ok(Self { guards, replies: replies.into_iter().map(entry).collect::<Result<_, _>>()?, puts, removals, ack })
    }

    /// The first step that did not happen, which is the first there is: they happen together.
    pub(crate) fn error(first: FirstStep, failure: Failure) -> SettleError {
        match (first, failure) {
            (_, conflict @ Failure::Conflict(_)) => SettleError::Record(conflict.into()),
            (FirstStep::Publish, failure) => SettleError::Publish(failure.into()),
            (FirstStep::Record, failure) => SettleError::Record(failure.into()),
            (FirstStep::Ack, failure) => SettleError::Ack(failure.into()),
        }
    }

    pub(crate) fn first_step(&self) -> FirstStep {
        match self {
            Self { replies, .. } if !replies.is_empty() => FirstStep::Publish,
            Self { puts, removals, .. } if !(puts.is_empty() && removals.is_empty()) => FirstStep::Record,
            Self { .. } => FirstStep::Ack,
        }
    }
}

/// The step that a settlement starts with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FirstStep {
    Publish,
    Record,
    Ack,
}

impl Work for Settle {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        for (key, revision) in &self.guards {
            records::check(key, Expect::Revision(*revision), records::current(batch, key)?)?;
        }
        for Removal { key, expect } in &self.removals {
            records::check(key, *expect, records::current(batch, key)?)?;
        }
        check_all(batch, &self.puts)?;
        for (topic, entry) in &self.replies {
            log::append(batch, topic, std::slice::from_ref(entry))?;
        }
        for put in &self.puts {
            records::write(batch, put)?;
        }
        for Removal { key, .. } in &self.removals {
            records::remove(batch, key)?;
        }
        if let Some(token) = self.ack {
            acknowledge(batch, token)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let replies: usize = self.replies.iter().map(|(_, entry)| entry.size()).sum();
        replies + self.puts.iter().map(|put| put.value.len()).sum::<usize>()
    }
}

/// Checks every put before the first is written. A key that is there twice is checked against what
/// its earlier put will have left.
fn check_all(batch: &Batch<'_>, puts: &[Put]) -> Result<(), Refusal> {
    let mut left: Vec<(&Key, Revision)> = Vec::with_capacity(puts.len());
    let mut next = batch.counters.revision;
    for put in puts {
        let earlier = left.iter().rev().find(|(key, _)| **key == put.key).map(|(_, revision)| *revision);
        let current = match earlier {
            Some(revision) => Some(revision),
            None => records::current(batch, &put.key)?,
        };
        records::check(&put.key, put.expect, current)?;
        next += 1;
        left.push((&put.key, Revision(next)));
    }
    Ok(())
}

fn acknowledge(batch: &mut Batch<'_>, token: DeliveryToken) -> rusqlite::Result<()> {
    let DeliveryToken(position) = token;
    let topic: Option<String> = batch.value("SELECT topic FROM log WHERE position = ?1", [position])?;
    let Some(topic) = topic.and_then(|topic| topic.parse::<Topic>().ok()) else { return Ok(()) };
    let waited = "DELETE FROM pending WHERE topic = ?1 AND position = ?2";
    if batch.execute(waited, (topic.as_str(), position))? > 0 {
        batch.waits(&topic, -1);
        batch.effects.push(Effect::Acknowledged { topic, position });
    }
    Ok(())
}
