//! `history` and `rollback`: a worker's versions.

use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::json;

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
struct History {
    history: Vec<Entry>,
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
    let answer = client.call(Call::get(Route::v1(["workers", &args.worker, "history"]))).await?;
    if output.is_json() {
        return output.json(&answer.body);
    }
    let mut table = Table::new(["VERSION", "STATUS", "CREATED", "DIGEST"]);
    for entry in answer.read::<History>()?.history {
        table.row([entry.version.to_string(), entry.status, entry.created_at, entry.digest]);
    }
    output.table(&table)
}

/// Makes an earlier version active.
pub(crate) async fn rollback(args: &Rollback, client: &Client, output: &Output) -> Result<(), Error> {
    let call = Call::post(Route::v1(["workers", &args.worker, "rollback"])).json(&json!({ "version": args.version }));
    show::worker(output, &client.call(call).await?)
}
