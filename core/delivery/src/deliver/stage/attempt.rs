//! The attempt itself.

use std::sync::Arc;

use tracing::{Instrument as _, debug_span};
use workmanager_core_domain::{AttemptId, Event, Outcome, attempt::Attempt, outcome::Report, reply, units::Span};
use workmanager_core_kit::field;

use super::{Attempted, Permits, Stage};
use crate::{deliver::Deliveries, leases::Held, policy::Tries, roster::Member};

impl Stage<'_> {
    pub(super) async fn attempt(
        &self,
        member: Arc<Member>,
        tries: Tries,
        lease: Option<Held>,
        permits: Permits,
    ) -> Attempted {
        let Deliveries { ports, settings, .. } = self.deliveries;
        let id = AttemptId::new(ports.ids.next());
        let number = tries.begun.saturating_add(1);
        let timeout = member.worker.limits.timeout.0;
        let pinned = self.redrive.and_then(|redrive| redrive.version);
        let active = (member.worker.version, member.worker.digest);
        let (version, digest) = pinned.map_or(active, |pinned| (pinned.number, pinned.digest));
        let epoch = lease.as_ref().map_or(0, |lease| lease.epoch);
        let event = numbered(&self.delivery.event, number, epoch);
        let attempt = Attempt { id, worker: member.worker.clone(), digest, event, number, epoch, timeout };
        let started_at = self.now();
        let span = debug_span!("invoke", { field::WORKER_NAME } = %member.worker.name, number);
        let limit = timeout.saturating_add(settings.slack);
        let answer = tokio::time::timeout(limit, ports.target.attempt(&attempt)).instrument(span).await;
        drop(permits);
        let report = answer.unwrap_or_else(|_| Report {
            outcome: Outcome::Unknown { message: format!("the function gave no answer within {}", Span(limit)) },
            digest,
            started_at,
            duration: limit,
            logs: Vec::new(),
            logs_truncated: false,
        });
        Attempted { member, id, version, tries, report, lease }
    }
}

/// The event with the attempt's number, and its lease's epoch. One that has no room for the attributes
/// goes without.
fn numbered(event: &Arc<Event>, number: u32, epoch: u64) -> Arc<Event> {
    let value = i32::try_from(number).unwrap_or(i32::MAX);
    let mut builder = Event::clone(event).into_builder().with(reply::ATTEMPT, value);
    if epoch > 0 {
        builder = builder.with(reply::EPOCH, epoch.to_string());
    }
    builder.build().map_or_else(|_| event.clone(), Arc::new)
}
