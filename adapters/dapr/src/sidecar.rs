//! The sidecar's API: one connection, calls with a deadline, the token on each.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use dapr::dapr::proto::{
    common::v1::{Etag, StateItem, StateOptions, state_options::StateConcurrency, state_options::StateConsistency},
    runtime::v1::{
        BulkPublishRequest, BulkPublishRequestEntry, DeleteStateRequest, GetBulkStateRequest, GetMetadataRequest,
        GetMetadataResponse, GetStateRequest, PublishEventRequest, SaveStateRequest, dapr_client::DaprClient,
    },
};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use workmanager_core_kit::Tasks;

use crate::{Config, gather::Gather, posts::Posts, status::Failure};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
/// The sidecar shuts out clients that ping more often than every 8 s.
const PING: Duration = Duration::from_secs(15);
/// Largest answer that is read, in bytes: what the sidecar itself passes on, with room to spare.
const LARGEST_ANSWER: usize = 64 << 20;
/// Largest value or event that is written together with others, in bytes: parts of code have their own calls.
pub(crate) const GATHERED: usize = 64 << 10;
/// How many keys are asked for at once.
const BULK: usize = 32;

/// The generated client, with the token.
pub(crate) type Client = DaprClient<InterceptedService<Channel, Token>>;

/// Puts the token on each call.
#[derive(Clone)]
pub(crate) struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("dapr-api-token", token.clone());
        }
        Ok(request)
    }
}

/// A value as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Its bytes; never none.
    pub(crate) bytes: Vec<u8>,
    /// For the next compare-and-swap.
    pub(crate) etag: String,
}

/// How long a value stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until it is removed.
    Lasting,
    /// The same, though the value before had an end: that stays with the key unless it is taken back.
    LastingAgain,
    /// So long from now on. Whole seconds, at least one.
    For(Duration),
}

/// An event on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// A structured event.
    pub(crate) body: Vec<u8>,
    /// For the component, as an ordering key.
    pub(crate) metadata: HashMap<String, String>,
}

/// The content type of a [`Message`].
const STRUCTURED: &str = "application/cloudevents+json";

/// The sidecar.
#[derive(Clone)]
pub(crate) struct Sidecar {
    client: Client,
    names: Arc<(String, String)>,
    gathers: Arc<Gathers>,
}

/// What is asked together when much is asked.
struct Gathers {
    reads: Gather<String, Result<Option<Stored>, Failure>>,
    creates: Gather<StateItem, Result<(), Failure>>,
    posts: Posts,
}

impl Sidecar {
    /// A sidecar that is connected to when it is first needed, and again whenever the connection ends.
    pub(crate) fn new(config: &Config, tasks: &Tasks) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(config.endpoint.url().to_owned()).map_err(|error| error.to_string())?;
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(PING)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        let value = config.token.as_ref().map(|token| token.expose().parse::<MetadataValue<Ascii>>()).transpose();
        let mut value = value.map_err(|_| "the sidecar's token has characters that no header may have".to_owned())?;
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        let client = DaprClient::with_interceptor(endpoint.connect_lazy(), Token(value));
        let client = client.max_decoding_message_size(LARGEST_ANSWER);
        let names = Arc::new((config.pubsub.clone(), config.state_store.clone()));
        let (reads, creates) = (Gather::new(tasks.clone()), Gather::new(tasks.clone()));
        let gathers = Arc::new(Gathers { reads, creates, posts: Posts::new(tasks.clone()) });
        Ok(Self { client, names, gathers })
    }

    /// For a stream, which has no deadline.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Name of the pub/sub component.
    pub(crate) fn pubsub(&self) -> &str {
        &self.names.0
    }

    /// Name of the state store component.
    pub(crate) fn store(&self) -> &str {
        &self.names.1
    }

    /// Publications that wait for each other.
    pub(crate) fn posts(&self) -> &Posts {
        &self.gathers.posts
    }

    /// What the sidecar says of itself.
    pub(crate) async fn metadata(&self) -> Result<GetMetadataResponse, Failure> {
        answered(self.client().get_metadata(GetMetadataRequest {})).await
    }

    /// The value of a key, if it has one.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Stored>, Failure> {
        let request = GetStateRequest {
            store_name: self.store().to_owned(),
            key: key.to_owned(),
            consistency: StateConsistency::ConsistencyStrong as i32,
            metadata: HashMap::new(),
        };
        let answer = answered(self.client().get_state(request)).await?;
        Ok((!answer.data.is_empty()).then_some(Stored { bytes: answer.data, etag: answer.etag }))
    }

    /// The value of a key, if it has one; asked for with others when there are many. The sidecar does not ask a store
    /// that has weaker reads for a strong one then: for whoever writes by what was read.
    pub(crate) async fn get_gathered(&self, key: &str) -> Result<Option<Stored>, Failure> {
        let sidecar = self.clone();
        let make = move |keys: Vec<String>| {
            let sidecar = sidecar.clone();
            async move {
                if let [key] = &keys[..] {
                    return vec![sidecar.get(key).await];
                }
                let found = sidecar.get_many(&keys).await;
                keys.iter()
                    .map(|key| found.as_ref().map(|found| found.get(key).cloned()).map_err(Clone::clone))
                    .collect()
            }
        };
        gathered(self.gathers.reads.ask(key.to_owned(), key.len(), make)).await
    }

    /// The values of those of the keys that have one.
    pub(crate) async fn get_many(&self, keys: &[String]) -> Result<HashMap<String, Stored>, Failure> {
        let mut found = HashMap::with_capacity(keys.len());
        let mut rest: Vec<&[String]> = keys.chunks(BULK).rev().collect();
        while let Some(some) = rest.pop() {
            match self.get_bulk(some).await {
                Ok(values) => found.extend(values),
                // Together they are too large for one answer.
                Err(Failure::TooLarge(_)) if some.len() > 1 => {
                    let (left, right) = some.split_at(some.len() / 2);
                    rest.extend([right, left]);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }

    async fn get_bulk(&self, keys: &[String]) -> Result<Vec<(String, Stored)>, Failure> {
        let request = GetBulkStateRequest {
            store_name: self.store().to_owned(),
            keys: keys.to_vec(),
            parallelism: 8,
            metadata: HashMap::new(),
        };
        let answer = answered(self.client().get_bulk_state(request)).await?;
        let mut values = Vec::with_capacity(keys.len());
        for item in answer.items {
            if !item.error.is_empty() {
                return Err(Failure::Unknown(item.error));
            }
            if !item.data.is_empty() {
                values.push((item.key, Stored { bytes: item.data, etag: item.etag }));
            }
        }
        Ok(values)
    }

    /// Writes a value if the key still has `etag`, or, without one, if it has none.
    pub(crate) async fn save(&self, key: &str, value: Vec<u8>, etag: Option<&str>, life: Life) -> Result<(), Failure> {
        self.save_all(vec![Self::item(key, value, etag, life)]).await
    }

    /// Writes a value if the key has none. First writes hardly ever meet another, so they are made together; if one
    /// fails, each is told so, and its caller finds out about its own.
    pub(crate) async fn create(&self, key: &str, value: Vec<u8>, life: Life) -> Result<(), Failure> {
        let (bytes, item) = (value.len(), Self::item(key, value, None, life));
        if bytes > GATHERED {
            return self.save_all(vec![item]).await;
        }
        let sidecar = self.clone();
        let make = move |items: Vec<StateItem>| {
            let sidecar = sidecar.clone();
            async move {
                let count = items.len();
                vec![sidecar.save_all(items).await; count]
            }
        };
        gathered(self.gathers.creates.ask(item, bytes, make)).await
    }

    fn item(key: &str, value: Vec<u8>, etag: Option<&str>, life: Life) -> StateItem {
        let seconds = match life {
            Life::Lasting => None,
            Life::LastingAgain => Some("-1".to_owned()),
            Life::For(duration) => Some(duration.as_secs().max(1).to_string()),
        };
        StateItem {
            key: key.to_owned(),
            value,
            etag: etag.map(|value| Etag { value: value.to_owned() }),
            metadata: seconds.map(|seconds| ("ttlInSeconds".to_owned(), seconds)).into_iter().collect(),
            options: Some(first_write()),
        }
    }

    async fn save_all(&self, states: Vec<StateItem>) -> Result<(), Failure> {
        let request = SaveStateRequest { store_name: self.store().to_owned(), states };
        answered(self.client().save_state(request)).await
    }

    /// Removes a key if it still has `etag`.
    pub(crate) async fn delete(&self, key: &str, etag: &str) -> Result<(), Failure> {
        let request = DeleteStateRequest {
            store_name: self.store().to_owned(),
            key: key.to_owned(),
            etag: Some(Etag { value: etag.to_owned() }),
            options: Some(first_write()),
            metadata: HashMap::new(),
        };
        answered(self.client().delete_state(request)).await
    }

    /// Publishes several events on a topic. An error leaves open which of them were accepted: the sidecar does not
    /// say so where its component has no bulk call of its own.
    pub(crate) async fn publish_many(&self, topic: &str, messages: Vec<Message>) -> Result<(), Failure> {
        let entry = |(number, message): (usize, Message)| BulkPublishRequestEntry {
            entry_id: number.to_string(),
            event: message.body,
            content_type: STRUCTURED.to_owned(),
            metadata: message.metadata,
        };
        let request = BulkPublishRequest {
            pubsub_name: self.pubsub().to_owned(),
            topic: topic.to_owned(),
            entries: messages.into_iter().enumerate().map(entry).collect(),
            metadata: HashMap::new(),
        };
        let answer = answered(self.client().bulk_publish_event(request)).await?;
        match answer.failed_entries.first() {
            None => Ok(()),
            Some(failed) => Err(Failure::Unknown(failed.error.clone())),
        }
    }

    /// Publishes one event.
    pub(crate) async fn publish(&self, topic: &str, message: Message) -> Result<(), Failure> {
        let request = PublishEventRequest {
            pubsub_name: self.pubsub().to_owned(),
            topic: topic.to_owned(),
            data: message.body,
            data_content_type: STRUCTURED.to_owned(),
            metadata: message.metadata,
        };
        answered(self.client().publish_event(request)).await
    }
}

fn first_write() -> StateOptions {
    StateOptions {
        concurrency: StateConcurrency::ConcurrencyFirstWrite as i32,
        consistency: StateConsistency::ConsistencyStrong as i32,
    }
}

/// What came of a call that was made with others, if it came in time.
pub(crate) async fn gathered<T>(asked: impl Future<Output = Option<Result<T, Failure>>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, asked).await {
        Ok(answer) => answer.unwrap_or_else(|| Err(Failure::unanswered())),
        Err(_) => Err(Failure::Elapsed),
    }
}

async fn answered<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Failure::Elapsed),
    }
}
