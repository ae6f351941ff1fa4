//! Publications on one topic that come together are made in one call, as long as none is refused.
//!
//! Of a call that fails the sidecar does not say which of its events were accepted, unless the component has such a
//! call of its own. So after a failure each is published alone, which tells; one that had been accepted comes a
//! second time then. That this stays rare, and what is refused does not make others' replies come twice again and
//! again, nothing is published together on that topic for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;
use workmanager_core_kit::Tasks;

use crate::{
    gather::Gather,
    sidecar::{GATHERED, Message, Sidecar, gathered},
    status::Failure,
};

/// For how long each publication on a topic has a call of its own after one that was made for several has failed.
const APART: Duration = Duration::from_secs(300);
/// With more topics than this, those that nobody publishes on are forgotten: events name topics as they like.
const LINES: usize = 1_000;

/// What became of a publication.
type Published = Result<(), Failure>;

/// The publications that wait for each other, by topic: one that is slow holds up no other.
#[derive(Debug)]
pub(crate) struct Posts {
    lines: Mutex<HashMap<Box<str>, Arc<Line>>>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Line {
    gather: Gather<Message, Published>,
    apart_until: Mutex<Option<Instant>>,
}

impl Posts {
    /// Makes calls in `tasks`.
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { lines: Mutex::default(), tasks }
    }

    fn line(&self, topic: &str) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(topic) {
            return line.clone();
        }
        if lines.len() >= LINES {
            lines.retain(|_, line| Arc::strong_count(line) > 1 || line.is_apart());
        }
        let line = Arc::new(Line { gather: Gather::new(self.tasks.clone()), apart_until: Mutex::default() });
        lines.insert(topic.into(), line.clone());
        line
    }
}

impl Line {
    fn is_apart(&self) -> bool {
        let until = *self.apart_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn keep_apart(&self) {
        *self.apart_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + APART);
    }
}

impl Sidecar {
    /// Publishes one event; with others that come meanwhile, when there are any.
    pub(crate) async fn publish_gathered(&self, topic: &str, message: Message) -> Published {
        let (line, bytes) = (self.posts().line(topic), message.body.len());
        if bytes > GATHERED || line.is_apart() {
            return self.publish(topic, message).await;
        }
        let (sidecar, topic, of) = (self.clone(), topic.to_owned(), line.clone());
        let make = move |messages| {
            let (sidecar, topic, line) = (sidecar.clone(), topic.clone(), of.clone());
            async move { sidecar.publish_each(&topic, messages, &line).await }
        };
        gathered(line.gather.ask(message, bytes, make)).await
    }

    /// Publishes events on a topic; what became of each.
    async fn publish_each(&self, topic: &str, messages: Vec<Message>, line: &Line) -> Vec<Published> {
        let count = messages.len();
        if count > 1 && !line.is_apart() {
            let Err(failure) = self.publish_many(topic, messages.clone()).await else { return vec![Ok(()); count] };
            if let Failure::Unreachable(_) = failure {
                return vec![Err(failure); count];
            }
            line.keep_apart();
            tracing::debug!("events on topic `{topic}` are published one by one for a while: {}", failure.reason());
            if let Failure::Elapsed = failure {
                // Nobody waits any more.
                return vec![Err(failure); count];
            }
        }
        join_all(messages.into_iter().map(|message| self.publish(topic, message))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_topic_on_which_something_was_refused_is_apart_for_a_while() {
        let posts = Posts::new(Tasks::new());
        posts.line("a").keep_apart();
        assert!(posts.line("a").is_apart() && !posts.line("b").is_apart());
        tokio::time::advance(APART).await;
        assert!(!posts.line("a").is_apart());
    }

    #[test]
    fn topics_that_nobody_uses_are_forgotten() {
        let posts = Posts::new(Tasks::new());
        let (used, apart) = (posts.line("used"), posts.line("apart"));
        apart.keep_apart();
        drop(apart);
        for number in 0..LINES {
            posts.line(&number.to_string());
        }
        let lines = posts.lines.lock().unwrap();
        assert!(lines.len() < LINES && lines.contains_key("used") && lines.contains_key("apart"));
        drop((lines, used));
    }
}
