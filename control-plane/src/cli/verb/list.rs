//! `list`: the workers.

use clap::Args as ClapArgs;
use serde_json::value::RawValue;
use workmanager_core_domain::MimeType;

use super::show;
use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    options::Pair,
    output::{Output, Table},
    wire::{Page, Worker},
};

/// Workers asked for at once.
const PAGE: usize = 1000;

/// Arguments of `list`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Only Running or Stopped ones.
    #[arg(long)]
    status: Option<String>,
    /// Only those of a topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only those of a group.
    #[arg(long)]
    group: Option<String>,
    /// Only this kind of code.
    #[arg(long, value_name = "TYPE")]
    mime_type: Option<MimeType>,
    /// Only the one of this name.
    #[arg(long)]
    name: Option<String>,
    /// Only those with a tag; may be repeated.
    #[arg(long = "tag", value_name = "KEY:VALUE", value_parser = Pair::colon)]
    tags: Vec<Pair>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let workers = all(&route(args), args.limit.unwrap_or(usize::MAX), client).await?;
    if output.is_json() {
        let text = serde_json::to_vec(&serde_json::json!({ "workers": workers })).unwrap_or_default();
        return output.json(&text);
    }
    if workers.is_empty() {
        output.note("no workers; make one with `workmanager create FILE --start`");
        return Ok(());
    }
    let mut table = Table::new(["NAME", "STATUS", "TOPICS", "LANGUAGE", "VERSION", "ID"]);
    for worker in &workers {
        let worker: Worker = client.read(worker)?;
        let (state, topics, version) = (show::state(&worker), worker.topics.join(","), worker.version.to_string());
        table.row([worker.name, state, topics, worker.language, version, worker.id]);
    }
    output.table(&table)
}

fn route(args: &Args) -> Route {
    let mut route = Route::v1(["workers"])
        .with("status", args.status.as_ref())
        .with("topic", args.topic.as_ref())
        .with("group", args.group.as_ref())
        .with("mimeType", args.mime_type)
        .with("name", args.name.as_ref());
    for tag in &args.tags {
        route = route.with("tag", Some(format!("{}:{}", tag.key, tag.value)));
    }
    route
}

/// Up to `limit` workers, page by page.
pub(crate) async fn all(route: &Route, limit: usize, client: &Client) -> Result<Vec<Box<RawValue>>, Error> {
    let mut workers: Vec<Box<RawValue>> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let wanted = PAGE.min(limit - workers.len());
        let page = route.clone().with("limit", Some(wanted)).with("cursor", cursor.as_ref());
        let page: Page = client.call(Call::get(page)).await?.read()?;
        workers.extend(page.workers);
        if page.next_cursor.is_none() || workers.len() >= limit {
            workers.truncate(limit);
            return Ok(workers);
        }
        cursor = page.next_cursor;
    }
}
