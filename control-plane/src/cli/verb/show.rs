//! A worker for people.

use serde_json::Value;

use crate::cli::{
    client::Answer,
    error::Error,
    output::{Output, Style, plain},
    wire::Worker,
};

/// Shows the worker that the server answered with.
pub(super) fn worker(output: &Output, answer: &Answer) -> Result<(), Error> {
    if output.is_json() {
        return output.json(&answer.body);
    }
    output.print(&details(&answer.read()?, output.style))
}

/// What is asked for and what is true, in one word if they agree.
pub(super) fn state(worker: &Worker) -> String {
    let observed = worker.observed.state.as_str();
    let agreed =
        observed.is_empty() || observed == worker.status || (observed, worker.status.as_str()) == ("Ready", "Running");
    if agreed { worker.status.clone() } else { format!("{} ({observed})", worker.status) }
}

fn details(worker: &Worker, style: Style) -> String {
    let pairs = |map: &mut dyn Iterator<Item = (&String, String)>| {
        map.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let lines = [
        ("name", worker.name.clone()),
        ("id", worker.id.clone()),
        ("status", state(worker)),
        ("message", worker.observed.message.clone().unwrap_or_default()),
        ("code", format!("{}, version {}", worker.mime_type, worker.version)),
        ("digest", worker.digest.clone()),
        ("topics", worker.topics.join(", ")),
        ("filter", worker.filter.clone().unwrap_or_default()),
        ("group", worker.group.clone().unwrap_or_default()),
        ("ordering", worker.ordering.clone().filter(|ordering| ordering != "none").unwrap_or_default()),
        ("reply topic", worker.reply_topic.clone().unwrap_or_default()),
        ("config", pairs(&mut worker.config.iter().map(|(key, value)| (key, value.clone())))),
        ("tags", pairs(&mut worker.tags.iter().map(|(key, value)| (key, value.clone())))),
        ("limits", pairs(&mut worker.limits.iter().map(|(key, value)| (key, text(value))))),
        ("created", worker.created_at.clone()),
        ("updated", worker.updated_at.clone()),
    ];
    let shown = lines.into_iter().filter(|(_, value)| !value.is_empty());
    let line = |(name, value): (&str, String)| format!("{} {}", style.bold(&format!("{name:<12}")), plain(&value));
    shown.map(line).collect::<Vec<_>>().join("\n")
}
