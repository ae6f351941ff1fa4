//! This control plane among the others: it shows that it lives, and takes over what the dead leave.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tracing::{info, warn};
use workmanager_core_domain::{
    document::{self, Document as _},
    ports::{Clock, Collection, Expect, Ids, Key, Record, Records, Revision, StoreError},
    replica::Replica,
    units::Span,
};
use workmanager_core_kit::{Tasks, chain};

use crate::router::Router;

/// How long a control plane may be silent until others take over what it has parked.
const LIFE: Duration = Duration::from_secs(10);
/// How often it shows that it lives, and looks after the others.
const BEAT: Duration = Duration::from_secs(3);
/// After so many looks it is also looked for what nobody is known to write any more.
const ORPHANS: u64 = 10;
/// More of them are never looked at.
const MOST: usize = 1_000;

/// This control plane's place among the others.
pub struct Membership {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    name: Box<str>,
    /// Of its record as it wrote that last; `None` once another has written it.
    revision: Option<Revision>,
    /// Of each of the others: its record's revision, and since when that has not changed.
    others: HashMap<Box<str>, (Revision, Duration)>,
}

impl Membership {
    /// Enters under a name that nobody had before.
    ///
    /// # Errors
    /// The store's.
    pub async fn enter(records: Arc<dyn Records>, clock: Arc<dyn Clock>, ids: &dyn Ids) -> Result<Self, StoreError> {
        let name: Box<str> = ids.next().simple().to_string().into();
        let value = encode(&clock, false)?;
        let revision = records.put(&key(&name), value, Expect::Absent).await?;
        Ok(Self { records, clock, name, revision: Some(revision), others: HashMap::new() })
    }

    /// The partition that this control plane alone writes.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// Lives until the program stops, and leaves in order then.
    pub async fn run(mut self, router: Router, tasks: Tasks) {
        let stopping = tasks.stopping();
        for look in 0_u64.. {
            self.beat(false).await;
            // First what is there: whoever parks has shown itself before.
            let parked = if look % ORPHANS == 0 { self.partitions().await } else { Vec::new() };
            self.look_after(parked, &router).await;
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                () = stopping.cancelled() => break,
            }
        }
        self.beat(true).await;
    }

    /// Shows that it lives. If it was silent for too long, another has taken over what it had parked: what
    /// it still does with that fails. Once the other is done with it, it enters again under its name.
    async fn beat(&mut self, left: bool) {
        let (key, expect) = (key(&self.name), self.revision.map_or(Expect::Absent, Expect::Revision));
        let Ok(value) = encode(&self.clock, left) else { return };
        let error = match self.records.put(&key, value.clone(), expect).await {
            Ok(revision) => {
                self.revision = Some(revision);
                return;
            }
            Err(error) => error,
        };
        match self.records.get(&key).await {
            // An answer that was lost.
            Ok(Some(record)) if record.value == value => self.revision = Some(record.revision),
            Ok(_) if matches!(error, StoreError::Conflict { .. }) => {
                if self.revision.take().is_some() {
                    warn!("this control plane was silent for too long; another takes over what it had parked");
                }
            }
            Ok(_) | Err(_) => warn!("this control plane cannot show that it lives: {error}"),
        }
    }

    /// Takes over what those leave who have gone.
    async fn look_after(&mut self, parked: Vec<Box<str>>, router: &Router) {
        let page = match self.records.page(Collection::Replica, "", None, MOST).await {
            Ok(page) => page,
            Err(error) => return warn!("the other control planes are not known: {error}"),
        };
        let now = self.clock.monotonic();
        self.others.retain(|name, _| page.records.iter().any(|record| record.id == *name));
        let is_known = |name: &str| *name == *self.name || page.records.iter().any(|record| *record.id == *name);
        for name in parked.into_iter().filter(|name| !is_known(name)) {
            match router.adopt(&name).await {
                Ok(count) => info!("{count} parked deliveries of {name} belong to nobody and are taken over"),
                Err(error) => warn!("parked deliveries of {name} are not taken over yet: {error}"),
            }
        }
        for record in page.records.iter().filter(|record| record.id != self.name) {
            let seen = self.others.entry(record.id.clone()).or_insert((record.revision, now));
            if seen.0 != record.revision {
                *seen = (record.revision, now);
            }
            let silent = now.saturating_sub(seen.1);
            if is_gone(record, silent)
                && let Err(error) = self.take_over(&record.id, record.revision, router).await
            {
                warn!("what control plane {} has parked is not taken over yet: {error}", record.id);
            }
        }
    }

    /// The partitions that something is parked in, as far as the store tells.
    async fn partitions(&self) -> Vec<Box<str>> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        while let Ok(page) = self.records.page(Collection::Parked, "", after.as_deref(), 1).await {
            let name = page.records.first().and_then(|record| record.id.split_once('.')).map(|(name, _)| name);
            let Some(name) = name else { break };
            // Behind all that begins with it and a dot.
            after = Some(format!("{name}/"));
            found.push(name.into());
        }
        found
    }

    /// Its record first: if it lives after all, it ends when it next wants to show that. Then what it has
    /// parked; the record goes last, so that whoever dies in between is followed by another.
    async fn take_over(&self, name: &str, revision: Revision, router: &Router) -> Result<(), StoreError> {
        let key = key(name);
        let mine = self.records.put(&key, encode(&self.clock, true)?, Expect::Revision(revision)).await;
        let revision = match mine {
            Ok(revision) => revision,
            // It lives, or another is faster.
            Err(StoreError::Conflict { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let count = router.adopt(name).await?;
        self.records.delete(&key, Expect::Revision(revision)).await?;
        info!("control plane {name} has gone; {count} parked deliveries of it are taken over");
        Ok(())
    }
}

/// Whether its writer has left, or has been silent for a whole life.
fn is_gone(record: &Record, silent: Duration) -> bool {
    match document::decode::<Replica>(&record.value) {
        Ok(replica) => replica.left || silent >= replica.life.0,
        Err(_) => silent >= LIFE,
    }
}

fn key(name: &str) -> Key {
    Key::new(Replica::COLLECTION, name)
}

fn encode(clock: &Arc<dyn Clock>, left: bool) -> Result<bytes::Bytes, StoreError> {
    let replica = Replica { life: Span(LIFE), left, at: clock.now() };
    document::encode(&replica).map_err(|error| StoreError::damaged(&Replica::COLLECTION.as_str(), chain(&error)))
}
