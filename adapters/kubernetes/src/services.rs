//! The port, step by step against the API server.

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::uri::Authority;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Config, Error,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions, ValidationDirective,
    },
    core::GroupVersionKind,
};
use serde_json::Value;
use workmanager_core_domain::{
    MimeType, Worker,
    ports::{OwnService, ServiceError, ServiceState, Services},
};

use crate::{
    access::NoCluster,
    error::told,
    function::{SharedFunction, own_name},
    object::{self, OWNER, WORKER},
};

/// Who wrote a field, as the API server keeps it.
const MANAGER: &str = "workmanager";

/// Knative Services in the namespaces of the shared ones.
pub struct Knative {
    client: Client,
    owner: String,
    functions: Vec<SharedFunction>,
    resource: ApiResource,
}

impl Knative {
    /// For the deployment `owner`, whose workers without a service of their own run in `functions`. Asks nothing yet.
    ///
    /// # Errors
    /// The certificate or the address cannot be used.
    pub fn new(cluster: Config, owner: &str, functions: Vec<SharedFunction>) -> Result<Self, NoCluster> {
        let client = Client::try_from(cluster).map_err(NoCluster::new)?;
        let kind = GroupVersionKind::gvk("serving.knative.dev", "v1", "Service");
        let resource = ApiResource::from_gvk_with_plural(&kind, "services");
        Ok(Self { client, owner: owner.to_owned(), functions, resource })
    }

    fn shared(&self, mime_type: MimeType) -> Option<&SharedFunction> {
        self.functions.iter().find(|function| function.mime_type == mime_type)
    }

    fn at(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &self.resource)
    }

    fn is_ours(&self, found: &Value) -> bool {
        found["metadata"]["labels"][OWNER] == self.owner
    }

    fn foreign(&self, function: &SharedFunction, name: &str) -> ServiceError {
        let label = format!("{OWNER}={}", self.owner);
        ServiceError::Foreign { name: format!("{}/{name}", function.namespace), label }
    }
}

async fn get(api: &Api<DynamicObject>, name: &str) -> Result<Option<Value>, ServiceError> {
    let found = api.get_opt(name).await.map_err(|error| told(&error))?;
    found.map(value).transpose()
}

/// A service of ours; one whose label is no worker's id is nobody's to touch.
fn own(namespace: &str, metadata: ObjectMeta) -> Option<OwnService> {
    let worker = metadata.labels?.get(WORKER)?.parse().ok()?;
    Some(OwnService { worker, name: format!("{namespace}/{}", metadata.name?), mark: metadata.uid? })
}

fn value(object: DynamicObject) -> Result<Value, ServiceError> {
    serde_json::to_value(object).map_err(|error| ServiceError::Unavailable { said: error.to_string() })
}

#[async_trait]
impl Services for Knative {
    fn authority(&self, worker: &Worker) -> Option<Authority> {
        self.shared(worker.mime_type)?.authority(worker.id)
    }

    async fn apply(&self, worker: &Worker) -> Result<ServiceState, ServiceError> {
        let no_shape = |said: String| ServiceError::NoShape { said };
        let nowhere = || no_shape(format!("no --function-url says where {} runs", worker.mime_type));
        let function = self.shared(worker.mime_type).ok_or_else(nowhere)?;
        let (api, name) = (self.at(&function.namespace), own_name(worker.id));
        let found = get(&api, &name).await?;
        if found.as_ref().is_some_and(|found| !self.is_ours(found)) {
            return Err(self.foreign(function, &name));
        }
        let shared = format!("{}/{}", function.namespace, function.name);
        let missing = || no_shape(format!("there is no Knative Service `{shared}`"));
        let shape = get(&api, &function.name).await?.ok_or_else(missing)?;
        let wanted = object::wanted(worker, &self.owner, &shape);
        let mut wanted = wanted.map_err(|lacks| no_shape(format!("`{shared}` cannot be copied: {lacks}")))?;
        let params = PatchParams::apply(MANAGER).validation(ValidationDirective::Strict);
        let params = match &found {
            Some(found) if object::is_in(&wanted, found) => return Ok(object::state(found)),
            // Ours: what others wrote into our fields goes. This very one: not what may stand there meanwhile.
            Some(found) => {
                wanted["metadata"]["uid"] = found["metadata"]["uid"].clone();
                params.force()
            }
            // One that appears meanwhile is somebody's, and what differs there is a conflict.
            None => params,
        };
        match api.patch(&name, &params, &Patch::Apply(&wanted)).await {
            Ok(applied) => Ok(object::state(&value(applied)?)),
            Err(Error::Api(status)) if status.code == 409 => match get(&api, &name).await? {
                Some(found) if !self.is_ours(&found) => Err(self.foreign(function, &name)),
                _ => Err(told(&Error::Api(status))),
            },
            Err(error) => Err(told(&error)),
        }
    }

    async fn list(&self) -> Result<Vec<OwnService>, ServiceError> {
        let namespaces: BTreeSet<_> = self.functions.iter().map(|function| &function.namespace).collect();
        let ours = ListParams::default().labels(&format!("{OWNER}={},{WORKER}", self.owner));
        let mut services = Vec::new();
        for namespace in namespaces {
            let found = self.at(namespace).list(&ours).await.map_err(|error| told(&error))?;
            services.extend(found.items.into_iter().filter_map(|object| own(namespace, object.metadata)));
        }
        Ok(services)
    }

    async fn remove(&self, service: &OwnService) -> Result<(), ServiceError> {
        let (namespace, name) = service.name.split_once('/').unwrap_or_default();
        let this = Preconditions { uid: Some(service.mark.clone()), resource_version: None };
        match self.at(namespace).delete(name, &DeleteParams::background().preconditions(this)).await {
            Ok(_) => Ok(()),
            // Gone, or another one stands there by now.
            Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(told(&error)),
        }
    }
}
