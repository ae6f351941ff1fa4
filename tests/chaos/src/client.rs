//! Requests that may find nobody.

use std::{
    io::{BufRead as _, BufReader},
    time::Duration,
};

use serde_json::Value;
use ureq::{Agent, http};

/// Longest wait for an answer. A request that is not answered by then was not answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the control plane's REST interface.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    url: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The `code` of a problem document.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    /// A client with connections of its own.
    #[must_use]
    pub fn new(port: u16) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        Self { agent: config.build().into(), url: format!("http://127.0.0.1:{port}") }
    }

    /// The answer, or `None` if there was none.
    ///
    /// # Panics
    /// The request is none.
    #[must_use]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("a request");
        let mut answer = self.agent.run(request).ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        Some(Answer { status: answer.status().as_u16(), text })
    }

    /// Asks for something in JSON.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Answer> {
        self.send("GET", path, &[], b"")
    }

    /// Publishes one event with JSON data.
    #[must_use]
    pub fn publish(&self, topic: &str, id: &str, data: &[u8]) -> Option<Answer> {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", id),
            ("ce-source", "/chaos"),
            ("ce-type", "numbered"),
            ("content-type", "application/json"),
        ];
        self.send("POST", &format!("/v1/topics/{topic}/events"), &headers, data)
    }

    /// The messages of a server-sent stream that ends, as (id, data).
    #[must_use]
    pub fn messages(&self, path: &str) -> Option<Vec<(u64, Value)>> {
        let answer = self.agent.get(format!("{}{path}", self.url)).call().ok()?;
        let (mut position, mut messages) = (0, Vec::new());
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.ok()?;
            if let Some(id) = line.strip_prefix("id:") {
                position = id.trim().parse().ok()?;
            } else if let Some(data) = line.strip_prefix("data:") {
                messages.push((position, serde_json::from_str(data).ok()?));
            }
        }
        Some(messages)
    }
}
