//! `quarantine`: records that cannot be read.

use clap::{Args as ClapArgs, Subcommand};
use serde::Deserialize;

use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    output::{Output, Table, plain},
};

/// Arguments of `quarantine`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Clone, Subcommand)]
enum Act {
    /// List them, after a look at every record.
    List,
    /// Restore one, and take it into use.
    Repair {
        /// The entry's id.
        id: String,
    },
    /// Give one up: what it was is gone then.
    Drop {
        /// The entry's id.
        id: String,
    },
}

#[derive(Debug, Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
    at: String,
    reason: String,
    repairable: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repaired {
    from: String,
    as_of: Option<String>,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    match &args.act {
        Act::List => list(client, output).await,
        Act::Repair { id } => {
            let answer = client.call(Call::post(Route::v1(["quarantine", id, "repair"]))).await?;
            if output.is_json() {
                return output.json(&answer.body);
            }
            let Repaired { from, as_of } = answer.read()?;
            let as_of = as_of.map(|at| format!(", as of {at}")).unwrap_or_default();
            output.note(&plain(&format!("{id} is restored from {from}{as_of}")));
            Ok(())
        }
        Act::Drop { id } => {
            client.call(Call::delete(Route::v1(["quarantine", id]))).await?;
            output.note(&plain(&format!("{id} is given up")));
            Ok(())
        }
    }
}

async fn list(client: &Client, output: &Output) -> Result<(), Error> {
    let answer = client.call(Call::get(Route::v1(["quarantine"]))).await?;
    if output.is_json() {
        return output.json(&answer.body);
    }
    let entries = answer.read::<Entries>()?.entries;
    if entries.is_empty() {
        output.note("every record can be read");
        return Ok(());
    }
    let mut table = Table::new(["ENTRY", "NOTICED", "REPAIRABLE", "REASON"]);
    for Entry { id, at, reason, repairable } in entries {
        table.row([id, at, if repairable { "yes" } else { "no" }.to_owned(), reason]);
    }
    output.table(&table)
}
