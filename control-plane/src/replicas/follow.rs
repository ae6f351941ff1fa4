//! Hearing from the others which worker has changed.

use std::time::Duration;

use tracing::{debug, warn};
use workmanager_core_domain::{
    document::{self, Document as _},
    ports::Key,
    replica::Recent,
};
use workmanager_core_kit::chain;

use crate::app::{App, Error};

/// How often to look. Every change is known everywhere within a second.
const LOOK: Duration = Duration::from_millis(500);
/// How often everything is compared, whatever was told.
const COMPARE: Duration = Duration::from_secs(30);

/// Keeps the roster as the store has it, until the program stops.
pub async fn follow(app: App) {
    let stopping = app.parts().tasks.stopping();
    let clock = app.parts().clock.clone();
    let (mut known, mut compared) = (None, clock.monotonic());
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stopping.cancelled() => return,
        }
        if clock.monotonic().saturating_sub(compared) >= COMPARE {
            known = None;
        }
        match look(&app, known).await {
            Ok(seen) => {
                if known.is_none() {
                    compared = clock.monotonic();
                }
                known = Some(seen);
            }
            Err(error) => {
                debug!("what others changed is not known: {}", chain(&error));
                known = None;
            }
        }
    }
}

/// Reads what has changed since `known`, or everything. Says how many changes there have been.
async fn look(app: &App, known: Option<u64>) -> Result<u64, Error> {
    let key = Key::new(Recent::COLLECTION, Recent::ID);
    let found = app.parts().records.get(&key).await?;
    let recent: Recent = found.and_then(|record| document::decode(&record.value).ok()).unwrap_or_default();
    match known.and_then(|known| recent.since(known)) {
        Some(workers) => {
            for worker in workers {
                match app.reread(worker).await {
                    // The quarantine tells of it.
                    Err(error @ Error::Damaged { .. }) => warn!("{}", chain(&error)),
                    answer => answer?,
                }
            }
        }
        None => {
            app.reread_all().await?;
        }
    }
    Ok(recent.count)
}
