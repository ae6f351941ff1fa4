//! `apply`: workers as files say, again and again with the same result.

mod document;
mod set;

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;
use workmanager_core_domain::WorkerName;

use super::{
    client::{Call, Client, Route},
    definition::{Definition, Plan, carry_out, find, plan},
    error::Error,
    exit::Exit,
    output::{Output, Table, with_progress},
};

/// Arguments of `apply`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// A file with documents, a directory with such files, or - for standard input; may be repeated.
    #[arg(long = "file", short, value_name = "FILE|DIR|-", required = true)]
    files: Vec<PathBuf>,
    /// The name of the set that the documents are: workers that it makes are marked with it.
    #[arg(long, value_name = "NAME")]
    set: Option<WorkerName>,
    /// Delete workers that this set has made and that are in no document any more.
    #[arg(long, requires = "set")]
    prune: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// What is done to one worker.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// Make it, change it, or leave it alone.
    Bring(Box<Definition>, Plan),
    /// Delete it.
    Prune(String),
}

impl Step {
    fn name(&self) -> &str {
        match self {
            Self::Bring(definition, _) => definition.name.as_str(),
            Self::Prune(name) => name,
        }
    }

    /// What it does, as a plan and as a deed.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Bring(_, Plan::Create) => ("create", "created"),
            Self::Bring(_, Plan::Change(change)) if change.is_empty() => ("unchanged", "unchanged"),
            Self::Bring(_, Plan::Change(_)) => ("change", "changed"),
            Self::Prune(_) => ("delete", "deleted"),
        }
    }

    fn changes(&self) -> Vec<String> {
        match self {
            Self::Bring(_, Plan::Change(change)) => change.names(),
            Self::Bring(_, Plan::Create) | Self::Prune(_) => Vec::new(),
        }
    }
}

/// Carries it out. Everything is read and planned before anything is done; one worker that fails does
/// not keep the others.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let definitions = document::read(&args.files)?;
    let steps = steps(args, definitions, client).await?;
    if args.dry_run {
        let planned: Vec<_> = steps.iter().map(|step| (step, step.words().0)).collect();
        return show(&planned, output);
    }
    let (mut done, mut failures): (Vec<(&Step, &str)>, Vec<Exit>) = (Vec::new(), Vec::new());
    for step in &steps {
        let what = format!("{} {}", step.words().0, step.name());
        match with_progress(output, &what, carry(step, client)).await {
            Ok(()) => done.push((step, step.words().1)),
            Err(error) => {
                output.note(&format!("{}:", step.name()));
                output.error(&error);
                done.push((step, "failed"));
                failures.push(error.exit());
            }
        }
    }
    show(&done, output)?;
    match failures.first() {
        None => Ok(()),
        Some(first) => Err(Error::Some { failed: failures.len(), all: steps.len(), first: *first }),
    }
}

async fn steps(args: &Args, definitions: Vec<Definition>, client: &Client) -> Result<Vec<Step>, Error> {
    let set = args.set.as_ref().map(WorkerName::as_str);
    let mut steps = Vec::with_capacity(definitions.len());
    for mut definition in definitions {
        let current = find(client, definition.name.as_str()).await?;
        set::check(&definition, current.as_ref(), set)?;
        let plan = plan(&definition, current.as_ref())?;
        if let (Plan::Create, Some(set)) = (&plan, set) {
            set::mark(&mut definition, set);
        }
        steps.push(Step::Bring(Box::new(definition), plan));
    }
    if let Some(set) = set.filter(|_| args.prune) {
        let left = set::left(client, set, &steps).await?;
        steps.extend(left.into_iter().map(Step::Prune));
    }
    Ok(steps)
}

async fn carry(step: &Step, client: &Client) -> Result<(), Error> {
    match step {
        Step::Bring(definition, plan) => carry_out(client, definition, plan).await,
        Step::Prune(name) => client.call(Call::delete(Route::v1(["workers", name]))).await.map(drop),
    }
}

fn show(steps: &[(&Step, &str)], output: &Output) -> Result<(), Error> {
    if output.is_json() {
        let results: Vec<_> = steps
            .iter()
            .map(|(step, word)| json!({ "name": step.name(), "action": word, "changes": step.changes() }))
            .collect();
        return output.json(json!({ "workers": results }).to_string().as_bytes());
    }
    let mut table = Table::new(["NAME", "ACTION", "CHANGES"]);
    for (step, word) in steps {
        table.row([step.name().to_owned(), (*word).to_owned(), step.changes().join(", ")]);
    }
    output.table(&table)
}

#[cfg(test)]
mod tests;
