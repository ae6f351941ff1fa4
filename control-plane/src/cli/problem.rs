//! Problem documents: how the server says no.

use std::fmt;

use serde::Deserialize;

use super::Exit;

/// What the server said, as RFC 9457 and the API's additions to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What kind of problem it is.
    pub(crate) title: String,
    /// What is wrong this time.
    pub(crate) detail: String,
    /// The stable code.
    pub(crate) code: String,
    /// The request, as the server's log names it.
    pub(crate) request_id: String,
    /// What is wrong with which field.
    pub(crate) errors: Vec<FieldError>,
    /// What the worker's code did, where that is the problem.
    pub(crate) failure: Option<Failure>,
    /// What it wrote.
    pub(crate) logs: Vec<Log>,
}

/// How a worker's code failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Failure {
    /// Its own stack.
    pub(crate) stack: Option<String>,
}

/// A line that a worker wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Log {
    /// The line.
    pub(crate) text: String,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct FieldError {
    /// JSON pointer to it.
    pub(crate) pointer: String,
    /// What is wrong.
    pub(crate) reason: String,
    /// The file, where it is wrong in the code.
    pub(crate) file: String,
    /// The line there.
    pub(crate) line: u32,
    /// The column there.
    pub(crate) column: u32,
    /// The compiler's name for it.
    pub(crate) id: String,
}

impl fmt::Display for FieldError {
    /// What is wrong with code as compilers write it, so that terminals and editors find the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, reason, file, line, column, id } = self;
        if id.is_empty() {
            write!(f, "{pointer} {reason}")
        } else {
            write!(f, "{file}({line},{column}): error {id}: {reason}")
        }
    }
}

impl Problem {
    /// Reads an answer that is no success. What is no problem document, as of a proxy, becomes one.
    pub(crate) fn read(status: http::StatusCode, body: &[u8]) -> Self {
        const SHOWN: usize = 500;
        let read: Option<Self> = serde_json::from_slice(body).ok();
        let mut problem = read.filter(|problem| !problem.title.is_empty()).unwrap_or_else(|| Self {
            title: status.canonical_reason().unwrap_or("the request failed").to_owned(),
            detail: String::from_utf8_lossy(body).trim().chars().take(SHOWN).collect(),
            ..Self::default()
        });
        problem.status = status.as_u16();
        problem
    }

    /// The detail, or the title if there is none.
    pub(crate) fn said(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }

    /// What belongs to it, line by line: fields, the worker's output, its stack.
    pub(crate) fn details(&self) -> Vec<String> {
        let fields = self.errors.iter().map(ToString::to_string);
        let logs = self.logs.iter().map(|log| format!("| {}", log.text));
        let stack = self.failure.iter().filter_map(|failure| failure.stack.as_deref());
        let stack = stack.flat_map(str::lines).map(str::to_owned);
        fields.chain(logs).chain(stack).collect()
    }

    /// How the program ends on it.
    pub(crate) const fn exit(&self) -> Exit {
        match self.status {
            401 | 403 => Exit::Unauthorised,
            404 | 410 => Exit::NotFound,
            408 | 429 | 502..=504 => Exit::Unavailable,
            400..=499 => Exit::Refused,
            _ => Exit::Failure,
        }
    }

    /// What to do next: by the code where it says more than the status.
    pub(crate) fn hint(&self) -> Option<String> {
        let by_code = match self.code.as_str() {
            "load-failed" => Some("correct the code and try again; nothing was changed"),
            "engine-unavailable" | "validation-unavailable" => {
                Some("nothing was changed; `workmanager doctor` says what is missing")
            }
            "worker-not-found" => Some("`workmanager list` shows what is there"),
            "event-not-found" => Some("an event that waits is not taken yet; GET /v1/topics says how many do"),
            "dead-letter-not-found" => Some("`workmanager dead-letters list` shows what is there"),
            "quarantine-not-found" => Some("`workmanager quarantine list` shows what is there"),
            "dead-letter-orphaned" => Some("`workmanager dead-letters show` prints its event, to publish it again"),
            "not-repairable" => Some("give it up with `workmanager quarantine drop`, then make it anew"),
            "worker-quarantined" | "record-quarantined" => {
                Some("`workmanager quarantine list` has its entry; restore it with `workmanager quarantine repair`")
            }
            "name-taken" => Some("choose another --name, or give the worker new code with `workmanager load`"),
            "revision-conflict" => Some("it was changed meanwhile: read it again, then repeat the change"),
            _ => None,
        };
        let by_status = match self.status {
            401 | 403 => Some("give a token with --token or WORKMANAGER_TOKEN"),
            404 => Some("check the name; `workmanager list` shows the workers"),
            413 => Some("make it smaller; docs/errors.md has the limits"),
            408 | 429 | 502..=504 => Some("try again in a moment"),
            500 => return Some(format!("the server's log tells the rest, under request {}", self.request_id)),
            _ => None,
        };
        by_code.or(by_status).map(str::to_owned)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if !self.detail.is_empty() && self.detail != self.title {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_problem_document_is_read_and_what_is_none_becomes_one() {
        let body = br#"{"type":"about:blank","title":"Invalid request","status":400,"detail":"2 fields are wrong",
            "code":"invalid","requestId":"r1","errors":[{"pointer":"/topic","reason":"must not be empty"}],"more":1}"#;
        let problem = Problem::read(StatusCode::BAD_REQUEST, body);
        assert_eq!(problem.to_string(), "Invalid request: 2 fields are wrong");
        assert_eq!(problem.errors[0].pointer, "/topic");
        assert_eq!(problem.exit(), Exit::Refused);
        let proxy = Problem::read(StatusCode::BAD_GATEWAY, b"<html>nope</html>");
        assert_eq!(proxy.to_string(), "Bad Gateway: <html>nope</html>");
        assert_eq!(proxy.exit(), Exit::Unavailable);
    }

    #[test]
    fn every_status_ends_the_program_in_its_own_way() {
        let table = [
            (400, Exit::Refused),
            (401, Exit::Unauthorised),
            (403, Exit::Unauthorised),
            (404, Exit::NotFound),
            (409, Exit::Refused),
            (413, Exit::Refused),
            (422, Exit::Refused),
            (429, Exit::Unavailable),
            (500, Exit::Failure),
            (501, Exit::Failure),
            (503, Exit::Unavailable),
        ];
        for (status, exit) in table {
            let problem = Problem { status, ..Problem::default() };
            assert_eq!(problem.exit(), exit, "{status}");
        }
    }
}
