//! Taking events from a topic.

use std::{pin::pin, sync::Arc};

use async_trait::async_trait;
use workmanager_core_domain::ports::{BusError, Delivery, Subscription};

use crate::{
    Store,
    log::{self, Which},
    queue::{Queue, Turn},
    readers::Reader,
};

/// One taker of a topic's events. Dropping it returns what was not acknowledged.
pub(crate) struct Taker {
    store: Store,
    queue: Arc<Queue>,
    number: u64,
}

impl Taker {
    pub(crate) fn new(store: Store, queue: Arc<Queue>) -> Self {
        let number = queue.join();
        Self { store, queue, number }
    }

    /// Has the next page read from the table, unless somebody does already. It is read to its end
    /// even if nobody waits for it.
    fn load(&self, reader: Reader) {
        let queue = self.queue.clone();
        if let Some(after) = queue.begin_loading() {
            tokio::task::spawn_blocking(move || {
                let page = reader.with(|connection| log::read(connection, queue.topic(), Which::Pending, after));
                queue.end_loading(after, page);
            });
        }
    }
}

#[async_trait]
impl Subscription for Taker {
    async fn next(&mut self) -> Option<Result<Delivery, BusError>> {
        loop {
            let mut woken = pin!(self.queue.wake());
            // From here on no wake-up is missed.
            woken.as_mut().enable();
            let stopped = self.store.hub().stopped();
            if stopped.is_cancelled() {
                return None;
            }
            match self.queue.take(self.number) {
                Turn::Delivery(delivery) => {
                    // Reads ahead if that costs no waiting.
                    if self.queue.runs_low()
                        && let Some(reader) = self.store.readers().try_acquire()
                    {
                        self.load(reader);
                    }
                    return Some(Ok(delivery));
                }
                Turn::Failed(failure) => return Some(Err(failure.into())),
                Turn::Ended => return None,
                Turn::Nothing => {}
                Turn::Behind => match self.store.readers().acquire().await {
                    Ok(reader) => self.load(reader),
                    Err(failure) => return Some(Err(failure.into())),
                },
            }
            tokio::select! {
                () = woken => {}
                () = stopped.cancelled() => return None,
            }
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.queue.leave(self.number);
    }
}
