//! When all goes well.

use workmanager_core_delivery::Ending;
use workmanager_core_domain::{
    event_record::{ReplyRecord, TrackState},
    reply,
};

use crate::scene::{Scene, event, order, topic};

#[tokio::test]
async fn one_worker_and_one_attempt_take_one_settlement() {
    let scene = Scene::open().await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [crate::scene::reply("r")]);

    assert_eq!(scene.run(event("1")).await, Ending::Acknowledged);
    assert_eq!(scene.bus.settlements(), 1);
    assert_eq!(scene.backlog().await, 0);
    let record = scene.record("1").await;
    assert!(record.is_finished() && record.finished_at.is_some());
    let track = scene.track("1", "a").await;
    assert_eq!((track.attempts.len(), track.attempts[0].number, track.attempts[0].version), (1, 1, 1));
    assert_eq!(track.attempts[0].outcome, "replied");
    assert_eq!(track.attempts[0].log_tail[0].text, "try 1");
    assert_eq!(scene.published("replies").await[0].id(), "r");
    assert_eq!(scene.diary.entries(), ["accepted 1 on orders", "a 1: replied", "a replied to replies"]);
}

#[tokio::test]
async fn an_attempt_sees_its_number_and_the_events_own_bytes() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [crate::scene::boom()]);
    let delivery = scene.take(event("1")).await;
    let bytes = delivery.event.data().bytes.as_ptr();
    scene.deliver(delivery).await;

    let numbers: Vec<_> = scene
        .target
        .seen()
        .iter()
        .map(|seen| {
            assert_eq!(seen.event.data().bytes.as_ptr(), bytes, "data is shared, not copied");
            (seen.number, seen.event.attribute(reply::ATTEMPT).unwrap().to_string())
        })
        .collect();
    assert_eq!(numbers, [(1, "1".to_owned()), (2, "2".to_owned())]);
}

#[tokio::test]
async fn workers_of_one_topic_run_side_by_side_and_fail_on_their_own() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.worker("b", |_| {});
    scene.worker("c", |_| {});
    scene.target.script("b", [crate::scene::failure(false)]);
    scene.target.hold();
    let delivery = scene.take(event("1")).await;
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.target.begun(3).await;
        scene.target.release();
    });

    assert_eq!(ending, Ending::Acknowledged);
    assert_eq!(scene.target.most(), 3);
    assert_eq!(scene.state("1", "a").await, TrackState::Done { reply: None });
    assert!(matches!(scene.state("1", "b").await, TrackState::DeadLettered { .. }));
    assert_eq!(scene.state("1", "c").await, TrackState::Done { reply: None });
    assert_eq!(scene.dead_letters().await.len(), 1);
    assert_eq!(scene.backlog().await, 0);
}

#[tokio::test]
async fn what_one_worker_has_done_is_durable_while_another_still_runs() {
    let scene = Scene::open().await;
    scene.listen("replies").await;
    scene.worker("slow", |_| {});
    scene.worker("quick", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("slow", [crate::scene::boom()]);
    scene.target.script("quick", [crate::scene::reply("r")]);
    let delivery = scene.take(event("1")).await;
    scene.target.hold_only(&["slow"]);
    let (ending, ()) = tokio::join!(scene.deliver(delivery), async {
        scene.bus.settled(1).await;
        assert_eq!(scene.published("replies").await.len(), 1);
        assert!(matches!(scene.state("1", "quick").await, TrackState::Done { .. }));
        assert_eq!(scene.state("1", "slow").await, TrackState::Open);
        assert_eq!(scene.backlog().await, 1, "not acknowledged yet");
        scene.target.release();
    });
    assert_eq!(ending, Ending::Acknowledged);
    assert_eq!(scene.published("replies").await.len(), 1);
    assert_eq!(scene.backlog().await, 0);
}

#[tokio::test]
async fn a_reply_goes_to_the_events_topic_before_the_workers() {
    let scene = Scene::open().await;
    scene.listen("wished").await;
    scene.listen("replies").await;
    scene.worker("a", |worker| worker.reply_topic = Some(topic("replies")));
    scene.target.script("a", [crate::scene::reply("r")]);
    scene.run(order("1").with("replytopic", "wished").build().unwrap()).await;
    assert_eq!(scene.published("wished").await.len(), 1);
    assert_eq!(scene.published("replies").await.len(), 0);
}

#[tokio::test]
async fn a_reply_without_a_topic_stays_in_the_record() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.script("a", [crate::scene::reply("r"), crate::scene::reply("s")]);
    scene.run(event("1")).await;
    scene.run(order("2").with("replytopic", "no topic").build().unwrap()).await;

    let reply = |state| match state {
        TrackState::Done { reply: Some(reply) } => reply,
        other => panic!("{other:?}"),
    };
    let ReplyRecord { id, topic, kept, note, .. } = reply(scene.state("1", "a").await);
    assert_eq!((id.as_str(), topic, note), ("r", None, None));
    assert!(kept.unwrap().contains(r#""id":"r""#));
    let ReplyRecord { kept, note, .. } = reply(scene.state("2", "a").await);
    assert!(kept.is_some());
    assert!(note.unwrap().contains("`replytopic` is no topic"));
}

#[tokio::test]
async fn a_worker_runs_as_many_attempts_at_a_time_as_it_says() {
    let scene = Scene::open().await;
    scene.worker("a", |worker| worker.limits.concurrency = 2.try_into().unwrap());
    scene.target.hold();
    let mut deliveries = Vec::new();
    for id in ["1", "2", "3", "4", "5"] {
        deliveries.push(scene.take(event(id)).await);
    }
    let all = futures_util::future::join_all(deliveries.into_iter().map(|delivery| scene.deliver(delivery)));
    let (endings, ()) = tokio::join!(all, async {
        scene.target.begun(2).await;
        scene.target.release();
    });
    assert_eq!(endings, [Ending::Acknowledged; 5]);
    assert_eq!(scene.target.most(), 2);
}

#[tokio::test]
async fn a_raised_limit_counts_for_those_who_wait() {
    let scene = Scene::open().await;
    scene.worker("a", |_| {});
    scene.target.hold();
    let (first, second) = (scene.take(event("1")).await, scene.take(event("2")).await);
    let (first, second, ()) = tokio::join!(scene.deliver(first), scene.deliver(second), async {
        scene.target.begun(1).await;
        scene.worker("a", |worker| worker.limits.concurrency = 2.try_into().unwrap());
        scene.target.begun(2).await;
        scene.target.release();
    });
    assert_eq!([first, second], [Ending::Acknowledged; 2]);
    assert_eq!(scene.target.most(), 2);
}
