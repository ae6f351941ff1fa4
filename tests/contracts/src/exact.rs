//! The clauses of a bus that one process has to itself: events come in order, once within a life of the process,
//! and say whether they were there before; and any number of them may be open. A broker that replicas share,
//! behind a sidecar, keeps none of this: it delivers at least once, in no order, so many at a time.

mod delivering;
mod keeping;

pub use delivering::{
    a_dropped_wait_loses_nothing_of_what_is_open, a_slow_subscriber_gets_everything_in_order,
    events_come_in_the_order_of_publishing, nothing_is_lost_or_doubled_among_many_publishers,
    two_subscriptions_have_nothing_in_common, what_is_published_is_delivered_as_it_was,
};
pub use keeping::{
    a_dropped_subscription_returns_only_what_is_not_finished, a_held_topic_keeps_the_order_of_its_events,
    a_restart_returns_only_what_is_not_finished, what_was_published_together_survives_a_restart_together,
};
