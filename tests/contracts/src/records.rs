//! The clauses of `Records`.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use tokio::task::JoinSet;
use workmanager_core_domain::{
    EventRecord,
    ports::{Collection, Expect, Key, Records, Revision, StoreError},
};

use crate::{Fixture, sample::key};

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn is_conflict<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict { .. }))
}

async fn all_ids(store: &impl Records, prefix: &str, limit: usize) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), None::<Box<str>>);
    loop {
        let page = store.page(Collection::Claim, prefix, after.as_deref(), limit).await.unwrap();
        assert!(page.records.len() <= limit, "{} records on a page of {limit}", page.records.len());
        ids.extend(page.records.iter().map(|record| record.id.to_string()));
        match page.next {
            Some(next) => after = Some(next),
            None => return ids,
        }
    }
}

/// Values are bytes: none is changed, up to 4 MiB.
pub async fn a_record_is_read_as_it_was_written<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let large: Vec<u8> = (0..4_usize << 20).map(|i| (i % 251) as u8).collect();
    for (id, bytes) in
        [("empty", vec![]), ("zero", vec![0]), ("no text", vec![0xff, 0xfe, 0x00, 0x80]), ("large", large)]
    {
        let bytes = Bytes::from(bytes);
        let revision = store.put(&key(id), bytes.clone(), Expect::Absent).await.unwrap();
        let record = store.get(&key(id)).await.unwrap().unwrap();
        assert_eq!((&*record.id, record.revision), (id, revision));
        assert!(record.value == bytes, "`{id}` was changed");
    }
}

/// Absence is an answer, not an error.
pub async fn what_was_never_written_is_absent<F: Fixture<Store: Records>>(fixture: F) {
    assert_eq!(fixture.store().get(&key("nothing")).await.unwrap(), None);
}

/// Names are claimed like this.
pub async fn creating_has_one_winner_among_many<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let mut tasks = JoinSet::new();
    for i in 0..32 {
        let store = store.clone();
        tasks.spawn(async move { (i, store.put(&key("name"), value(&i.to_string()), Expect::Absent).await) });
    }
    let results = tasks.join_all().await;
    let winners: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).collect();
    assert_eq!(winners.len(), 1, "one of 32 wins");
    assert!(results.iter().all(|(_, result)| result.is_ok() || is_conflict(result)), "the others conflict");
    let kept = store.get(&key("name")).await.unwrap().unwrap();
    assert_eq!(kept.value, value(&winners[0].0.to_string()));
}

/// Compare and swap: the second of two writers with one revision is told.
pub async fn a_stale_revision_is_refused_and_changes_nothing<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let first = store.put(&key("a"), value("1"), Expect::Absent).await.unwrap();
    let second = store.put(&key("a"), value("2"), Expect::Revision(first)).await.unwrap();
    for expect in [Expect::Revision(first), Expect::Absent] {
        assert!(is_conflict(&store.put(&key("a"), value("3"), expect).await), "{expect:?}");
        assert!(is_conflict(&store.delete(&key("a"), expect).await), "{expect:?}");
    }
    let missing = store.put(&key("b"), value("1"), Expect::Revision(first)).await;
    assert!(is_conflict(&missing), "a revision of nothing");
    let record = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((record.value, record.revision), (value("2"), second));
    assert_eq!(store.get(&key("b")).await.unwrap(), None);
}

/// Many writers that read, change and swap count right.
pub async fn compare_and_swap_loses_no_update<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    store.put(&key("n"), value("0"), Expect::Absent).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut done = 0;
            while done < 25 {
                let record = store.get(&key("n")).await.unwrap().unwrap();
                let count: u32 = std::str::from_utf8(&record.value).unwrap().parse().unwrap();
                let next = value(&(count + 1).to_string());
                match store.put(&key("n"), next, Expect::Revision(record.revision)).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(store.get(&key("n")).await.unwrap().unwrap().value, value("200"));
}

/// `Any` is for what has no rival.
pub async fn any_writes_over_whatever_is_there<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    for text in ["1", "2"] {
        store.put(&key("a"), value(text), Expect::Any).await.unwrap();
        assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, value(text));
    }
}

/// A revision names one state of a record for ever.
pub async fn a_revision_grows_with_every_write_and_over_deletion<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let mut last = Revision(0);
    for round in 0..3 {
        let created = store.put(&key("a"), value("1"), Expect::Absent).await.unwrap();
        let changed = store.put(&key("a"), value("1"), Expect::Revision(created)).await.unwrap();
        let again = store.put(&key("a"), value("1"), Expect::Any).await.unwrap();
        assert!(last < created && created < changed && changed < again, "round {round}");
        store.delete(&key("a"), Expect::Revision(again)).await.unwrap();
        last = again;
    }
}

/// Whoever read a record before it was deleted and made again does not overwrite the new one.
pub async fn a_revision_from_before_a_deletion_is_refused_after_it<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let old = store.put(&key("a"), value("old"), Expect::Absent).await.unwrap();
    store.delete(&key("a"), Expect::Any).await.unwrap();
    assert!(is_conflict(&store.put(&key("a"), value("late"), Expect::Revision(old)).await));
    store.put(&key("a"), value("new"), Expect::Absent).await.unwrap();
    assert!(is_conflict(&store.put(&key("a"), value("late"), Expect::Revision(old)).await));
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, value("new"));
}

/// A deleted record is as one that never was, and deleting it again is fine.
pub async fn a_deleted_record_is_absent<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let revision = store.put(&key("a"), value("1"), Expect::Absent).await.unwrap();
    store.delete(&key("a"), Expect::Revision(revision)).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert!(all_ids(&*store, "", 10).await.is_empty());
    store.delete(&key("a"), Expect::Absent).await.unwrap();
    store.delete(&key("a"), Expect::Any).await.unwrap();
    assert!(is_conflict(&store.delete(&key("a"), Expect::Revision(revision)).await));
}

/// The same id in another collection is another record.
pub async fn collections_do_not_mix<F: Fixture<Store: Records>>(fixture: F) {
    let (store, id) = (fixture.store(), EventRecord::key("same", "same"));
    for collection in Collection::ALL {
        store.put(&Key::new(collection, &*id), value(collection.as_str()), Expect::Absent).await.unwrap();
    }
    for collection in Collection::ALL {
        let prefix = if collection == Collection::Event { EventRecord::key_prefix("same") } else { String::new() };
        let page = store.page(collection, &prefix, None, 10).await.unwrap();
        assert_eq!(page.records.len(), 1, "{collection:?}");
        assert_eq!(page.records[0].value, value(collection.as_str()));
    }
}

/// Ids are compared byte by byte, and none of their characters has a meaning.
pub async fn every_allowed_id_is_kept_apart<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let long = "x".repeat(512);
    let all = ["a", "A", "a ", "a/b", "a%", "a_", "ab", "'; --", "\"", "\\", "a*?[b]", "~", "a\u{7e}b", &long];
    for id in all {
        store.put(&key(id), value(id), Expect::Absent).await.unwrap();
    }
    for id in all {
        assert_eq!(store.get(&key(id)).await.unwrap().unwrap().value, value(id), "{id}");
    }
    assert_eq!(all_ids(&*store, "a%", 10).await, ["a%"]);
    assert_eq!(all_ids(&*store, "a_", 10).await, ["a_"]);
    assert_eq!(all_ids(&*store, "~", 10).await, ["~"]);
    assert_eq!(
        all_ids(&*store, "", 3).await,
        all.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
}

/// Pages lead through all records in the order of ids.
pub async fn pages_are_in_order_and_lead_to_the_end<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let mut expected = BTreeSet::new();
    for i in 0..50 {
        let id = format!("w/{:02}", (i * 37) % 50);
        store.put(&key(&id), value("1"), Expect::Absent).await.unwrap();
        store.put(&key(format!("v/{i}")), value("1"), Expect::Absent).await.unwrap();
        expected.insert(id);
    }
    store.delete(&key("w/07"), Expect::Any).await.unwrap();
    expected.remove("w/07");
    for limit in [1, 7, 49, 50, 1_000] {
        assert_eq!(all_ids(&*store, "w/", limit).await, expected.iter().cloned().collect::<Vec<_>>(), "{limit}");
    }
    let page = store.page(Collection::Claim, "w/", Some("w/10"), 2).await.unwrap();
    assert_eq!(page.records.iter().map(|record| &*record.id).collect::<Vec<_>>(), ["w/11", "w/12"]);
    let beyond = store.page(Collection::Claim, "w/", Some("w/99"), 2).await.unwrap();
    assert!(beyond.records.is_empty() && beyond.next.is_none());
}

/// Whoever walks the pages while others write sees every record that stays, once.
pub async fn a_record_that_stays_is_on_exactly_one_page<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let staying: Vec<String> = (0..200).map(|i| format!("{i:03}-stays")).collect();
    for id in &staying {
        store.put(&key(id), value("1"), Expect::Absent).await.unwrap();
    }
    let rival: Arc<F::Store> = store.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for i in (0..200).rev() {
            rival.put(&key(format!("{i:03}-comes")), value("1"), Expect::Absent).await.unwrap();
            rival.put(&key(format!("{i:03}-stays")), value("2"), Expect::Any).await.unwrap();
            rival.delete(&key(format!("{i:03}-comes")), Expect::Any).await.unwrap();
        }
    });
    while !tasks.is_empty() {
        let seen = all_ids(&*store, "", 17).await;
        let stayed: Vec<_> = seen.into_iter().filter(|id| id.ends_with("-stays")).collect();
        assert_eq!(stayed, staying);
        while let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
    }
}

/// Durable when it returns: writes, deletions, and the growth of revisions.
pub async fn what_was_written_survives_a_restart<F: Fixture<Store: Records>>(fixture: F) {
    let store = fixture.store();
    let kept = store.put(&key("kept"), value("1"), Expect::Absent).await.unwrap();
    let deleted = store.put(&key("deleted"), value("1"), Expect::Absent).await.unwrap();
    store.delete(&key("deleted"), Expect::Any).await.unwrap();
    drop(store);
    let fixture = fixture.restarted().await;
    let store = fixture.store();
    let record = store.get(&key("kept")).await.unwrap().unwrap();
    assert_eq!((record.value, record.revision), (value("1"), kept));
    assert_eq!(store.get(&key("deleted")).await.unwrap(), None);
    let again = store.put(&key("deleted"), value("2"), Expect::Absent).await.unwrap();
    assert!(again > deleted, "a restart does not take revisions back");
}
