//! What is in memory of topics: the events that streams brought, who takes them, and which wait for an answer.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use dapr::dapr::proto::runtime::v1::SubscribeTopicEventsRequestAlpha1 as Request;
use tokio::sync::{Notify, mpsc::UnboundedSender};
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{
    Event, Timestamp, Topic,
    ports::{Delivery, DeliveryToken},
};

use crate::{
    line::{Line, State},
    stream::{Answer, answer},
    tail::Tails,
};

/// All topics of this process.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    inside: Mutex<Inside>,
    numbers: AtomicU64,
    /// Who follows topics.
    pub(crate) tails: Tails,
}

#[derive(Debug, Default)]
struct Inside {
    topics: BTreeMap<Topic, Arc<Channel>>,
    redo: Option<Arc<Line>>,
    open: HashMap<DeliveryToken, Open>,
}

/// A topic that somebody takes events from.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Its stream.
    pub(crate) line: Arc<Line>,
    /// Told whenever there is something to take, or nothing any more.
    pub(crate) changed: Notify,
    inside: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Delivery>,
    takers: usize,
    ended: bool,
}

/// An event that a stream brought and that is not answered. Their number is bounded by the component, which
/// has so many unanswered events and no more.
#[derive(Debug)]
struct Open {
    delivery: Delivery,
    /// Its name on the stream.
    name: String,
    connection: Connection,
    taker: Option<u64>,
}

/// One connection of a stream. What it brought can be answered on it alone.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Tells it from all others.
    pub(crate) number: u64,
    /// Takes the answers.
    pub(crate) answers: UnboundedSender<Request>,
}

/// What is to be done with a topic's stream.
#[derive(Debug)]
pub(crate) enum Joined {
    /// It is there.
    There(Arc<Channel>),
    /// It must be opened.
    New(Arc<Channel>),
}

impl Hub {
    /// A number that was not used before.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds a taker to a topic.
    pub(crate) fn join(&self, topic: &Topic, stopping: &CancellationToken) -> Joined {
        let mut inside = self.inside();
        if let Some(channel) = inside.topics.get(topic) {
            channel.queue().takers += 1;
            return Joined::There(channel.clone());
        }
        let queue = Mutex::new(Queue { takers: 1, ..Queue::default() });
        let line = Arc::new(Line::new(stopping.child_token()));
        let channel = Arc::new(Channel { line, changed: Notify::new(), inside: queue });
        inside.topics.insert(topic.clone(), channel.clone());
        Joined::New(channel)
    }

    /// The redo topic's stream, and whether it must be opened.
    pub(crate) fn redo(&self, stopping: &CancellationToken) -> (Arc<Line>, bool) {
        let mut inside = self.inside();
        if let Some(line) = &inside.redo {
            return (line.clone(), false);
        }
        let line = Arc::new(Line::new(stopping.child_token()));
        inside.redo = Some(line.clone());
        (line, true)
    }

    /// Takes a taker away. What it had goes to the others; if it was the last, everything is given back to the
    /// broker and the stream ends.
    pub(crate) fn leave(&self, topic: &Topic, channel: &Arc<Channel>, taker: u64) {
        let mut inside = self.inside();
        let mut queue = channel.queue();
        queue.takers -= 1;
        if queue.ended {
            return;
        }
        if queue.takers > 0 {
            for open in inside.open.values_mut().filter(|open| open.taker == Some(taker)) {
                open.taker = None;
                queue.waiting.push_front(open.delivery.clone());
            }
            drop(queue);
            channel.changed.notify_waiters();
            return;
        }
        drop(queue);
        inside.topics.remove(topic);
        inside.end(topic, channel, Answer::Retry);
    }

    /// Ends a topic for good: what is here of it is dropped.
    pub(crate) fn forget(&self, topic: &Topic) {
        let mut inside = self.inside();
        if let Some(channel) = inside.topics.remove(topic) {
            inside.end(topic, &channel, Answer::Success);
        }
    }

    /// The topics that are taken from here.
    pub(crate) fn taken(&self) -> Vec<Topic> {
        self.inside().topics.keys().cloned().collect()
    }

    /// Why a topic's stream, or the redo topic's, is not open now.
    pub(crate) fn trouble(&self, topic: &Topic) -> Option<String> {
        let inside = self.inside();
        let lines = inside.topics.get(topic).map(|channel| &channel.line).into_iter().chain(&inside.redo);
        lines.into_iter().find_map(|line| match &*line.state().borrow() {
            State::Failed(failure) => Some(failure.reason().to_owned()),
            State::Open | State::Opening => None,
        })
    }

    /// The streams that are open: each one's topic, none for the redo topic's.
    pub(crate) fn open_lines(&self) -> Vec<(Option<String>, Arc<Line>)> {
        let inside = self.inside();
        let topics = inside.topics.iter().map(|(topic, channel)| (Some(topic.to_string()), channel.line.clone()));
        let lines = topics.chain(inside.redo.clone().map(|line| (None, line)));
        lines.filter(|(_, line)| matches!(*line.state().borrow(), State::Open)).collect()
    }

    /// Brings an event to those who take from its topic. Says whether there is somebody.
    pub(crate) fn bring(
        &self,
        topic: &Topic,
        event: &Arc<Event>,
        accepted_at: Timestamp,
        name: &str,
        connection: &Connection,
    ) -> bool {
        let mut inside = self.inside();
        let Some(channel) = inside.topics.get(topic).cloned() else { return false };
        let token = DeliveryToken(self.number());
        let delivery = Delivery { token, topic: topic.clone(), event: event.clone(), accepted_at, redelivered: true };
        channel.queue().waiting.push_back(delivery.clone());
        let open = Open { delivery, name: name.to_owned(), connection: connection.clone(), taker: None };
        inside.open.insert(token, open);
        drop(inside);
        channel.changed.notify_waiters();
        true
    }

    /// The next event of a topic, if one is there.
    pub(crate) fn take(&self, channel: &Channel, taker: u64) -> Turn {
        let mut inside = self.inside();
        let mut queue = channel.queue();
        if queue.ended {
            return Turn::Ended;
        }
        let Some(delivery) = queue.waiting.pop_front() else { return Turn::Nothing };
        if let Some(open) = inside.open.get_mut(&delivery.token) {
            open.taker = Some(taker);
        }
        Turn::Delivery(delivery)
    }

    /// Answers a delivery. One that is not known any more is on its way again, or was answered.
    pub(crate) fn acknowledge(&self, token: DeliveryToken) {
        if let Some(open) = self.inside().open.remove(&token) {
            open.answer(Answer::Success);
        }
    }

    /// Forgets what a connection brought that has ended: it comes again on another.
    pub(crate) fn lost(&self, connection: u64) {
        let mut inside = self.inside();
        inside.open.retain(|_, open| open.connection.number != connection);
        for channel in inside.topics.values() {
            channel.queue().waiting.retain(|delivery| inside.open.contains_key(&delivery.token));
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Answers all that is open of a topic, and ends its stream.
    fn end(&mut self, topic: &Topic, channel: &Channel, answer: Answer) {
        let of_topic = |_: &DeliveryToken, open: &mut Open| open.delivery.topic == *topic;
        for (_, open) in self.open.extract_if(of_topic) {
            open.answer(answer);
        }
        let mut queue = channel.queue();
        queue.ended = true;
        queue.waiting.clear();
        drop(queue);
        channel.line.stop.cancel();
        channel.changed.notify_waiters();
    }
}

impl Open {
    fn answer(self, with: Answer) {
        // A connection that has ended answers nothing; the event comes again.
        let _ = self.connection.answers.send(answer(&self.name, with));
    }
}

impl Channel {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a taker finds.
#[derive(Debug)]
pub(crate) enum Turn {
    /// An event.
    Delivery(Delivery),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    Ended,
}
