//! `explain`: the story of an event.

mod story;

use clap::Args as ClapArgs;
use serde::Deserialize;

use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    output::Output,
};

/// Arguments of `explain`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The event's id.
    event: String,
    /// Its source, if events of several sources have this id.
    #[arg(long)]
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Stories {
    events: Vec<story::Event>,
    #[serde(default)]
    more: bool,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let route = Route::v1(["events", &args.event]).with("source", args.source.as_ref());
    let answer = client.call(Call::get(route)).await?;
    if output.is_json() {
        return output.json(&answer.body);
    }
    let Stories { events, more } = answer.read()?;
    let stories: Vec<_> = events.iter().map(|event| event.tell(output.style)).collect();
    output.print(&stories.join("\n\n"))?;
    if more {
        output.note("more sources use this id; name one with --source");
    }
    Ok(())
}
