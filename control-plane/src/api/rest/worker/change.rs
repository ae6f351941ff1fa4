//! `PATCH /v1/workers/{id}`: a JSON merge patch.
//!
//! Source: RFC 7396.

use axum::{extract::State, response::Response};

use super::{
    input::{self, patched},
    view,
};
use crate::{
    api::{
        Api,
        error::Error,
        json::{self, Fields},
        rest::call::{Call, PLAIN},
    },
    app::{Change, Changes, Problems},
};

/// The media types of a merge patch.
pub(super) const MEDIA_TYPES: [&str; 2] = ["application/merge-patch+json", "application/json"];

/// Changes a worker.
pub(in crate::api::rest) async fn patch(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let condition = call.condition()?;
    let body = call.body_of(&MEDIA_TYPES, PLAIN).await?;
    let mut problems = Problems::default();
    let changes = changes(&body, &mut problems)?;
    Ok(view::answer(&api.app.change(&id, changes, problems, condition).await?))
}

fn changes(body: &[u8], problems: &mut Problems) -> Result<Changes, Error> {
    let p = problems;
    let mut fields = Fields::of(json::parse(body)?, "", p);
    let (topic, topics) = (fields.change_text("topic", p), fields.take("topics", p));
    let topics = json::change(topics, "/topics", p, json::list);
    if topic != Change::Keep && topics != Change::Keep {
        p.push("/topic", "must not be given together with `topics`");
    }
    let topics = match topic {
        Change::Keep => topics,
        Change::Reset => Change::Reset,
        Change::Set(topic) => Change::Set(vec![topic]),
    };
    let changes = Changes {
        name: fields.change_text("name", p),
        topics,
        filter: fields.change_text("filter", p),
        group: fields.change_text("group", p),
        reply_topic: fields.change_text("replyTopic", p),
        ordering: fields.change_text("ordering", p),
        limits: patched(fields.take("limits", p), "/limits", p, input::limits),
        tags: json::change(fields.take("tags", p), "/tags", p, |node, at, p| {
            json::map(node, at, p, json::text_or_null)
        }),
    };
    fields.finish(p);
    Ok(changes)
}
