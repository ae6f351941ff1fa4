//! A crash, and every other fault, at each single use of the store: on the way of a success, a retry, a
//! slow attempt, a stopped worker, a lane, a group, and of a dead letter that is sent round again; on a
//! store that settles in one transaction, and on one that settles step by step. Afterwards the program
//! starts again on the same store, and nothing may be lost.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail loudly, and say what they tried"
)]

#[path = "deliveries/fakes.rs"]
#[expect(dead_code, reason = "shared with another test program")]
mod fakes;
#[path = "kill_points/stepwise.rs"]
mod stepwise;
#[path = "kill_points/world.rs"]
mod world;

use std::time::Duration;

use workmanager_core_domain::{Outcome, worker::Ordering};
use workmanager_tests_contracts::fault::{Fault, at_every_step};
use world::{Settles, World, failure, reply};

/// The program dies before the operation.
const CRASH: &[Fault] = &[Fault::Gone];
/// It lives, and the operation goes wrong.
const MISHAPS: &[Fault] = &[Fault::Refused, Fault::TimedOut, Fault::AnswerLost, Fault::Lied, Fault::Conflict];

/// Runs what `prepare` sets up with every fault at every operation, and looks at what is left.
async fn enumerate(name: &str, prepare: impl AsyncFn(&World)) {
    for settles in [Settles::AtOnce, Settles::Stepwise] {
        for (what, faults) in [("crash", CRASH), ("mishap", MISHAPS)] {
            let mut runs = 0;
            at_every_step(faults, |plan| {
                runs += 1;
                let prepare = &prepare;
                async move {
                    let world = World::open(settles).await;
                    prepare(&world).await;
                    let operations = world.life(plan).await;
                    world.rest_of_its_life().await;
                    world.check().await;
                    operations
                }
            })
            .await;
            println!("{name}, {settles:?}: {} points of {what} held", runs - 1);
            assert!(runs > 1 + 2 * faults.len(), "{name}: the scenario uses the store, {runs} runs");
        }
    }
}

#[tokio::test]
async fn a_success() {
    enumerate("success", async |world| {
        world.worker("a", |_| {});
        world.worker("b", |worker| worker.reply_topic = None);
        world.target.script("a", [reply()]);
        world.publish("1", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_retry_and_a_dead_letter() {
    enumerate("retry", async |world| {
        world.worker("a", |_| {});
        world.worker("b", |worker| worker.limits.max_attempts = 2.try_into().unwrap());
        world.target.script("a", [failure(true), reply()]);
        world.target.script("b", [failure(true), failure(true), failure(true)]);
        world.publish("1", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_slow_attempt() {
    enumerate("slow attempt", async |world| {
        world.worker("a", |_| {});
        world.target.script("a", [reply()]);
        world.target.slow(Duration::from_millis(60));
        world.publish("1", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_was_stopped() {
    enumerate("stopped worker", async |world| {
        world.worker("a", |_| {});
        world.stop("b");
        world.target.script("b", [reply()]);
        world.publish("1", None).await;
        world.publish("2", None).await;
        world.starts_later("b");
    })
    .await;
}

#[tokio::test]
async fn events_of_one_lane() {
    enumerate("lane", async |world| {
        world.worker("a", |worker| worker.ordering = Ordering::PartitionKey);
        world.target.script("a", [failure(true)]);
        for id in ["1", "2", "3"] {
            world.publish(id, Some("k")).await;
        }
        world.expects_order("a");
    })
    .await;
}

#[tokio::test]
async fn members_of_a_group() {
    enumerate("group", async |world| {
        for name in ["a", "b"] {
            world.worker(name, |worker| worker.group = Some("g".parse().unwrap()));
        }
        let full = Outcome::Overloaded { message: "full".into() };
        let lost = Outcome::EngineLost { message: "killed".into() };
        world.target.script("a", [full, lost, reply()]);
        world.publish("1", None).await;
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_that_is_sent_round_again() {
    enumerate("redrive", async |world| {
        world.worker("a", |_| {});
        world.target.script("a", [failure(false), reply()]);
        world.publish("1", None).await;
        world.rest_of_its_life().await;
        world.redrives();
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_ends_while_it_is_being_parked() {
    // About as long as the bus is kept waiting: sometimes before, sometimes after it is parked.
    for duration in 19..24 {
        enumerate("attempt that is being parked", async |world| {
            world.worker("a", |_| {});
            world.target.script("a", [reply()]);
            world.target.slow(Duration::from_millis(duration));
            world.publish("1", None).await;
        })
        .await;
    }
}
