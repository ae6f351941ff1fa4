//! Deliveries from the lot: taken up at the start, and made when their time has come.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tracing::{info, warn};
use workmanager_core_delivery::{Deliveries, policy::Backoff};
use workmanager_core_kit::Tasks;

use super::intake::fly;

/// Takes up what was parked before, again and again until the store can be read. Says whether it was
/// before the program stopped.
pub(super) async fn restore(deliveries: &Deliveries, tasks: &Tasks) -> bool {
    let stopping = tasks.stopping();
    let backoff = Backoff::default();
    for retry in 0.. {
        match deliveries.restore().await {
            Ok(0) => return true,
            Ok(count) => {
                info!("{count} parked deliveries are taken up");
                return true;
            }
            Err(error) => warn!("parked deliveries cannot be read, trying again: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.longest(retry)) => {}
            () = stopping.cancelled() => return false,
        }
    }
    false
}

/// Makes parked deliveries until the program stops. What is not done then stays in the lot.
pub(super) async fn run(deliveries: Arc<Deliveries>, tasks: Tasks) {
    let closing = tasks.stopping();
    let mut flights = FuturesUnordered::new();
    loop {
        let is_full = flights.len() >= deliveries.settings().in_flight_per_topic;
        let next = async {
            let room = deliveries.room().await;
            (deliveries.due().await, room)
        };
        tokio::select! {
            Some(_) = flights.next(), if !flights.is_empty() => {}
            (due, room) = next, if !is_full => {
                let (deliveries, closing) = (deliveries.clone(), closing.clone());
                flights.push(fly(async move { deliveries.resume(due, room, &closing).await }));
            }
            () = closing.cancelled() => break,
        }
    }
    while flights.next().await.is_some() {}
}
