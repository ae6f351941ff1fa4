//! What is written for topics.

use workmanager_core_domain::Topic;

use crate::{
    hub::Effect,
    log::{self, Entry},
    writer::{Batch, Refusal, Work},
};

/// Appends all events or none.
pub(crate) struct Publish {
    pub(crate) topic: Topic,
    pub(crate) entries: Vec<Entry>,
}

impl Work for Publish {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        Ok(log::append(batch, &self.topic, &self.entries)?)
    }

    fn size(&self) -> usize {
        self.entries.iter().map(Entry::size).sum()
    }

    fn is_intake(&self) -> bool {
        true
    }
}

/// Keeps a topic's events for us from now on.
pub(crate) struct Subscribe(pub(crate) Topic);

impl Work for Subscribe {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        batch.execute("INSERT OR IGNORE INTO subscriptions VALUES (?1, 0)", [self.0.as_str()])?;
        batch.effects.push(Effect::Subscribed { topic: self.0.clone(), position: batch.counters.position });
        Ok(())
    }
}

/// Gives a topic up, and what waits on it.
pub(crate) struct Forget(pub(crate) Topic);

impl Work for Forget {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        batch.execute("DELETE FROM subscriptions WHERE topic = ?1", [self.0.as_str()])?;
        batch.execute("DELETE FROM pending WHERE topic = ?1", [self.0.as_str()])?;
        batch.waiting.remove(&self.0);
        batch.effects.push(Effect::Forgotten(self.0.clone()));
        Ok(())
    }
}
