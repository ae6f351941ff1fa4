//! The end of a worker.

use std::{ops::RangeInclusive, time::Duration};

use tracing::{info, warn};
use workmanager_core_domain::{
    Worker,
    ports::{Collection, Expect, Key},
};
use workmanager_core_kit::field::WORKER_NAME;

use super::{
    App, Condition, Error, quarantine,
    store::{self, is_conflict},
};

/// How long a caller may wait for attempts in flight.
const DRAINS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(300);
/// How often it is tried again when others change the worker.
const TRIES: usize = 8;

impl App {
    /// Deletes a worker: no attempt begins from now on, and those in flight are waited for, at most
    /// `drain`. Its versions stay, so that its history can be read.
    ///
    /// # Errors
    /// `NoWorker`, `Revision`, or the store's; the worker is still there then.
    pub async fn delete(&self, reference: &str, condition: Condition, drain: Option<Duration>) -> Result<(), Error> {
        let drain = drain.unwrap_or(self.parts.settings.drain);
        if !DRAINS.contains(&drain) {
            return Err(Error::wait("?drain", &DRAINS));
        }
        let member = self.get(reference).await?;
        condition.check(member.revision)?;
        let app = self.clone();
        self.to_the_end(async move {
            let worker = &member.worker;
            app.take_out(worker, &condition).await?;
            app.release_name(&worker.name, worker.id).await;
            app.parts.router.board().clear(worker.id);
            let name = &worker.name;
            info!({ WORKER_NAME } = %name, "worker `{name}` deleted");
            let all = member.slots.acquire_many(worker.limits.concurrency.get());
            if tokio::time::timeout(drain, all).await.is_err() {
                warn!({ WORKER_NAME } = %name, "attempts of deleted worker `{name}` are still in flight");
            }
            Ok(())
        })
        .await
    }

    async fn take_out(&self, worker: &Worker, condition: &Condition) -> Result<(), Error> {
        let (records, roster, id) = (&*self.parts.records, &self.parts.roster, worker.id);
        let _writing = self.lock(id).await;
        for _ in 0..TRIES {
            let Some(member) = roster.snapshot().get(id).cloned() else { return Ok(()) };
            condition.check(member.revision)?;
            let expect = Expect::Revision(member.revision);
            match store::delete::<Worker>(records, &id.to_string(), expect).await {
                Ok(()) => {
                    quarantine::forget(records, &Key::new(Collection::Worker, id.to_string())).await;
                    roster.remove(id);
                    return Ok(());
                }
                Err(error) if is_conflict(&error) => self.know(id, self.read(&id.to_string()).await?),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy { worker: worker.name.to_string() })
    }
}
