use std::{
    path::Path,
    sync::{Mutex, mpsc::Receiver},
};

use workmanager_core_kit::SystemClock;

use super::*;
use crate::{
    config::{Keep, Location},
    hub::Effect,
    schema,
    space::Disk,
};

/// Says which place it had in its transaction.
struct Place;

impl Work for Place {
    type Output = usize;

    fn run(&self, batch: &mut Batch<'_>) -> Result<usize, Refusal> {
        batch.effects.push(Effect::Forgotten("nobody".parse().unwrap()));
        Ok(batch.effects.len())
    }
}

/// Holds the thread up until the other end is dropped, also when it is run again.
struct Gate(Mutex<Receiver<()>>);

impl Work for Gate {
    type Output = ();

    fn run(&self, _: &mut Batch<'_>) -> Result<(), Refusal> {
        assert!(self.0.lock().unwrap().recv().is_err());
        Ok(())
    }
}

/// Writes a row, and fails then.
struct Broken;

impl Work for Broken {
    type Output = ();

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        batch.execute("INSERT INTO subscriptions VALUES ('broken')", ())?;
        batch.execute("INSERT INTO subscriptions VALUES (NULL)", ())?;
        Ok(())
    }
}

fn start(directory: &Path) -> Writer {
    let connection = schema::open_writer(&directory.join("db"), &Location::Ephemeral, None).unwrap();
    let counters = Counters::load(&connection).unwrap();
    let keep = Keep { time: Duration::MAX, bytes: u64::MAX };
    let parts = Parts {
        connection,
        counters,
        hub: Arc::default(),
        clock: Arc::new(SystemClock::new()),
        pruner: Pruner::new(keep, keep, Duration::MAX),
        space: Space::new(Arc::new(Disk::new(directory.to_owned(), 0)), directory.join("db"), false),
        housekeeping: Duration::from_secs(60),
    };
    Writer::start(parts, ()).unwrap()
}

/// Lets `works` wait behind a gate, and opens it.
async fn together<W: Work>(writer: &Writer, works: Vec<W>) -> Vec<Result<W::Output, Failure>> {
    let (open, gate) = mpsc::channel();
    let gate = writer.run(Gate(Mutex::new(gate)));
    let left = PLACES - 1 - works.len();
    let works = futures_util::future::join_all(works.into_iter().map(|work| writer.run(work)));
    let opened = async {
        while writer.places.available_permits() > left {
            tokio::task::yield_now().await;
        }
        drop(open);
    };
    let (held, results, ()) = tokio::join!(gate, works, opened);
    held.unwrap();
    results
}

#[tokio::test]
async fn what_waits_shares_one_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let writer = start(directory.path());
    let places = together(&writer, (0..100).map(|_| Place).collect()).await;
    let transactions = places.into_iter().filter(|place| *place.as_ref().unwrap() == 1).count();
    // Those that came in time for the gate's transaction, and all others.
    assert!((1..=2).contains(&transactions), "100 operations had {transactions} transactions");
}

#[tokio::test]
async fn one_that_fails_does_not_fail_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let writer = start(directory.path());
    let (open, gate) = mpsc::channel();
    let opened = async { drop(open) };
    let (_, before, broken, after, ()) = tokio::join!(
        writer.run(Gate(Mutex::new(gate))),
        writer.run(Place),
        writer.run(Broken),
        writer.run(Place),
        opened
    );
    assert!(before.is_ok() && after.is_ok());
    assert!(matches!(broken, Err(Failure::Unavailable(_))), "{broken:?}");
    let reader = schema::open_reader(&directory.path().join("db")).unwrap();
    let rows: u64 = reader.query_row("SELECT count(*) FROM subscriptions", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0, "nothing of it is left");
}

#[tokio::test]
async fn a_closed_writer_finishes_what_it_has_and_takes_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let writer = start(directory.path());
    let (open, gate) = mpsc::channel();
    let closed = async {
        writer.close();
        drop(open);
    };
    let (held, place, ()) = tokio::join!(writer.run(Gate(Mutex::new(gate))), writer.run(Place), closed);
    assert!(held.is_ok() && place.is_ok());
    assert!(matches!(writer.run(Place).await, Err(Failure::Unavailable(_))));
}
