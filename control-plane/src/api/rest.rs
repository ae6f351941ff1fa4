//! REST: one file per resource, one line per operation in [`router`].

mod call;
mod checkup;
mod condition;
mod dapr;
mod dead_letters;
mod engines;
mod events;
mod explain;
pub(super) mod fallback;
mod health;
mod idempotency;
mod logs;
mod quarantine;
mod query;
mod router;
mod tail;
mod topics;
mod worker;

pub use router::{early, router};
use workmanager_core_domain::event::InvalidEvent;

/// JSON pointer to what is wrong with the event at `at`.
pub(super) fn event_pointer(at: &str, error: &InvalidEvent) -> String {
    match error {
        InvalidEvent::Missing { name } => format!("{at}/{name}"),
        InvalidEvent::Attribute { name, .. } => format!("{at}/{}", crate::app::escape(name)),
        InvalidEvent::SpecVersion { .. } => format!("{at}/specversion"),
        InvalidEvent::Json { .. }
        | InvalidEvent::TooDeep { .. }
        | InvalidEvent::Utf8 { .. }
        | InvalidEvent::ContentType(_)
        | InvalidEvent::TooLarge { .. } => at.to_owned(),
    }
}
