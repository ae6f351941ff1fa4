//! Sets of workers: which of them `apply` has made, so that it deletes those and no others.

use serde_json::{Value, json};

use super::Step;
use crate::cli::{
    client::{Client, Route},
    definition::Definition,
    error::Error,
    verb::list,
    wire::Worker,
};

/// The tag that a worker gets when a set makes it, and never later: a worker that was there before is
/// changed by a set, but not deleted by it.
pub(super) const TAG: &str = "workmanager/applied";

/// Refuses a document that sets the mark itself, and a worker that another set has made.
pub(super) fn check(definition: &Definition, current: Option<&Value>, set: Option<&str>) -> Result<(), Error> {
    let name = &definition.name;
    if definition.fields.get("tags").and_then(|tags| tags.get(TAG)).is_some() {
        let message = format!("the document of `{name}` has the tag `{TAG}`");
        return Err(Error::input(message, "leave it out; `apply --set NAME` gives it"));
    }
    let owner = current.and_then(|worker| worker["tags"][TAG].as_str());
    match (owner, set) {
        (Some(owner), Some(set)) if owner != set => {
            let message = format!("`{name}` was made by the set `{owner}`, not by `{set}`");
            Err(Error::input(message, format!("apply it with --set {owner}, or choose another name")))
        }
        _ => Ok(()),
    }
}

/// Marks a new worker as made by `set`.
pub(super) fn mark(definition: &mut Definition, set: &str) {
    let tags = definition.fields.entry("tags").or_insert_with(|| json!({}));
    tags[TAG] = json!(set);
}

/// The workers of `set` that no step names.
pub(super) async fn left(client: &Client, set: &str, steps: &[Step]) -> Result<Vec<String>, Error> {
    let route = Route::v1(["workers"]).with("tag", Some(format!("{TAG}:{set}")));
    let mut left = Vec::new();
    for worker in list::all(&route, usize::MAX, client).await? {
        let worker: Worker = client.read(&worker)?;
        // The server's filter is not trusted with a deletion.
        let made = worker.tags.get(TAG).is_some_and(|owner| owner == set);
        if made && !steps.iter().any(|step| step.name() == worker.name) {
            left.push(worker.name);
        }
    }
    Ok(left)
}
