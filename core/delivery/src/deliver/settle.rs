//! Reading and writing durably, again and again until it worked or the intake closes.

use tokio_util::sync::CancellationToken;
use tracing::warn;
use workmanager_core_domain::{
    EventRecord, document,
    parked::Parked,
    ports::{Key, SettleError, Settlement, StoreError},
};
use workmanager_core_kit::field;

use super::{Deliveries, berth::Stored, ledger::Found};
use crate::metrics;

/// The intake closes: it was not possible before.
#[derive(Debug)]
pub(super) struct Closing;

/// How a settlement went.
#[derive(Debug)]
pub(super) enum Settled {
    /// It is durable.
    Durable,
    /// Somebody else has written the record with this key; nothing of this settlement is recorded.
    Conflict(String),
    /// The replies could not be published, and nothing else happened.
    NotPublished,
}

/// How often a publication is tried before the reply is kept for later.
const PUBLISH_TRIES: u32 = 3;

impl Deliveries {
    /// Waits before another try. Says if the intake closes first.
    pub(super) async fn again(&self, retry: u32, closing: &CancellationToken) -> Result<(), Closing> {
        let wait = self.settings.settle_backoff.wait(retry, self.jitter());
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = closing.cancelled() => Err(Closing),
        }
    }

    /// Reads an event's record. One that cannot be read is kept aside, and written anew.
    pub(super) async fn read(&self, key: &Key, closing: &CancellationToken) -> Result<Found, Closing> {
        let mut retry = 0;
        loop {
            let error = match self.ports.records.get(key).await {
                Ok(None) => return Ok(Found::Nothing),
                Ok(Some(record)) => match document::decode::<EventRecord>(&record.value) {
                    Ok(found) => return Ok(Found::Record(Box::new(found), record.revision)),
                    Err(damage) => {
                        metrics::record_damaged();
                        match self.keep_aside(key, &record, &damage).await {
                            Ok(()) => return Ok(Found::Damaged(record.revision)),
                            Err(error) => error,
                        }
                    }
                },
                Err(error) => error,
            };
            warn!("event record `{key}` cannot be read, trying again: {error}");
            self.again(retry, closing).await?;
            retry += 1;
        }
    }

    /// Reads a parked delivery. One that cannot be read is kept aside, and is as good as gone.
    pub(super) async fn read_parked(&self, key: &Key, closing: &CancellationToken) -> Result<Stored, Closing> {
        let mut retry = 0;
        loop {
            let error = match self.ports.records.get(key).await {
                Ok(None) => return Ok(Stored::Nothing),
                Ok(Some(record)) => match document::decode::<Parked>(&record.value) {
                    Ok(parked) => return Ok(Stored::There(Box::new(parked), record.revision)),
                    Err(damage) => match self.set_aside(key, &record, &damage).await {
                        Ok(()) => return Ok(Stored::Nothing),
                        Err(error) => error,
                    },
                },
                Err(error) => error,
            };
            warn!("parked delivery `{key}` cannot be read, trying again: {error}");
            self.again(retry, closing).await?;
            retry += 1;
        }
    }

    /// Carries a settlement out. What has happened already is not asked for again, except replies:
    /// whether they happened is not known for sure, and one too many is better than one too few.
    pub(super) async fn settle(
        &self,
        mut settlement: Settlement,
        event: &str,
        closing: &CancellationToken,
    ) -> Result<Settled, Closing> {
        let mut retry = 0;
        loop {
            let Err(error) = self.ports.bus.settle(settlement.clone()).await else { return Ok(Settled::Durable) };
            metrics::settle_failed(&error);
            match &error {
                SettleError::Record(StoreError::Conflict { key }) => return Ok(Settled::Conflict(key.clone())),
                SettleError::Publish(_) if retry + 1 >= PUBLISH_TRIES && self.lot.has_room() => {
                    return Ok(Settled::NotPublished);
                }
                SettleError::Ack(_) => {
                    settlement = Settlement { ack: settlement.ack, ..Settlement::default() };
                }
                SettleError::Publish(_) | SettleError::Record(_) => {}
            }
            let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            warn!({ field::EVENT_ID } = event, "{error}, trying again: {reason}");
            self.again(retry, closing).await?;
            retry += 1;
        }
    }
}
