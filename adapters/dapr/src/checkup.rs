//! Whether the sidecar's components are as nothing-lost needs them. A sidecar names its components and not their
//! settings, so most is found out by doing: events on a private topic are given back or left unanswered, and a
//! key is written with an old etag. One replica looks at a time, because replicas share the topic's events.

mod bus;
mod probe;
mod state;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::{GetMetadataResponse, PubsubSubscriptionType};
use workmanager_core_domain::{
    Checkup, Finding,
    ports::{Expect, Revision, StoreError},
};

use crate::{Dapr, cell::Kind, dapr::Shared, status::Failure};

/// Says whose turn it is.
const KEY: &str = "checkup";
/// How long a turn may last. Whoever dies in it keeps the others waiting for so long.
const TURN: Duration = Duration::from_secs(120);
/// Pause between two looks for the turn.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause after a look that could not be carried out.
const AGAIN: Duration = Duration::from_secs(60);

/// The shipped files.
const PUBSUB: &str = "pubsub.yaml";
const RABBITMQ: &str = "rabbitmq/pubsub.yaml";
const RESILIENCY: &str = "resiliency.yaml";
const STATE_STORE: &str = "statestore.yaml";

/// A finding about a line of a shipped file.
fn finding(file: &str, line: &str, reason: impl Into<String>) -> Finding {
    Finding { file: format!("deploy/dapr/{file}"), line: line.to_owned(), reason: reason.into() }
}

impl Dapr {
    /// Looks in the background whether the components are as they should be, which takes up to a minute. What is
    /// found is logged.
    pub fn check_up(&self) {
        let shared = self.shared();
        shared.set_checkup(Checkup::Running);
        shared.tasks.spawn_infallible(run(shared.clone()));
    }

    /// What is not as it should be.
    ///
    /// # Errors
    /// Says why nothing could be found out.
    pub async fn findings(&self) -> Result<Vec<Finding>, String> {
        let mut findings = Vec::new();
        match look(self.shared(), &mut findings).await {
            Ok(()) => Ok(findings),
            Err(failure) => Err(failure.reason().to_owned()),
        }
    }
}

async fn run(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping();
    let work = async {
        loop {
            let mut findings = Vec::new();
            let looked = look(&shared, &mut findings).await;
            for Finding { file, line, reason } in &findings {
                tracing::warn!("the sidecar's components are not as {file} has them, {line}: {reason}");
            }
            let Err(failure) = looked else { return shared.set_checkup(Checkup::Done { findings }) };
            let (reason, pause) = (failure.reason().to_owned(), AGAIN.as_secs());
            tracing::warn!("the sidecar's components cannot be looked at, and are again in {pause} s: {reason}");
            shared.set_checkup(Checkup::Failed { findings, reason });
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = stopping.cancelled() => {}
    }
}

/// Adds what it finds to `findings`, also when it cannot go on.
async fn look(shared: &Shared, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let turn = take_turn(shared).await.map_err(unknown)?;
    let looked = async {
        let said = shared.sidecar.metadata().await?;
        findings.extend(declared(shared, &said));
        findings.extend(state::look(shared, &said.id).await?);
        let is_redis = kind(&said, shared.sidecar.pubsub()) == "pubsub.redis";
        findings.extend(bus::look(shared, &said.id, is_redis).await?);
        Ok(())
    };
    let looked = tokio::time::timeout(TURN, looked).await.unwrap_or(Err(Failure::Elapsed));
    // Should this fail, the others wait until the turn is over.
    let _ = shared.cells.write(KEY, Kind::Value, until(0), Expect::Revision(turn)).await;
    looked
}

/// What the sidecar says without being tried.
fn declared(shared: &Shared, said: &GetMetadataResponse) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, file) in [(shared.sidecar.pubsub(), PUBSUB), (shared.sidecar.store(), STATE_STORE)] {
        let kind = kind(said, name);
        if kind.ends_with(".in-memory") {
            findings.push(finding(file, "type", format!("`{kind}` keeps nothing over the end of the sidecar")));
        }
    }
    if kind(said, shared.sidecar.pubsub()) == "pubsub.rabbitmq" {
        let reason = "the component calls an event accepted that it publishes as its connection to RabbitMQ ends, and \
                      the event is lost; after that some events come half a minute late. It cannot be seen from here \
                      whether it is repaired, as deploy/dapr/rabbitmq/component.patch does";
        findings.push(finding(RABBITMQ, "type", reason));
    }
    let store = said.registered_components.iter().find(|component| component.name == shared.sidecar.store());
    if store.is_some_and(|store| !store.capabilities.iter().any(|capability| capability == "ETAG")) {
        findings.push(finding(STATE_STORE, "type", "the store has no etags: replicas overwrite each other's records"));
    }
    let is_ours =
        |pubsub: &str, kind: i32| pubsub == shared.sidecar.pubsub() && kind != PubsubSubscriptionType::Streaming as i32;
    let foreign = said.subscriptions.iter().filter(|one| is_ours(&one.pubsub_name, one.r#type));
    for topic in foreign.map(|one| one.topic.as_str()).collect::<BTreeSet<_>>() {
        let reason = format!(
            "a Subscription that is not shipped sends events of `{topic}` to the program's port, which takes none; \
             they are lost"
        );
        findings.push(finding("", "kind: Subscription", reason));
    }
    findings
}

fn kind<'a>(said: &'a GetMetadataResponse, name: &str) -> &'a str {
    let component = said.registered_components.iter().find(|component| component.name == name);
    component.map_or("", |component| &component.r#type)
}

async fn take_turn(shared: &Shared) -> Result<Revision, StoreError> {
    let cells = &shared.cells;
    loop {
        let found = cells.read(KEY).await?;
        let ends = found.as_ref().and_then(|found| found.cell.payload.first_chunk().copied());
        if ends.map_or(0, u64::from_be_bytes) <= cells.now() {
            let expect = found.map_or(Expect::Absent, |found| Expect::Revision(Revision(found.cell.revision)));
            let end = cells.now() + u64::try_from(TURN.as_micros()).unwrap_or(0);
            match cells.write(KEY, Kind::Value, until(end), expect).await {
                Ok(written) => return Ok(written.revision),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn until(micros: u64) -> Bytes {
    Bytes::copy_from_slice(&micros.to_be_bytes())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unknown(error: StoreError) -> Failure {
    Failure::Unknown(error.to_string())
}
