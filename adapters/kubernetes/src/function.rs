//! The shared service of a kind of code, as its address names it.

use http::uri::Authority;
use workmanager_core_domain::{MimeType, WorkerId};

/// A Knative Service that many workers share: the one that a worker's own is made after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFunction {
    /// What it runs.
    pub mime_type: MimeType,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// What comes after the namespace: `svc`, or more.
    domain: String,
}

/// An address that names no service of a cluster.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not SERVICE.NAMESPACE.svc…, so it does not say which service a worker's own is to be like")]
pub struct InvalidFunction(String);

impl SharedFunction {
    /// Reads `SERVICE.NAMESPACE.svc…`.
    ///
    /// # Errors
    /// It is not that.
    pub fn new(mime_type: MimeType, authority: &Authority) -> Result<Self, InvalidFunction> {
        let mut parts = authority.as_str().splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(namespace), Some(domain)) if domain == "svc" || domain.starts_with("svc.") => {
                Ok(Self { mime_type, name: name.into(), namespace: namespace.into(), domain: domain.into() })
            }
            _ => Err(InvalidFunction(authority.to_string())),
        }
    }

    /// Where the own service of a worker is reached.
    pub(crate) fn authority(&self, worker: WorkerId) -> Option<Authority> {
        format!("{}.{}.{}", own_name(worker), self.namespace, self.domain).parse().ok()
    }
}

/// The name of a worker's own service.
pub(crate) fn own_name(worker: WorkerId) -> String {
    format!("worker-{worker}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(text: &str) -> Result<SharedFunction, InvalidFunction> {
        SharedFunction::new(MimeType::Python, &text.parse().unwrap())
    }

    #[test]
    fn a_workers_service_stands_beside_the_shared_one() {
        let id: WorkerId = "01990000-0000-7000-8000-000000000001".parse().unwrap();
        for domain in ["svc", "svc.cluster.local", "svc.example.com:8080"] {
            let function = shared(&format!("function-python.functions.{domain}")).unwrap();
            assert_eq!((&*function.name, &*function.namespace), ("function-python", "functions"));
            let own = format!("worker-01990000-0000-7000-8000-000000000001.functions.{domain}");
            assert_eq!(function.authority(id).unwrap(), *own);
        }
    }

    #[test]
    fn an_address_that_names_no_service_is_refused() {
        for text in ["localhost:8080", "a.b", "a.b.c", "function.example.com", "a.b.svcs"] {
            assert!(shared(text).unwrap_err().to_string().contains(text), "{text}");
        }
    }
}
