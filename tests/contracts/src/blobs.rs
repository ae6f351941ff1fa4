//! The clauses of `Blobs`.

use bytes::Bytes;
use tokio::task::JoinSet;
use workmanager_core_domain::{
    Digest,
    ports::{Blobs, StoreError},
};

use crate::Fixture;

/// The largest code.
const LARGEST: usize = 50 << 20;

fn bytes(len: usize) -> Bytes {
    // A prime, so that no chunk is like another.
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// A blob is named by what it is.
pub async fn a_blob_is_read_as_it_was_kept<F: Fixture<Store: Blobs>>(fixture: F) {
    let store = fixture.store();
    for len in [0, 1, 4_095, 70_000, 1 << 20] {
        let bytes = bytes(len);
        let digest = store.put(bytes.clone()).await.unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert!(store.get(&digest).await.unwrap().unwrap() == bytes, "{len} bytes");
    }
}

/// The size that the API lets in.
pub async fn the_largest_blob_is_kept<F: Fixture<Store: Blobs>>(fixture: F) {
    let store = fixture.store();
    let bytes = bytes(LARGEST);
    let digest = store.put(bytes.clone()).await.unwrap();
    assert!(store.get(&digest).await.unwrap().unwrap() == bytes);
}

/// Whoever keeps what is there gets the same name, also at the same time.
pub async fn keeping_twice_is_keeping_once<F: Fixture<Store: Blobs>>(fixture: F) {
    let store = fixture.store();
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move { store.put(bytes(100_000)).await.unwrap() });
    }
    let digests = tasks.join_all().await;
    assert!(digests.iter().all(|digest| *digest == Digest::of(&bytes(100_000))));
    assert!(store.get(&digests[0]).await.unwrap().unwrap() == bytes(100_000));
}

/// Absence is an answer, not an error.
pub async fn an_unknown_digest_is_absent<F: Fixture<Store: Blobs>>(fixture: F) {
    assert_eq!(fixture.store().get(&Digest::of(b"nothing")).await.unwrap(), None);
}

/// Code that is not what it should be never runs. Keeping it again repairs it.
pub async fn damaged_bytes_are_reported_and_can_be_repaired<F: Fixture<Store: Blobs>>(fixture: F) {
    let store = fixture.store();
    let digest = store.put(bytes(70_000)).await.unwrap();
    fixture.damage(&digest).await;
    let error = store.get(&digest).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { key, .. } if key.contains(&digest.hex())), "{error}");
    store.put(bytes(70_000)).await.unwrap();
    assert!(store.get(&digest).await.unwrap().unwrap() == bytes(70_000));
}

/// Durable when it returns.
pub async fn a_blob_survives_a_restart<F: Fixture<Store: Blobs>>(fixture: F) {
    let digest = fixture.store().put(bytes(70_000)).await.unwrap();
    let fixture = fixture.restarted().await;
    let store = fixture.store();
    assert!(store.get(&digest).await.unwrap().unwrap() == bytes(70_000));
}
