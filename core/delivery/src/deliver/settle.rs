//! Reading and writing durably, again and again until it worked or the intake closes.

use tokio_util::sync::CancellationToken;
use tracing::warn;
use workmanager_core_domain::{
    EventRecord, document,
    ports::{Key, SettleError, Settlement, StoreError},
};
use workmanager_core_kit::field;

use super::{Deliveries, ledger::Found};
use crate::metrics;

/// The intake closes: it was not possible before.
#[derive(Debug)]
pub(super) struct Closing;

/// How a settlement went.
#[derive(Debug)]
pub(super) enum Settled {
    /// It is durable.
    Durable,
    /// Somebody else has written the record; nothing of this settlement is recorded.
    Conflict,
}

impl Deliveries {
    /// Waits before another try. Says if the intake closes first.
    pub(super) async fn again(&self, retry: u32, closing: &CancellationToken) -> Result<(), Closing> {
        let wait = self.settings.settle_backoff.wait(retry, self.jitter());
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = closing.cancelled() => Err(Closing),
        }
    }

    /// Reads an event's record.
    pub(super) async fn read(&self, key: &Key, closing: &CancellationToken) -> Result<Found, Closing> {
        let mut retry = 0;
        loop {
            match self.ports.records.get(key).await {
                Ok(None) => return Ok(Found::Nothing),
                Ok(Some(record)) => {
                    return Ok(match document::decode::<EventRecord>(&record.value) {
                        Ok(found) => Found::Record(Box::new(found), record.revision),
                        Err(damage) => {
                            metrics::record_damaged();
                            warn!("event record `{key}` {damage}: it is written anew");
                            Found::Damaged(record.revision)
                        }
                    });
                }
                Err(error) => {
                    warn!("event record `{key}` cannot be read, trying again: {error}");
                    self.again(retry, closing).await?;
                    retry += 1;
                }
            }
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
                SettleError::Record(StoreError::Conflict { .. }) => return Ok(Settled::Conflict),
                SettleError::Ack(_) => {
                    settlement.replies.clear();
                    settlement.puts.clear();
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
