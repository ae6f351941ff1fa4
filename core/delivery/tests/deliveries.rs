//! The delivery rules, over the real embedded store and with a fake place to run workers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail loudly")]

#[path = "deliveries/fakes.rs"]
#[expect(dead_code, reason = "shared with another test program")]
mod fakes;
#[path = "deliveries/scene.rs"]
mod scene;

#[path = "deliveries/closing.rs"]
mod closing;
#[path = "deliveries/dead_letters.rs"]
mod dead_letters;
#[path = "deliveries/duplicates.rs"]
mod duplicates;
#[path = "deliveries/failures.rs"]
mod failures;
#[path = "deliveries/happy.rs"]
mod happy;
#[path = "deliveries/matching.rs"]
mod matching;
#[path = "deliveries/parking.rs"]
mod parking;
#[path = "deliveries/retries.rs"]
mod retries;
