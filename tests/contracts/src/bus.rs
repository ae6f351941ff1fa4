//! The clauses of `Bus` that every bus keeps, also one that delivers more than once and in no order.

mod delivering;
mod keeping;

pub use delivering::{
    a_batch_comes_whole, a_dropped_wait_loses_nothing, an_event_comes_with_what_it_says,
    nothing_is_lost_among_many_publishers, publishing_nothing_is_fine, topics_do_not_mix,
    two_subscriptions_share_a_topic,
};
pub use keeping::{
    a_dropped_subscription_returns_what_is_not_finished, a_held_topic_keeps_its_events,
    a_restart_returns_what_is_not_finished, a_topic_says_whether_somebody_takes_its_events,
    acknowledging_twice_or_the_unknown_is_fine, giving_a_topic_up_ends_the_interest_in_it,
    the_backlog_counts_what_waits_taken_or_not,
};
