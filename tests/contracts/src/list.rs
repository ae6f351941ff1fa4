//! The macros that make one test of each clause.

/// One test per clause of a module.
#[doc(hidden)]
#[macro_export]
macro_rules! clauses {
    ($module:ident, $fixture:path, [$($clause:ident),* $(,)?]) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $clause() {
                let Some(fixture) = $fixture().await else { return };
                $crate::within($crate::$module::$clause(fixture)).await;
            }
        )*
    };
}

/// Tests `Records` with the fixtures that an `async fn` makes.
#[macro_export]
macro_rules! records {
    ($fixture:path) => {
        $crate::clauses!(
            records,
            $fixture,
            [
                a_record_is_read_as_it_was_written,
                what_was_never_written_is_absent,
                creating_has_one_winner_among_many,
                a_stale_revision_is_refused_and_changes_nothing,
                compare_and_swap_loses_no_update,
                any_writes_over_whatever_is_there,
                a_revision_grows_with_every_write_and_over_deletion,
                a_revision_from_before_a_deletion_is_refused_after_it,
                a_deleted_record_is_absent,
                collections_do_not_mix,
                every_allowed_id_is_kept_apart,
                pages_are_in_order_and_lead_to_the_end,
                a_record_that_stays_is_on_exactly_one_page,
                what_was_written_survives_a_restart,
            ]
        );
    };
}

/// Tests `Blobs` with the fixtures that an `async fn` makes.
#[macro_export]
macro_rules! blobs {
    ($fixture:path) => {
        $crate::clauses!(
            blobs,
            $fixture,
            [
                a_blob_is_read_as_it_was_kept,
                the_largest_blob_is_kept,
                keeping_twice_is_keeping_once,
                an_unknown_digest_is_absent,
                damaged_bytes_are_reported_and_can_be_repaired,
                a_blob_survives_a_restart,
            ]
        );
    };
}

/// Tests `Bus` with the fixtures that an `async fn` makes.
#[macro_export]
macro_rules! bus {
    ($fixture:path) => {
        $crate::passing!($fixture);
        $crate::clauses!(
            bus,
            $fixture,
            [
                a_batch_comes_whole,
                two_subscriptions_share_a_topic,
                a_dropped_subscription_returns_what_is_not_finished,
                a_restart_returns_what_is_not_finished,
                a_held_topic_keeps_its_events,
                giving_a_topic_up_ends_the_interest_in_it,
                acknowledging_twice_or_the_unknown_is_fine,
            ]
        );
    };
}

/// Tests the part of `Bus` that is left where the bus keeps nothing: it has one event of a topic in hand, publishing
/// the next waits until that is finished, and what nobody takes is gone. Dapr's broker in memory is so.
#[macro_export]
macro_rules! passing {
    ($fixture:path) => {
        $crate::clauses!(
            bus,
            $fixture,
            [
                an_event_comes_with_what_it_says,
                nothing_is_lost_among_many_publishers,
                topics_do_not_mix,
                publishing_nothing_is_fine,
                a_dropped_wait_loses_nothing,
                a_topic_says_whether_somebody_takes_its_events,
                the_backlog_counts_what_waits_taken_or_not,
            ]
        );
    };
}

/// Tests a bus that one process has to itself. Not for a broker behind Dapr: that delivers at least once and in no
/// order, marks every delivery as perhaps redelivered because another replica may have had it, has a bounded number
/// of events open, and writes JSON anew, so bytes that mean the same may differ.
#[macro_export]
macro_rules! exact {
    ($fixture:path) => {
        $crate::clauses!(
            exact,
            $fixture,
            [
                what_is_published_is_delivered_as_it_was,
                events_come_in_the_order_of_publishing,
                nothing_is_lost_or_doubled_among_many_publishers,
                two_subscriptions_have_nothing_in_common,
                a_dropped_wait_loses_nothing_of_what_is_open,
                a_slow_subscriber_gets_everything_in_order,
                a_dropped_subscription_returns_only_what_is_not_finished,
                a_restart_returns_only_what_is_not_finished,
                a_held_topic_keeps_the_order_of_its_events,
                what_was_published_together_survives_a_restart_together,
            ]
        );
    };
}

/// Tests that a first subscription does not replay history. Not for a broker behind Dapr, which has no call that
/// asks for that, and none that removes what is kept.
#[macro_export]
macro_rules! fresh {
    ($fixture:path) => {
        $crate::clauses!(
            fresh,
            $fixture,
            [
                a_first_subscription_starts_with_what_comes_after_it,
                a_subscription_after_forgetting_is_a_first_one,
                forgetting_drops_what_waits,
            ]
        );
    };
}

/// Tests that a settlement is one transaction.
#[macro_export]
macro_rules! settlement {
    ($fixture:path) => {
        $crate::clauses!(
            settlement,
            $fixture,
            [
                a_settlement_publishes_records_and_acknowledges,
                a_conflict_means_that_nothing_happened,
                a_conflict_is_not_the_neighbours_concern,
                without_acknowledgement_the_delivery_stays_open,
                one_key_twice_is_written_in_order,
                a_guard_that_does_not_hold_lets_nothing_happen,
                a_removal_happens_with_the_rest_or_not_at_all,
                a_record_may_have_four_mebibytes,
            ]
        );
    };
}

/// Tests a tail that shows the log.
#[macro_export]
macro_rules! tail {
    ($fixture:path) => {
        $crate::clauses!(
            tail,
            $fixture,
            [
                a_tail_from_now_shows_what_comes,
                a_tail_since_a_position_goes_on_after_it,
                the_seam_between_past_and_present_does_not_show,
                a_slow_tail_misses_nothing,
                a_tail_takes_nothing,
                a_tail_shows_replies,
                a_topic_says_where_it_ends,
            ]
        );
    };
}

/// Tests what must hold when the store fails.
#[macro_export]
macro_rules! faults {
    ($fixture:path) => {
        $crate::clauses!(
            faults,
            $fixture,
            [
                a_write_without_an_answer_is_done_or_not_and_a_read_tells,
                a_create_without_an_answer_is_found_to_be_ours,
                a_torn_write_is_noticed_when_it_is_read,
                what_was_refused_changed_nothing,
                a_settlement_without_an_answer_can_be_tried_again,
                an_error_of_a_settlement_names_its_first_step,
                counting_survives_any_sequence_of_faults,
            ]
        );
    };
}

/// Tests that a settlement is whole when the store fails. Not for a store whose settlement goes step by step.
#[macro_export]
macro_rules! whole {
    ($fixture:path) => {
        $crate::clauses!(faults, $fixture, [a_settlement_is_whole_wherever_the_store_goes_away]);
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_clause_is_in_its_list() {
        let not_in_names = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let listed: BTreeSet<_> = include_str!("list.rs").split(not_in_names).collect();
        let modules = [
            include_str!("records.rs"),
            include_str!("blobs.rs"),
            include_str!("bus/delivering.rs"),
            include_str!("bus/keeping.rs"),
            include_str!("exact/delivering.rs"),
            include_str!("exact/keeping.rs"),
            include_str!("fresh.rs"),
            include_str!("settlement.rs"),
            include_str!("tail.rs"),
            include_str!("faults.rs"),
        ];
        let names = modules.iter().flat_map(|text| text.split("\npub async fn ").skip(1));
        let names: Vec<_> = names.filter_map(|rest| rest.split('<').next()).collect();
        assert!(names.len() > 50, "the clauses are found in their sources");
        for name in names {
            assert!(listed.contains(name), "`{name}` is in no list, so nobody runs it");
        }
    }
}
