//! Following a topic: always from the table, so that a slow follower costs no memory.

use std::collections::VecDeque;

use futures_util::stream;
use tokio::sync::watch;
use workmanager_core_domain::{
    Topic,
    ports::{BusError, TailStream, Tailed},
};

use crate::{
    Store,
    log::{self, Which},
    queue::{Page, Waiting},
};

struct Follower {
    store: Store,
    topic: Topic,
    after: u64,
    more: watch::Receiver<u64>,
    read: VecDeque<Waiting>,
}

/// Everything of `topic` after position `since`, or after what is durable now.
pub(crate) fn follow(store: &Store, topic: &Topic, since: Option<u64>) -> TailStream {
    let more = store.hub().follow(topic);
    let after = since.unwrap_or_else(|| store.hub().committed());
    let follower = Follower { store: store.clone(), topic: topic.clone(), after, more, read: VecDeque::new() };
    Box::pin(stream::unfold(follower, |mut follower| async {
        let item = follower.next().await?;
        Some((item, follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Tailed, BusError>> {
        let stopped = self.store.hub().stopped().clone();
        loop {
            if let Some(Waiting { position, accepted_at, event }) = self.read.pop_front() {
                return Some(Ok(Tailed { position, accepted_at, event }));
            }
            // What is published after this is told as a change.
            self.more.mark_unchanged();
            let (topic, after) = (self.topic.clone(), self.after);
            let read = move |connection: &_| log::read(connection, &topic, Which::All, after);
            match self.store.readers().run(read).await {
                Err(_) if stopped.is_cancelled() => return None,
                Err(failure) => return Some(Err(failure.into())),
                Ok(Page { waiting, read_to, more }) => {
                    self.after = read_to;
                    self.read = waiting.into();
                    if !self.read.is_empty() || more {
                        continue;
                    }
                }
            }
            tokio::select! {
                changed = self.more.changed() => changed.ok()?,
                () = stopped.cancelled() => return None,
            }
        }
    }
}
