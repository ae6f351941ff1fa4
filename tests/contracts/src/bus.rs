//! The clauses of `Bus` that every bus keeps.

mod delivering;
mod keeping;

pub use delivering::{
    a_dropped_wait_loses_nothing, a_slow_subscriber_gets_everything_in_order, events_come_in_the_order_of_publishing,
    nothing_is_lost_or_doubled_among_many_publishers, publishing_nothing_is_fine, topics_do_not_mix,
    two_subscriptions_share_a_topic, what_is_published_is_delivered_as_it_was,
};
pub use keeping::{
    a_dropped_subscription_returns_what_is_not_finished, a_held_topic_keeps_its_events,
    a_restart_returns_what_is_not_finished, a_topic_says_whether_somebody_takes_its_events,
    acknowledging_twice_or_the_unknown_is_fine, forgetting_drops_what_waits,
    the_backlog_counts_what_waits_taken_or_not, what_was_published_together_survives_a_restart_together,
};
