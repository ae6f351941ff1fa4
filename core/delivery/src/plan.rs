//! Which workers get an event.

use std::sync::Arc;

use workmanager_core_domain::{Event, event_record::MismatchReason};

use crate::{
    filter::Input,
    metrics::{self, Match},
    roster::{Member, MemberFilter},
};

/// What an event means for one member of its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It gets the event.
    Matched,
    /// The event is not for it.
    NotMatched(MismatchReason),
    /// It gets the event once it runs.
    Stopped,
}

/// A member and what the event means for it.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Who.
    pub member: Arc<Member>,
    /// What.
    pub decision: Decision,
}

/// Decides for every one of `members` that owns `event`; one that never ran owns nothing and is left
/// out. The event's data is parsed at most once, whatever the number of filters.
#[must_use]
pub fn plan(event: &Event, members: &[Arc<Member>]) -> Vec<Planned> {
    let input = Input::new(event);
    let owners = members.iter().filter(|member| member.is_running() || member.worker.started_once);
    owners.map(|member| Planned { member: member.clone(), decision: decide(&input, member) }).collect()
}

fn decide(input: &Input<'_>, member: &Member) -> Decision {
    let (decision, result) = match filter(input, &member.filter) {
        Some(reason) => {
            let result = match reason {
                MismatchReason::FilterFalse { .. } => Match::FilterFalse,
                MismatchReason::FilterFailed { .. } => Match::FilterFailed,
            };
            (Decision::NotMatched(reason), result)
        }
        None if member.is_running() => (Decision::Matched, Match::Matched),
        // What its filter refuses is not kept for it.
        None => (Decision::Stopped, Match::Stopped),
    };
    metrics::matched(result);
    decision
}

/// Why the filter does not let the event through, if so.
fn filter(input: &Input<'_>, filter: &MemberFilter) -> Option<MismatchReason> {
    let stored = match filter {
        MemberFilter::All => return None,
        MemberFilter::Stored(stored) => stored,
    };
    let message = match stored.compiled() {
        Ok(filter) => match filter.matches(input) {
            Ok(true) => return None,
            Ok(false) => return Some(MismatchReason::FilterFalse { filter: stored.text().to_owned() }),
            Err(error) => error.to_string(),
        },
        Err(error) => format!("the stored filter does not compile: {error}"),
    };
    Some(MismatchReason::FilterFailed { filter: stored.text().to_owned(), message })
}
