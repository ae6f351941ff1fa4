//! What the sidecar has, seen and changed behind the adapter's back.

use std::collections::BTreeSet;

use dapr::dapr::proto::{
    common::v1::{Etag, StateItem, StateOptions},
    runtime::v1::{
        GetMetadataRequest, GetStateRequest, GetStateResponse, PubsubSubscription, PubsubSubscriptionType,
        SaveStateRequest, dapr_client::DaprClient,
    },
};

use crate::machine::Machine;

impl Machine {
    /// The topics whose streams the sidecar says it has.
    pub(crate) async fn streams(&self) -> BTreeSet<String> {
        let mut client = DaprClient::connect(format!("http://127.0.0.1:{}", self.grpc_port)).await.unwrap();
        let said = client.get_metadata(GetMetadataRequest {}).await.unwrap().into_inner();
        let is_stream = |one: &PubsubSubscription| one.r#type == PubsubSubscriptionType::Streaming as i32;
        said.subscriptions.into_iter().filter(is_stream).map(|one| one.topic).collect()
    }

    /// What the store has under a key: bytes and etag.
    pub(crate) async fn raw(&self, key: &str) -> GetStateResponse {
        let mut client = DaprClient::connect(format!("http://127.0.0.1:{}", self.grpc_port)).await.unwrap();
        let store_name = "statestore".to_owned();
        let get = GetStateRequest { store_name, key: key.to_owned(), ..GetStateRequest::default() };
        client.get_state(get).await.unwrap().into_inner()
    }

    /// Changes the last byte of a value, behind the adapter's back.
    pub(crate) async fn damage(&self, key: &str) {
        let mut client = DaprClient::connect(format!("http://127.0.0.1:{}", self.grpc_port)).await.unwrap();
        let store_name = "statestore".to_owned();
        let found = self.raw(key).await;
        let mut value = found.data;
        *value.last_mut().expect("a value") ^= 1;
        let item = StateItem {
            key: key.to_owned(),
            value,
            etag: Some(Etag { value: found.etag }),
            options: Some(StateOptions { concurrency: 1, consistency: 2 }),
            ..StateItem::default()
        };
        client.save_state(SaveStateRequest { store_name, states: vec![item] }).await.unwrap();
    }
}
