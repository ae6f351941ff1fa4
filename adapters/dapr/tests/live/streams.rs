//! The sidecar's list of streams, and what comes of one that it does not have any more.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use workmanager_adapters_dapr::{Config, Dapr};
use workmanager_core_domain::ports::Bus as _;
use workmanager_core_kit::SystemClock;
use workmanager_tests_contracts::{
    Fixture as _,
    sample::{collect, events, ids, topic},
    within,
};

use crate::machine::Live;

/// What the sidecar lists.
async fn listed(live: &Live, topics: &[&str]) {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect::<BTreeSet<_>>();
    while live.machine.streams().await != topics {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sidecar_lists_the_streams_that_are_open_and_no_others() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let bus = live.store();
        assert_eq!(live.machine.streams().await, BTreeSet::new());
        let orders = bus.subscribe(&topic("orders")).await.unwrap();
        let bills = bus.subscribe(&topic("bills")).await.unwrap();
        let open = ["orders", "bills", "wm-redo-wm"].map(str::to_owned);
        assert_eq!(live.machine.streams().await, BTreeSet::from(open));
        drop(orders);
        listed(&live, &["bills", "wm-redo-wm"]).await;
        drop(bills);
    })
    .await;
}

/// Stands between client and sidecar, as a proxy does that reads HTTP/2.
struct Proxy {
    calls: Arc<Calls>,
    port: u16,
    _connections: JoinSet<()>,
}

struct Calls {
    sidecar: String,
    client: Client<HttpConnector, StreamBody<Frames>>,
    /// Streams of events that were opened.
    streams: AtomicUsize,
    /// How often the sidecar was asked for its list.
    looks: watch::Sender<usize>,
    /// Ends the streams that were open so far towards the sidecar, and not towards the client.
    cut: CancellationToken,
}

type Frames = std::pin::Pin<Box<dyn Stream<Item = hyper::Result<Frame<Bytes>>> + Send>>;

/// The frames of a body until `cut`. The client is not told of that end.
fn until(cut: &CancellationToken, body: Incoming, is_told: bool) -> StreamBody<Frames> {
    let cut = cut.clone();
    let frames = stream::unfold(Some(body), move |body| {
        let cut = cut.clone();
        async move {
            let mut body = body?;
            tokio::select! {
                frame = body.frame() => return Some((frame?, Some(body))),
                () = cut.cancelled() => {}
            }
            drop(body);
            if is_told { None } else { std::future::pending().await }
        }
    });
    StreamBody::new(Box::pin(frames))
}

impl Calls {
    async fn pass(self: Arc<Self>, request: Request<Incoming>) -> hyper::Result<Response<StreamBody<Frames>>> {
        let path = request.uri().path().to_owned();
        let is_stream = path.ends_with("/SubscribeTopicEventsAlpha1");
        let is_cut = is_stream && !self.cut.is_cancelled();
        let cut = if is_cut { self.cut.clone() } else { CancellationToken::new() };
        self.streams.fetch_add(usize::from(is_stream), Ordering::SeqCst);
        let (mut head, body) = request.into_parts();
        head.uri = format!("http://{}{path}", self.sidecar).parse().unwrap();
        let request = Request::from_parts(head, until(&cut, body, true));
        let answer = self.client.request(request).await.expect("the sidecar answers");
        self.looks.send_modify(|looks| *looks += usize::from(path.ends_with("/GetMetadata")));
        Ok(answer.map(|body| until(&cut, body, false)))
    }
}

impl Proxy {
    async fn start(live: &Live) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::new(Calls {
            sidecar: format!("127.0.0.1:{}", live.machine.grpc_port),
            client: Client::builder(TokioExecutor::new()).http2_only(true).build_http(),
            streams: AtomicUsize::new(0),
            looks: watch::Sender::new(0),
            cut: CancellationToken::new(),
        });
        let (mut connections, each) = (JoinSet::new(), calls.clone());
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let calls = each.clone();
                let service = service_fn(move |request| calls.clone().pass(request));
                open.spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service));
            }
        });
        Self { calls, port, _connections: connections }
    }

    /// A client that comes this way and looks often.
    fn client(&self, live: &Live) -> Dapr {
        let endpoint = format!("127.0.0.1:{}", self.port).parse().unwrap();
        let config = Config { endpoint, compare_every: Duration::from_millis(50), ..live.machine.config() };
        Dapr::new(&config, Arc::new(SystemClock::new())).unwrap()
    }

    /// Waits until the sidecar was asked so many more times.
    async fn looked(&self, times: usize) {
        let mut looks = self.calls.looks.subscribe();
        let until = *looks.borrow() + times;
        looks.wait_for(|looks| *looks >= until).await.unwrap();
    }

    fn streams(&self) -> usize {
        self.calls.streams.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_the_sidecar_has_lost_is_opened_again_and_no_other() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let proxy = Proxy::start(&live).await;
        let bus = proxy.client(&live);
        let orders = topic("orders");
        let mut subscription = bus.subscribe(&orders).await.unwrap();
        bus.publish(&orders, &events("first", 20)).await.unwrap();
        collect(&bus, &mut subscription, ids("first", 20)).await;
        proxy.looked(20).await;
        assert_eq!(proxy.streams(), 2, "those that are well were left alone");
        proxy.calls.cut.cancel();
        listed(&live, &[]).await;
        bus.publish(&orders, &events("second", 20)).await.unwrap();
        collect(&bus, &mut subscription, ids("second", 20)).await;
        listed(&live, &["orders", "wm-redo-wm"]).await;
        proxy.looked(20).await;
        assert_eq!(proxy.streams(), 4, "each was opened again, once");
    })
    .await;
}
