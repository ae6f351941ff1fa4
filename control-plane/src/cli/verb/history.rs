//! `history` and `rollback`: a worker's versions.

use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::show;
use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    output::{Output, Table},
};

/// Arguments of `history`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Id or name.
    worker: String,
}

/// Arguments of `rollback`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Rollback {
    /// Id or name.
    worker: String,
    /// The version to make active again; `workmanager history` lists them.
    version: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    history: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    version: u32,
    digest: String,
    created_at: String,
    status: String,
}

/// Shows the versions.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let (mut versions, mut cursor): (Vec<Box<RawValue>>, Option<String>) = (Vec::new(), None);
    loop {
        let route = Route::v1(["workers", &args.worker, "history"]).with("cursor", cursor.as_ref());
        let page: Page = client.call(Call::get(route)).await?.read()?;
        versions.extend(page.history);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if output.is_json() {
        let text = serde_json::to_vec(&json!({ "history": versions })).unwrap_or_default();
        return output.json(&text);
    }
    let mut table = Table::new(["VERSION", "STATUS", "CREATED", "DIGEST"]);
    for version in &versions {
        let entry: Entry = client.read(version)?;
        table.row([entry.version.to_string(), entry.status, entry.created_at, entry.digest]);
    }
    output.table(&table)
}

/// Makes an earlier version active.
pub(crate) async fn rollback(args: &Rollback, client: &Client, output: &Output) -> Result<(), Error> {
    let call = Call::post(Route::v1(["workers", &args.worker, "rollback"])).json(&json!({ "version": args.version }));
    show::worker(output, &client.call(call).await?)
}
