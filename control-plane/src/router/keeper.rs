//! Keeps one intake per topic that some worker owns, as the roster changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing::{debug, warn};
use workmanager_core_delivery::{Deliveries, Ports, Snapshot};
use workmanager_core_domain::Topic;
use workmanager_core_kit::{Tasks, field};

use super::{
    intake::{Intake, Phase, Wanted},
    topic::{IntakeState, TopicState},
};

/// The intakes, and what they work with.
pub(super) struct Keeper {
    pub(super) ports: Ports,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) tasks: Tasks,
    intakes: Mutex<BTreeMap<Topic, Arc<Intake>>>,
    /// Up to which change of the roster the intakes are told what is wanted of them.
    aligned: watch::Sender<u64>,
}

impl Keeper {
    pub(super) fn new(ports: Ports, deliveries: Arc<Deliveries>, tasks: Tasks) -> Self {
        Self { ports, deliveries, tasks, intakes: Mutex::default(), aligned: watch::Sender::new(0) }
    }

    fn intakes(&self) -> MutexGuard<'_, BTreeMap<Topic, Arc<Intake>>> {
        self.intakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the roster until the program stops.
    pub(super) async fn keep(self: Arc<Self>) {
        let stopping = self.tasks.stopping();
        let mut changes = self.ports.roster.changes();
        let mut adopted = false;
        loop {
            let change = *changes.borrow_and_update();
            self.align(&self.ports.roster.snapshot());
            if !std::mem::replace(&mut adopted, true) {
                self.adopt().await;
            }
            // One more than was seen, so that a keeper that has seen nothing yet is at zero.
            self.aligned.send_replace(change + 1);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
        }
    }

    /// Tells every intake what is wanted of it, and starts those that are missing.
    fn align(self: &Arc<Self>, snapshot: &Snapshot) {
        let mut intakes = self.intakes();
        for (topic, intake) in intakes.iter() {
            intake.want(wanted(snapshot, topic));
        }
        for topic in snapshot.topics().filter(|topic| snapshot.is_owned(topic) || snapshot.is_open(topic)) {
            self.start(&mut intakes, topic, wanted(snapshot, topic));
        }
    }

    fn start(self: &Arc<Self>, intakes: &mut BTreeMap<Topic, Arc<Intake>>, topic: &Topic, wanted: Wanted) {
        if !intakes.contains_key(topic) {
            debug!({ field::TOPIC } = topic.as_str(), "topic `{topic}` is looked after");
            let intake = Arc::new(Intake::new(topic.clone(), wanted, self.ports.clock.now()));
            intakes.insert(topic.clone(), intake.clone());
            self.tasks.spawn_infallible(intake.run(self.clone()));
        }
    }

    /// Takes over what the bus keeps for us from earlier: a topic whose last owner was deleted just
    /// before the program died is given up now.
    async fn adopt(self: &Arc<Self>) {
        match self.ports.bus.topics().await {
            Ok(topics) => {
                let snapshot = self.ports.roster.snapshot();
                let mut intakes = self.intakes();
                for (topic, _) in topics {
                    self.start(&mut intakes, &topic, wanted(&snapshot, &topic));
                }
            }
            Err(error) => warn!("the bus does not say which topics it keeps for us: {error}"),
        }
    }

    /// Takes an intake out that nothing is wanted of any more. Says whether that is still so.
    pub(super) fn dismiss(&self, intake: &Intake) -> bool {
        let mut intakes = self.intakes();
        let is_gone = intake.wanted() == Wanted::Gone;
        if is_gone {
            intakes.remove(intake.topic());
        }
        is_gone
    }

    /// Waits until the intake of `topic` is as the roster wants it now.
    pub(super) async fn settled(&self, topic: &Topic) {
        let change = *self.ports.roster.changes().borrow();
        // Fails only when the sender is gone, and that is held here.
        let _ = self.aligned.subscribe().wait_for(|aligned| *aligned > change).await;
        let intake = self.intakes().get(topic).cloned();
        if let Some(intake) = intake {
            intake.settled().await;
        }
    }

    /// Why the intake of `topic` is not as it should be.
    pub(super) fn trouble(&self, topic: &Topic) -> String {
        let intake = self.intakes().get(topic).cloned();
        let error = intake.and_then(|intake| match intake.phase() {
            Phase::Failing { error } => Some(error.to_string()),
            Phase::Opening | Phase::Open | Phase::Closed => None,
        });
        error.unwrap_or_else(|| "the bus has not answered yet".to_owned())
    }

    pub(super) fn topic(&self, topic: &Topic) -> Option<TopicState> {
        let intake = self.intakes().get(topic).cloned();
        intake.map(|intake| self.as_it_is(intake.state()))
    }

    pub(super) fn topics(&self) -> Vec<TopicState> {
        let intakes: Vec<_> = self.intakes().values().cloned().collect();
        intakes.iter().map(|intake| self.as_it_is(intake.state())).collect()
    }

    /// An open subscription may have lost its way to the bus, and look for it by itself.
    fn as_it_is(&self, state: TopicState) -> TopicState {
        match self.ports.bus.trouble(&state.topic).filter(|_| state.state == IntakeState::Open) {
            Some(error) => TopicState { state: IntakeState::Failing, error: Some(error), ..state },
            None => state,
        }
    }
}

fn wanted(snapshot: &Snapshot, topic: &Topic) -> Wanted {
    if snapshot.is_open(topic) {
        Wanted::Open
    } else if snapshot.is_owned(topic) {
        Wanted::Closed
    } else {
        Wanted::Gone
    }
}
