//! Opening, closing, and what is found again.

use futures_util::StreamExt as _;
use rusqlite::Connection;
use workmanager_core_domain::{
    ErrorKind,
    ports::{Bus as _, BusError, Expect, Records as _, StoreError},
};
use workmanager_tests_contracts::sample::{event, events, key, take, topic};

use crate::support::{config, open};

#[tokio::test]
async fn a_directory_has_one_store_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let (store, clock) = open(config(directory.path()));
    let error = workmanager_adapters_embedded::Store::open(config(directory.path()), clock).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "data-directory-in-use"));
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    store.close().await;
    open(config(directory.path()));
}

#[tokio::test]
async fn a_closed_store_ends_what_follows_it_and_refuses_all_else() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(config(directory.path()));
    let orders = topic("orders");
    let mut subscription = store.subscribe(&orders).await.unwrap();
    let mut tail = store.tail(&orders, None).await.unwrap();
    let (delivery, tailed, ()) = tokio::join!(subscription.next(), tail.next(), store.close());
    assert!(delivery.is_none() && tailed.is_none());
    assert!(matches!(store.publish(&orders, &[event(1)]).await, Err(BusError::Unavailable { .. })));
    assert!(matches!(store.get(&key("a")).await, Err(StoreError::Unavailable { .. })));
    let put = store.put(&key("a"), vec![].into(), Expect::Any).await;
    assert!(matches!(put, Err(StoreError::Unavailable { .. })));
}

#[tokio::test]
async fn dropping_the_last_clone_gives_the_directory_free() {
    let directory = tempfile::tempdir().unwrap();
    let (store, clock) = open(config(directory.path()));
    let subscription = store.subscribe(&topic("orders")).await.unwrap();
    drop((store.clone(), store, subscription));
    crate::support::eventually("the directory is free", || async {
        workmanager_adapters_embedded::Store::open(config(directory.path()), clock.clone()).ok()
    })
    .await;
}

#[tokio::test]
async fn an_event_that_cannot_be_read_does_not_stop_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let orders = topic("orders");
    let (store, _) = open(config(directory.path()));
    drop(store.subscribe(&orders).await.unwrap());
    store.publish(&orders, &events("", 4)).await.unwrap();
    store.close().await;

    let path = directory.path().join("workmanager.db");
    let connection = Connection::open(path).unwrap();
    connection.execute("UPDATE log SET attributes = x'7b00' WHERE position = 2", ()).unwrap();
    connection.execute("UPDATE log SET data_kind = 9 WHERE position = 3", ()).unwrap();
    drop(connection);

    let (store, _) = open(config(directory.path()));
    let mut subscription = store.subscribe(&orders).await.unwrap();
    assert_eq!(take(&mut subscription).await.event.id(), "0");
    assert_eq!(take(&mut subscription).await.event.id(), "3");
    let mut tail = store.tail(&orders, Some(0)).await.unwrap();
    assert_eq!(tail.next().await.unwrap().unwrap().event.id(), "0");
    assert_eq!(tail.next().await.unwrap().unwrap().event.id(), "3");
    assert_eq!(store.backlog(&orders).await.unwrap(), Some(4), "they are kept for whoever repairs them");
}
