//! `dead-letters`: events that failed for good.

use clap::{Args as ClapArgs, Subcommand};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    output::{Output, Table, plain},
};

/// Arguments of `dead-letters`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Clone, Subcommand)]
enum Act {
    /// List them, oldest first.
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many.
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
    },
    /// Show one with its event and all its attempts.
    Show {
        /// Its id.
        id: String,
    },
    /// Send one round again, or all that a filter names: for its worker alone, with its attempts counted anew.
    Redrive {
        /// Its id; without one, all that the filter names.
        id: Option<String>,
        /// The version to run instead of the active one.
        #[arg(long, value_name = "NUMBER", requires = "id")]
        version: Option<u32>,
        #[command(flatten)]
        many: Many,
    },
    /// Give one up, or all that a filter names: their events are gone then.
    Purge {
        /// Its id; without one, all that the filter names.
        id: Option<String>,
        #[command(flatten)]
        many: Many,
    },
}

/// Which ones.
#[derive(Debug, Clone, ClapArgs)]
struct Filter {
    /// Only those of a worker, by id or name.
    #[arg(long)]
    worker: Option<String>,
    /// Only those with this reason, as in `attempts-exhausted`.
    #[arg(long)]
    reason: Option<String>,
    /// Only those given up at this time or later.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those given up before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Many at once.
#[derive(Debug, Clone, ClapArgs)]
struct Many {
    #[command(flatten)]
    filter: Filter,
    /// All there are.
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Say which, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    dead_letters: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Letter {
    id: String,
    worker: Worker,
    reason: String,
    message: String,
    at: String,
    event_id: Option<String>,
    attempts: usize,
}

#[derive(Debug, Deserialize)]
struct Worker {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Done {
    count: usize,
    #[serde(default)]
    orphaned: usize,
    more: bool,
}

impl Filter {
    fn on(&self, route: Route) -> Route {
        let Self { worker, reason, since, until } = self;
        let route = route.with("worker", worker.as_ref()).with("reason", reason.as_ref());
        route.with("since", since.as_ref()).with("until", until.as_ref())
    }
}

impl Many {
    fn on(&self, route: Route) -> Route {
        let flag = |set: bool| set.then_some(true);
        self.filter.on(route).with("all", flag(self.all)).with("dryRun", flag(self.dry_run))
    }
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    match &args.act {
        Act::List { filter, limit } => list(filter, limit.unwrap_or(usize::MAX), client, output).await,
        Act::Show { id } => {
            let answer = client.call(Call::get(Route::v1(["dead-letters", id]))).await?;
            output.json(&answer.body)
        }
        Act::Redrive { id: Some(id), version, many } => {
            let route = Route::v1(["dead-letters", id, "redrive"]).with("dryRun", many.dry_run.then_some(true));
            let call = Call::post(route).json(&json!({ "version": version }));
            done("sent round again", many.dry_run, &client.call(call).await?, output)
        }
        Act::Redrive { id: None, many, .. } => {
            let route = many.on(Route::root("/v1/dead-letters:redrive"));
            done("sent round again", many.dry_run, &client.call(Call::post(route)).await?, output)
        }
        Act::Purge { id: Some(id), many } => {
            if many.dry_run {
                client.call(Call::get(Route::v1(["dead-letters", id]))).await?;
                output.note("1 would be given up");
                return Ok(());
            }
            client.call(Call::delete(Route::v1(["dead-letters", id]))).await?;
            output.note("1 given up");
            Ok(())
        }
        Act::Purge { id: None, many } => {
            let route = many.on(Route::v1(["dead-letters"]));
            done("given up", many.dry_run, &client.call(Call::delete(route)).await?, output)
        }
    }
}

async fn list(filter: &Filter, limit: usize, client: &Client, output: &Output) -> Result<(), Error> {
    let (mut letters, mut cursor): (Vec<Box<RawValue>>, Option<String>) = (Vec::new(), None);
    while letters.len() < limit {
        let route = filter.on(Route::v1(["dead-letters"])).with("limit", Some((limit - letters.len()).min(1000)));
        let page: Page = client.call(Call::get(route.with("cursor", cursor.as_ref()))).await?.read()?;
        letters.extend(page.dead_letters);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if output.is_json() {
        let text = serde_json::to_vec(&json!({ "deadLetters": letters })).unwrap_or_default();
        return output.json(&text);
    }
    if letters.is_empty() {
        output.note("no dead letters");
        return Ok(());
    }
    let mut table = Table::new(["WHEN", "WORKER", "EVENT", "REASON", "ATTEMPTS", "MESSAGE", "ID"]);
    for letter in &letters {
        let Letter { id, worker, reason, message, at, event_id, attempts } = client.read(letter)?;
        let (worker, event) = (worker.name.unwrap_or("(deleted)".to_owned()), event_id.unwrap_or_default());
        let message: String = message.chars().take(60).collect();
        table.row([at, worker, event, reason, attempts.to_string(), message, id]);
    }
    output.table(&table)
}

fn done(what: &str, dry_run: bool, answer: &crate::cli::client::Answer, output: &Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json(&answer.body);
    }
    let Done { count, orphaned, more } = answer.read()?;
    let would = if dry_run { "would be " } else { "" };
    let more = if more { "; there are more: do it again" } else { "" };
    let stay = if orphaned > 0 { format!("; {orphaned} of deleted workers stay") } else { String::new() };
    output.note(&plain(&format!("{count} {would}{what}{stay}{more}")));
    Ok(())
}
