//! Writes whose answer says less than what happened.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use dapr::dapr::proto::{
    common::v1::{Etag, StateItem, StateOptions},
    runtime::v1::{SaveStateRequest, dapr_client::DaprClient},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use workmanager_adapters_dapr::{Config, Dapr};
use workmanager_core_domain::ports::{Expect, Records as _};
use workmanager_core_kit::SystemClock;
use workmanager_tests_contracts::{Fixture as _, sample::key, within};

use crate::machine::{Broker, Dies, Live, Store};

/// A connection that carries these bytes to the sidecar gets no answer any more.
const MARK: &[u8] = b"the answer to this is lost";

/// Stands between client and sidecar.
struct Between {
    port: u16,
    /// Ends the connections that were open so far.
    cut: CancellationToken,
    _connections: JoinSet<()>,
}

impl Between {
    async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = CancellationToken::new();
        let mut connections = JoinSet::new();
        let until = cut.clone();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let sidecar = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let until = if until.is_cancelled() { CancellationToken::new() } else { until.clone() };
                open.spawn(async move {
                    tokio::select! {
                        () = pass(client, sidecar) => {}
                        () = until.cancelled() => {}
                    }
                });
            }
        });
        Self { port, cut, _connections: connections }
    }
}

/// Passes everything on, in both directions, until the mark goes by; then only to the sidecar.
async fn pass(client: TcpStream, sidecar: TcpStream) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_sidecar, mut to_sidecar) = sidecar.into_split();
    let is_lost = AtomicBool::new(false);
    let there = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            if buffer[..length].windows(MARK.len()).any(|window| window == MARK) {
                is_lost.store(true, Ordering::SeqCst);
            }
            if to_sidecar.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_sidecar.read(&mut buffer).await {
            if !is_lost.load(Ordering::SeqCst) && to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(there, back);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_is_lost_is_found_to_have_happened() {
    for store in [Store::Redis, Store::Sqlite] {
        for create in [true, false] {
            let Some(live) = Live::new(store, Broker::Memory, Dies::Client).await else { return };
            within(async {
                let between = Between::start(live.machine.grpc_port).await;
                let endpoint = format!("127.0.0.1:{}", between.port).parse().unwrap();
                let config = Config { endpoint, ..live.machine.config() };
                let store = Arc::new(Dapr::new(&config, Arc::new(SystemClock::new())).unwrap());
                let expect = match create {
                    true => Expect::Absent,
                    false => Expect::Revision(store.put(&key("a"), Bytes::new(), Expect::Absent).await.unwrap()),
                };
                let mut writing = JoinSet::new();
                let writer = store.clone();
                writing.spawn(async move { writer.put(&key("a"), Bytes::from_static(MARK), expect).await });
                while !live.machine.raw("record/claim/a").await.data.ends_with(MARK) {
                    tokio::task::yield_now().await;
                }
                between.cut.cancel();
                let revision = writing.join_next().await.unwrap().unwrap().unwrap();
                let record = store.get(&key("a")).await.unwrap().unwrap();
                assert_eq!((&*record.value, record.revision), (MARK, revision), "create: {create}");
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_write_does_not_bring_a_deleted_record_back() {
    for store in [Store::Redis, Store::Sqlite, Store::Memory] {
        let Some(live) = Live::new(store, Broker::Memory, Dies::Client).await else { return };
        within(async {
            let store = live.store();
            store.put(&key("a"), Bytes::from_static(b"1"), Expect::Absent).await.unwrap();
            let found = live.machine.raw("record/claim/a").await;
            store.delete(&key("a"), Expect::Any).await.unwrap();
            // As a rival's that had read the record before, and comes to write it only now.
            let late = StateItem {
                key: "record/claim/a".to_owned(),
                value: found.data,
                etag: Some(Etag { value: found.etag }),
                options: Some(StateOptions { concurrency: 1, consistency: 2 }),
                ..StateItem::default()
            };
            let request = SaveStateRequest { store_name: "statestore".to_owned(), states: vec![late] };
            let address = format!("http://127.0.0.1:{}", live.machine.grpc_port);
            let refused = DaprClient::connect(address).await.unwrap().save_state(request).await;
            assert!(refused.is_err(), "the late write is refused");
            assert_eq!(store.get(&key("a")).await.unwrap(), None);
        })
        .await;
    }
}
