use workmanager_core_domain::event::{Data, DataKind};

use super::*;

fn waiting(position: u64) -> Waiting {
    let event = Event::builder().with("id", position.to_string()).with("source", "/s").with("type", "t");
    let accepted_at = Timestamp::from_micros(0).unwrap();
    Waiting { position, accepted_at, event: Arc::new(event.build().unwrap()) }
}

fn page(positions: std::ops::RangeInclusive<u64>) -> Page {
    let read_to = *positions.end();
    Page { waiting: positions.map(waiting).collect(), read_to, more: true }
}

fn queue() -> Queue {
    Queue::fresh("orders".parse().unwrap(), 0)
}

/// The positions of all that is ready now.
fn taken(queue: &Queue, subscription: u64) -> Vec<u64> {
    std::iter::from_fn(|| match queue.take(subscription) {
        Turn::Delivery(delivery) => Some(delivery.token.0),
        Turn::Failed(_) | Turn::Behind | Turn::Nothing | Turn::Ended => None,
    })
    .collect()
}

#[test]
fn what_is_published_while_a_page_is_read_is_read_by_the_next() {
    let queue = queue();
    queue.offer(waiting(1));
    let me = queue.join();
    assert!(matches!(queue.take(me), Turn::Behind), "it came before anybody listened");
    let after = queue.begin_loading().unwrap();
    assert!(queue.begin_loading().is_none(), "one reads at a time");
    // 2 is in the page already, 3 is too late for it.
    queue.offer(waiting(2));
    queue.offer(waiting(3));
    queue.end_loading(after, Ok(Page { more: false, ..page(1..=2) }));
    assert_eq!(taken(&queue, me), [1, 2]);
    assert!(matches!(queue.take(me), Turn::Behind), "3 is in the table only");
    assert_eq!(queue.begin_loading(), Some(2));
}

#[test]
fn a_page_that_comes_after_everybody_left_leaves_no_gap() {
    let queue = queue();
    let me = queue.join();
    (1..=3).for_each(|position| queue.offer(waiting(position)));
    assert!(matches!(queue.take(me), Turn::Delivery(_)));
    (4..=READY as u64 + 10).for_each(|position| queue.offer(waiting(position)));
    let after = queue.begin_loading().unwrap();
    queue.leave(me);
    let me = queue.join();
    queue.end_loading(after, Ok(page(after + 1..=after + 5)));
    assert_eq!(taken(&queue, me), [1], "only what the other had taken");
    assert_eq!(queue.begin_loading(), Some(1), "2 and what follows is read again");
}

#[test]
fn memory_is_bounded_by_number_and_by_size() {
    let queue = queue();
    let me = queue.join();
    (1..=2 * READY as u64).for_each(|position| queue.offer(waiting(position)));
    assert_eq!(taken(&queue, me).len(), READY);
    assert_eq!(queue.pending(), 2 * READY as u64);

    let queue = Queue::fresh("large".parse().unwrap(), 0);
    let me = queue.join();
    let data = Data { kind: DataKind::Binary, bytes: vec![0; 1 << 19].into() };
    for position in 1..=20 {
        let small = waiting(position);
        let event = Event::clone(&small.event).into_builder().data(data.clone()).build().unwrap();
        queue.offer(Waiting { event: Arc::new(event), ..small });
    }
    assert_eq!(taken(&queue, me).len(), READY_BYTES >> 19);
}

#[test]
fn what_cannot_be_read_is_told_once_and_tried_again() {
    let queue = queue();
    queue.offer(waiting(1));
    let me = queue.join();
    let after = queue.begin_loading().unwrap();
    queue.end_loading(after, Err(Failure::Full));
    assert!(matches!(queue.take(me), Turn::Failed(Failure::Full)));
    assert!(matches!(queue.take(me), Turn::Behind));
}

#[test]
fn an_event_that_is_finished_before_it_is_taken_is_not_delivered() {
    let queue = queue();
    let me = queue.join();
    (1..=3).for_each(|position| queue.offer(waiting(position)));
    queue.acknowledge(2);
    assert_eq!(taken(&queue, me), [1, 3]);
    assert_eq!(queue.pending(), 2);
}

#[test]
fn a_topic_that_is_given_up_ends_its_subscriptions() {
    let queue = queue();
    let me = queue.join();
    queue.offer(waiting(1));
    queue.end();
    assert!(matches!(queue.take(me), Turn::Ended));
    queue.leave(me);
}

#[tokio::test]
async fn whoever_publishes_waits_while_a_taken_topic_is_crowded() {
    use std::{future::Future as _, pin::pin, task::Poll};

    let queue = Queue::found("orders".parse().unwrap(), CROWDED, CROWDED);
    queue.room().await;
    let me = queue.join();
    let (mut one, mut other) = (pin!(queue.room()), pin!(queue.room()));
    let mut has_room = |which: usize| {
        let future = if which == 1 { one.as_mut() } else { other.as_mut() };
        matches!(future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())), Poll::Ready(()))
    };
    assert!(!has_room(1) && !has_room(2));
    queue.acknowledge(1);
    assert!(has_room(1) && !has_room(2), "one outcome makes room for one");
    queue.leave(me);
    assert!(has_room(2), "nobody takes events: they are only kept");
}
