//! Deliveries that are kept for later.

use std::time::Duration;

use workmanager_core_delivery::Ending;
use workmanager_core_domain::{
    Outcome,
    dead_letter::Reason,
    event_record::TrackState,
    parked::{ParkReason, Pinned},
    ports::{Collection, Expect, Key, Records as _},
    worker::{Desired, Ordering},
};

use crate::{
    fakes::Fault,
    scene::{Scene, boom, event, failure, order, reply, topic, worker_id},
};

#[tokio::test]
async fn a_retry_is_parked_with_the_acknowledgement_and_goes_on_from_the_lot() {
    let scene = Scene::parking().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [boom(), reply("r")]);
    assert_eq!(scene.run(event("1")).await, Ending::Parked);
    assert_eq!((scene.bus.settlements(), scene.backlog().await), (1, 0));
    assert!(matches!(scene.state("1", "a").await, TrackState::Waiting { .. }));
    assert_eq!(scene.parked().await[0].workers[&worker_id("a")].reason, ParkReason::Retry);

    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!((scene.bus.settlements(), scene.parked().await.len()), (2, 0));
    let track = scene.track("1", "a").await;
    assert_eq!(track.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(scene.published("replies").await.len(), 1);
}

#[tokio::test]
async fn a_copy_of_a_parked_event_is_a_duplicate_and_is_counted() {
    let scene = Scene::parking().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [boom()]);
    scene.run(event("1")).await;
    assert_eq!(scene.run(event("1")).await, Ending::Duplicate);
    assert_eq!((scene.target.seen().len(), scene.record("1").await.duplicates), (1, 1));
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!(scene.run(event("1")).await, Ending::Duplicate);
    assert_eq!((scene.target.seen().len(), scene.record("1").await.duplicates), (2, 2));
}

#[tokio::test]
async fn a_slow_attempt_lets_the_bus_go_and_ends_in_the_lot() {
    let scene = Scene::parking().await;
    scene.worker("slow", |_| {});
    scene.target.hold();
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.bus.settled(1).await;
        assert_eq!(scene.backlog().await, 0, "the bus does not wait any more");
        assert_eq!(scene.state("1", "slow").await, TrackState::Parked { reason: ParkReason::Slow });
        assert_eq!(scene.parked().await.len(), 1);
        scene.target.release();
    });
    assert_eq!(ending, Ending::Acknowledged);
    assert_eq!((scene.target.seen().len(), scene.parked().await.len()), (1, 0));
    assert_eq!(scene.state("1", "slow").await, TrackState::Done { reply: None });
}

#[tokio::test]
async fn what_is_parked_goes_on_after_a_restart_with_its_attempts() {
    let scene = Scene::parking().await;
    scene.worker("a", |worker| worker.limits.max_attempts = 2.try_into().unwrap());
    scene.target.script("a", [boom(), boom()]);
    scene.run(event("1")).await;
    let scene = scene.restarted().await;
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!(scene.dead_letters().await[0].attempts.len(), 2);
    assert!(scene.parked().await.is_empty());
}

#[tokio::test]
async fn a_slow_attempt_that_dies_with_the_program_is_made_again() {
    let scene = Scene::parking().await;
    scene.worker("a", |_| {});
    scene.target.hold();
    let delivery = scene.take(event("1")).await;
    tokio::select! {
        _ = scene.deliver(delivery) => panic!("it must not end"),
        () = scene.bus.settled(1) => {}
    }
    scene.target.release();
    scene.clock.advance(Duration::from_secs(600));
    let scene = scene.restarted().await;
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!((scene.target.seen().len(), scene.parked().await.len()), (2, 0));
}

#[tokio::test]
async fn a_stopped_workers_events_wait_for_its_start() {
    let scene = Scene::parking().await;
    scene.worker("here", |_| {});
    scene.stop("stopped");
    assert_eq!(scene.run(event("1")).await, Ending::Parked);
    assert_eq!(scene.target.workers(), ["here"]);
    scene.worker("stopped", |worker| worker.desired = Desired::Running);
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!(scene.target.workers(), ["here", "stopped"]);
}

#[tokio::test]
async fn what_a_stopped_workers_filter_refuses_is_not_kept_for_it() {
    let scene = Scene::parking().await;
    scene.worker("here", |_| {});
    scene.worker("stopped", |worker| {
        worker.desired = Desired::Stopped;
        worker.filter = Some("event.type == \"none\"".into());
    });
    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert!(matches!(scene.state("1", "stopped").await, TrackState::NotMatched { .. }));
    assert!(scene.parked().await.is_empty());
}

#[tokio::test]
async fn a_stopped_workers_events_are_given_up_when_they_are_too_many_or_too_old() {
    let scene = Scene::parking().await;
    scene.worker("here", |_| {});
    scene.stop("stopped");
    for id in ["1", "2", "3"] {
        assert_eq!(scene.run(event(id)).await, Ending::Parked);
    }
    assert_eq!(scene.run(event("4")).await, Ending::Acknowledged);
    assert_eq!(scene.dead_letters().await[0].reason, Reason::BacklogOverflow);

    scene.clock.advance(Duration::from_secs(7 * 3600));
    scene.worker("here", |_| {});
    for _ in 0..3 {
        assert_eq!(scene.resume().await, Ending::Acknowledged);
    }
    let reasons: Vec<_> = scene.dead_letters().await.iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons, [Reason::BacklogOverflow, Reason::TooOld, Reason::TooOld, Reason::TooOld]);
}

#[tokio::test]
async fn one_who_waits_in_the_lot_holds_up_nobody_else() {
    let scene = Scene::parking().await;
    scene.worker("quick", |_| {});
    scene.worker("fails", |_| {});
    scene.target.script("fails", [boom()]);
    assert_eq!(scene.run(event("1")).await, Ending::Parked);
    assert_eq!(scene.state("1", "quick").await, TrackState::Done { reply: None });
    assert_eq!(scene.parked().await[0].workers.len(), 1);
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!(scene.target.workers().iter().filter(|worker| *worker == "quick").count(), 1);
}

#[tokio::test]
async fn a_worker_with_a_full_line_parks_what_comes_while_others_go_on() {
    let scene = Scene::parking().await;
    scene.worker("stuck", |_| {});
    scene.worker("quick", |_| {});
    scene.target.hold_only(&["stuck"]);
    let mut taken = Vec::new();
    for id in 0..12 {
        taken.push(scene.take(event(&id.to_string())).await);
    }
    let all = futures_util::future::join_all(taken.into_iter().map(|delivery| scene.deliver(delivery)));
    let (endings, ()) = tokio::join!(all, async {
        // The first attempt of the stuck one, and all of the other.
        scene.target.begun(13).await;
        scene.bus.settled(3).await;
        scene.target.release();
    });
    // One runs and eight wait in line; they may be parked too when the bus has waited long enough.
    let parked = endings.iter().filter(|ending| **ending == Ending::Parked).count();
    assert!(parked >= 3, "{endings:?}");
    for _ in 0..parked {
        assert_eq!(scene.resume().await, Ending::Acknowledged);
    }
    assert_eq!((scene.target.seen().len(), scene.backlog().await), (24, 0));
}

#[tokio::test]
async fn a_reply_that_cannot_be_published_is_kept_and_its_worker_is_not_run_again() {
    let scene = Scene::parking().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [reply("r")]);
    scene.bus.fail([Fault::Unavailable; 3]);
    assert_eq!(scene.run(event("1")).await, Ending::Parked);
    assert_eq!(scene.state("1", "a").await, TrackState::Parked { reason: ParkReason::ReplyPending });
    assert_eq!((scene.published("replies").await.len(), scene.backlog().await), (0, 0));
    let scene = scene.restarted().await;
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!((scene.published("replies").await[0].id(), scene.target.seen().len()), ("r", 1));
    assert!(matches!(scene.state("1", "a").await, TrackState::Done { reply: Some(_) }));
    assert!(scene.parked().await.is_empty());
}

#[tokio::test]
async fn a_dead_letter_goes_round_again_with_the_chosen_version() {
    let scene = Scene::parking().await;
    scene.worker("a", |worker| worker.limits.max_age.0 = Duration::from_secs(60));
    scene.worker("b", |_| {});
    scene.target.script("a", [failure(false)]);
    scene.run(event("1")).await;
    let letter = scene.dead_letters().await.remove(0);
    scene.clock.advance(Duration::from_secs(600));
    let digest = workmanager_core_domain::Digest::of(b"version 7");
    scene.deliveries.redrive(&letter, Some(Pinned { number: 7, digest })).await.unwrap();
    assert!(scene.dead_letters().await.is_empty());
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    let track = scene.track("1", "a").await;
    assert_eq!((track.state, track.attempts.len()), (TrackState::Done { reply: None }, 2));
    assert_eq!((track.attempts[1].number, track.attempts[1].version, track.attempts[1].digest), (2, 7, digest));
    assert_eq!(scene.target.workers().iter().filter(|worker| *worker == "b").count(), 1);
    assert!(scene.record("1").await.is_finished() && scene.parked().await.is_empty());
}

#[tokio::test]
async fn a_redrive_of_an_event_whose_record_is_gone_starts_a_new_one() {
    let scene = Scene::parking().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [failure(false)]);
    scene.run(event("1")).await;
    let letter = scene.dead_letters().await.remove(0);
    let key = Key::new(Collection::Event, workmanager_core_domain::EventRecord::key("/shop", "1"));
    scene.store.delete(&key, Expect::Any).await.unwrap();
    scene.deliveries.redrive(&letter, None).await.unwrap();
    // Saying it twice is fine.
    scene.deliveries.redrive(&letter, None).await.unwrap();
    assert_eq!(scene.resume().await, Ending::Acknowledged);
    assert_eq!(scene.state("1", "a").await, TrackState::Done { reply: None });
    assert!(scene.parked().await.is_empty());
}

#[tokio::test]
async fn events_of_one_lane_keep_their_order_over_a_failure_and_a_restart() {
    let scene = Scene::parking().await;
    scene.worker("a", |worker| {
        worker.ordering = Ordering::PartitionKey;
        worker.limits.concurrency = 4.try_into().unwrap();
    });
    scene.target.script("a", [boom()]);
    let keyed = |id: &str, key: &str| order(id).with("partitionkey", key).build().unwrap();
    assert_eq!(scene.run(keyed("1", "x")).await, Ending::Parked);
    assert_eq!(scene.run(keyed("2", "x")).await, Ending::Parked);
    assert_eq!(scene.run(keyed("3", "y")).await, Ending::Acknowledged);
    let scene = scene.restarted().await;
    assert_eq!(scene.run(keyed("4", "x")).await, Ending::Parked);
    for _ in 0..3 {
        assert_eq!(scene.resume().await, Ending::Acknowledged);
    }
    let order: Vec<_> = scene.target.seen().iter().map(|seen| seen.event.id().to_owned()).collect();
    assert_eq!(order, ["1", "3", "1", "2", "4"]);
}

#[tokio::test]
async fn who_waits_for_its_turn_in_the_lot_takes_nobodys_place() {
    let scene = Scene::parking().await;
    scene.worker("here", |_| {});
    let ordered = |worker: &mut workmanager_core_domain::Worker| worker.ordering = Ordering::PartitionKey;
    scene.worker("a", |worker| {
        ordered(worker);
        worker.desired = Desired::Stopped;
    });
    for id in ["1", "2", "3"] {
        assert_eq!(scene.run(order(id).with("partitionkey", "k").build().unwrap()).await, Ending::Parked);
    }
    scene.target.script("a", [boom(), boom()]);
    scene.worker("a", ordered);
    // One after another: none waits for another to end.
    while !scene.parked().await.is_empty() {
        scene.resume().await;
    }
    let seen = scene.target.seen();
    let order: Vec<_> = seen.iter().filter(|seen| seen.worker == "a").map(|seen| seen.event.id()).collect();
    assert_eq!(order, ["1", "1", "1", "2", "3"]);
}

#[tokio::test]
async fn members_of_a_group_run_one_at_a_time_under_a_growing_epoch() {
    let scene = Scene::parking().await;
    for name in ["a", "b"] {
        scene.worker(name, |worker| {
            worker.group = Some("g".parse().unwrap());
            worker.limits.concurrency = 4.try_into().unwrap();
        });
    }
    let mut taken = Vec::new();
    for id in ["1", "2", "3"] {
        taken.push(scene.take(event(id)).await);
    }
    let endings = futures_util::future::join_all(taken.into_iter().map(|delivery| scene.deliver(delivery))).await;
    assert_eq!(endings, [Ending::Acknowledged; 3]);
    assert_eq!((scene.target.most(), scene.target.seen().len()), (1, 6));
    let first = epochs(&scene);
    assert_eq!(first, [first[0]; 6]);
    // Another life of the program takes the lease over, and says so to the workers.
    let scene = scene.restarted().await;
    scene.run(event("4")).await;
    assert_eq!(epochs(&scene)[6..], [first[0] + 1; 2]);
}

#[tokio::test]
async fn an_outcome_does_not_count_once_somebody_else_has_the_lease() {
    let scene = Scene::parking().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| {
        worker.group = Some("g".parse().unwrap());
        worker.reply_topic = Some(topic("replies"));
    });
    scene.target.script("a", [reply("late"), reply("good")]);
    scene.target.hold();
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.target.begun(1).await;
        scene.take_lease_over("g").await;
        scene.target.release();
    });
    assert_eq!(ending, Ending::Pending(workmanager_core_delivery::Pending::Fenced));
    assert_eq!((scene.published("replies").await.len(), scene.backlog().await), (0, 1));
}

#[tokio::test]
async fn a_worker_whose_engine_dies_again_and_again_gets_a_pause() {
    let scene = Scene::parking().await;
    scene.worker("a", |worker| worker.limits.max_attempts = 100.try_into().unwrap());
    let lost = || Outcome::EngineLost { message: "killed by signal 9".into() };
    scene.target.script("a", std::iter::repeat_with(lost).take(10));
    scene.run(event("1")).await;
    for _ in 0..9 {
        assert_eq!(scene.resume().await, Ending::Parked);
        scene.clock.advance(Duration::from_millis(10));
    }
    assert!(scene.deliveries.pause(worker_id("a")).is_some());
    assert_eq!(scene.run(event("2")).await, Ending::Parked);
    assert_eq!(scene.state("2", "a").await, TrackState::Parked { reason: ParkReason::CircuitOpen });
    scene.clock.advance(Duration::from_secs(11));
    scene.worker("other", |_| {});
    while !scene.parked().await.is_empty() {
        scene.resume().await;
        scene.clock.advance(Duration::from_secs(11));
        scene.worker("other", |_| {});
    }
    assert_eq!(scene.deliveries.pause(worker_id("a")), None);
    assert_eq!(scene.state("1", "a").await, TrackState::Done { reply: None });
    assert_eq!(scene.state("2", "a").await, TrackState::Done { reply: None });
}

#[tokio::test]
async fn a_parked_delivery_that_cannot_be_read_is_kept_aside() {
    let scene = Scene::parking().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [boom()]);
    scene.run(event("1")).await;
    let page = scene.store.page(Collection::Parked, "", None, 1).await.unwrap();
    let key = Key::new(Collection::Parked, page.records[0].id.clone());
    scene.store.put(&key, "not a record".into(), Expect::Any).await.unwrap();
    let scene = scene.restarted().await;
    assert!(scene.parked().await.is_empty());
    let kept = scene.store.page(Collection::Quarantine, "", None, 10).await.unwrap();
    assert_eq!(kept.records.len(), 1);
}

fn epochs(scene: &Scene) -> Vec<u64> {
    let epoch =
        |seen: &crate::fakes::Seen| Some(seen.event.attribute("workmanagerepoch")?.to_string().parse().unwrap());
    scene.target.seen().iter().filter_map(epoch).collect()
}
